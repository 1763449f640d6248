//! People who log in.

use super::*;

#[tokio::test]
async fn a_session_is_a_cookie_that_only_the_servers_own_page_can_use() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    add(&server, "ada", "operator").await;
    let response = log_in(&server, "ada", PASSWORD).await;
    let set = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(flag), "{set}");
    }
    assert!(set.starts_with("openclaw=") && !set.contains("Domain"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    let who: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!((&who["user"], &who["role"]), (&json!("ada"), &json!("operator")));

    let made = call_with(&server, &cookie, "session.create", json!({ "sessionId": "s" })).await;
    assert!(made.is_ok(), "{made:?}");
    let refused = call_with(&server, &cookie, "user.list", json!({})).await.unwrap_err();
    assert_eq!(code(&refused), "OC-ACC-001");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"system.version"}"#;
    let own = server.caller().base().to_owned();
    let (mark, json) = (("x-openclaw", "1"), ("content-type", "application/json"));
    for (headers, status) in [
        (vec![mark, json, ("origin", own.as_str())], 200),
        (vec![json, ("origin", own.as_str())], 403),
        (vec![mark, json, ("origin", "http://127.0.0.1:1")], 403),
        (vec![mark, json, ("origin", "https://evil.example")], 403),
        (vec![mark, json, ("origin", "null")], 403),
        (vec![mark, json, ("origin", own.as_str()), ("sec-fetch-site", "same-site")], 403),
        (vec![mark, ("content-type", "text/plain"), ("origin", own.as_str())], 415),
    ] {
        let mut request =
            server.caller().anonymous(Method::POST, "/rpc").header("cookie", &cookie).body(body);
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{headers:?}");
    }
    for path in ["/rpc", "/graphql/ws"] {
        let with = |origin: &'static str| [("cookie", cookie.clone()), ("origin", origin.to_owned())];
        let evil = with("https://evil.example");
        let evil: Vec<(&str, &str)> = evil.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(socket(&server, path, &evil).await.err(), Some(403), "{path}");
        assert_eq!(
            socket(&server, path, &[("cookie", &cookie)]).await.err(),
            Some(403),
            "{path}: from nowhere"
        );
        let mut open = socket(&server, path, &[("cookie", &cookie), ("origin", &own)]).await.unwrap();
        if path == "/graphql/ws" {
            assert_eq!(introduce(&mut open, None).await, None);
        }
    }

    // A crash ends no session; logging out does, with its sockets.
    let server = server.kill9_and_restart().await;
    let own = server.caller().base().to_owned();
    let who = page(&server, Method::GET, "/session", &cookie).send().await.unwrap().text().await.unwrap();
    let who: Value = serde_json::from_str(&who).unwrap();
    assert_eq!((&who["actor"], &who["user"]["role"]), (&json!("user:ada"), &json!("operator")), "{who}");
    let open = socket(&server, "/rpc", &[("cookie", &cookie), ("origin", &own)]).await.unwrap();
    assert_eq!(page(&server, Method::POST, "/logout", &cookie).send().await.unwrap().status(), 204);
    assert!(ends(open).await <= Duration::from_secs(1));
    let over = page(&server, Method::GET, "/session", &cookie).send().await.unwrap();
    assert_eq!(over.status(), 401);
    assert!(over.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"), "the browser forgets it");
    let history = server.terminate().await;
    let actors: Vec<&str> = history
        .0
        .iter()
        .filter(|entry| {
            ["session.started", "user.logged_in", "user.logged_out"].contains(&entry.r#type.as_str())
        })
        .map(|entry| entry.actor.as_str())
        .collect();
    assert_eq!(actors, ["user:ada"; 3]);
}

#[tokio::test]
async fn guessing_a_password_is_slowed_and_recorded_and_nothing_is_told_before_one_is_in() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for path in ["/session", "/logout", "/rpc", "/graphql", "/metrics", "/setup", "/"] {
        let answer = server.caller().anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path} is served to nobody");
    }
    add(&server, "ada", "admin").await;
    for (body, kind, status) in [
        ("{}", "application/json", 400),
        ("user=ada&password=x", "application/x-www-form-urlencoded", 415),
        (r#"{"user":"ada","password":"x"}"#, "text/plain", 415),
        (r#"{"user":"ada","password":"x","role":"admin"}"#, "application/json", 400),
    ] {
        let request =
            server.caller().anonymous(Method::POST, "/login").header("content-type", kind).body(body);
        assert_eq!(request.send().await.unwrap().status(), status, "{body}");
    }
    let foreign = server
        .caller()
        .anonymous(Method::POST, "/login")
        .header("content-type", "application/json")
        .header("sec-fetch-site", "cross-site")
        .body(json!({ "user": "ada", "password": PASSWORD }).to_string());
    assert_eq!(foreign.send().await.unwrap().status(), 403, "no page logs its visitor in here");

    let mut unknown = Vec::new();
    for _ in 0..5 {
        assert_eq!(log_in(&server, "ada", "wrong wrong wrong").await.status(), 401);
        unknown.push(log_in(&server, "nobody", "wrong wrong wrong").await.text().await.unwrap());
    }
    assert!(
        unknown.iter().all(|text| text.contains("OC-USR-005")),
        "a name that there is not is no other answer"
    );
    let late = log_in(&server, "ada", PASSWORD).await;
    assert_eq!(late.status(), 429);
    let wait: u64 = late.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
    // The operator is not locked out with them.
    assert!(server.rpc("user.list", json!({})).await.is_ok());
    let said = server.said().join("\n");
    let history = server.terminate().await;
    assert!(history.0.iter().any(|entry| entry.r#type == "audit.login_failed"));
    assert!(!said.contains(PASSWORD));
    let found =
        std::process::Command::new("grep").args(["-rlaF", PASSWORD]).arg(data.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "the password is in {}", String::from_utf8_lossy(&found.stdout));
}

#[tokio::test]
async fn a_role_that_changes_counts_at_once_and_a_new_password_ends_sessions() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    add(&server, "ada", "admin").await;
    let first = cookie(&server, "ada").await;
    assert!(call_with(&server, &first, "user.list", json!({})).await.is_ok());
    let own = server.caller().base().to_owned();
    let open = socket(&server, "/rpc", &[("cookie", &first), ("origin", &own)]).await.unwrap();
    server.rpc("user.change", json!({ "name": "ada", "role": "viewer" })).await.unwrap();
    let refused = call_with(&server, &first, "user.list", json!({})).await.unwrap_err();
    assert_eq!(code(&refused), "OC-ACC-001");
    assert!(ends(open).await <= Duration::from_secs(1), "a socket keeps no right");
    let weak = json!({ "name": "ada", "password": "short" });
    assert_eq!(code(&server.rpc("user.set_password", weak).await.unwrap_err()), "OC-USR-004");
    let new = json!({ "name": "ada", "password": "another horse, another battery" });
    server.rpc("user.set_password", new).await.unwrap();
    assert_eq!(page(&server, Method::GET, "/session", &first).send().await.unwrap().status(), 401);
    assert_eq!(log_in(&server, "ada", PASSWORD).await.status(), 401);
    server.terminate().await;
}

#[tokio::test]
async fn the_first_admin_is_added_at_the_terminal_and_never_by_an_argument() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let weak = server.cli(&["user", "add", "ada", "--role", "admin"], Some("short\n")).await;
    assert!(weak.code == Some(4) && weak.stderr.contains("OC-USR-004"), "{weak:?}");
    let line = format!("{PASSWORD}\n");
    server
        .cli(&["user", "add", "ada", "--role", "admin", "--group", "finance"], Some(&line))
        .await
        .succeeded();
    let given = server.cli(&["user", "add", "eve", "--role", "admin", "--password", PASSWORD], None).await;
    assert_eq!(given.code, Some(2), "there is no such argument");
    let ada = cookie(&server, "ada").await;
    assert!(call_with(&server, &ada, "token.list", json!({})).await.is_ok());
    let listed = server.cli(&["user", "list"], None).await.succeeded().stdout;
    assert!(listed.contains("ada  admin everywhere  [finance]"), "{listed}");
    server.cli(&["user", "remove", "ada"], None).await.succeeded();
    assert_eq!(page(&server, Method::GET, "/session", &ada).send().await.unwrap().status(), 401);
    server.terminate().await;
}
