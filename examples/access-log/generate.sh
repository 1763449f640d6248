#!/bin/sh
# Prints an access log in the combined format (https://httpd.apache.org/docs/current/logs.html#combined).
# usage: generate.sh [LINES] [SEED]   The same seed gives the same log.
exec awk -v lines="${1:-4000}" -v seed="${2:-7}" '
BEGIN {
    srand(seed)
    split("/ /login /cart /search?q=lamp /api/orders /api/orders/17 /static/app.js /static/app.css /images/hero.jpg /checkout", path, " ")
    split("GET GET GET GET POST GET GET GET GET POST", method, " ")
    split("Mozilla/5.0 (X11; Linux x86_64)|curl/8.5.0|Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)", agent, "|")
    for (i = 0; i < lines; i++) {
        p = int(rand() * 10) + 1
        status = 200
        r = rand()
        if (r < 0.04) status = 404; else if (r < 0.07) status = 302
        if ((p == 5 || p == 10) && rand() < 0.15) status = 503
        # Busiest at noon.
        day = i / lines
        second = int(86400 * (day + 0.1 * sin(6.2832 * day))) % 86400
        printf "10.%d.%d.%d - %s [24/Nov/2026:%02d:%02d:%02d +0000] \"%s %s HTTP/1.1\" %d %d \"%s\" \"%s\"\n",
            int(rand() * 4), int(rand() * 8), int(rand() * 250) + 1, rand() < 0.2 ? "ada" : "-",
            int(second / 3600), int(second / 60) % 60, second % 60,
            method[p], path[p], status, status == 302 ? 0 : int(rand() * 20000) + 200,
            rand() < 0.5 ? "-" : "https://shop.example/", agent[int(rand() * 3) + 1]
    }
}'
