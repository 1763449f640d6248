//! The cookie of a session, and where requests with it may come from.
//!
//! A browser adds the cookie to whatever a page sends here. `SameSite=Strict` keeps pages of other sites from that, but
//! not those of another port of the same machine; so a request with a cookie has to come from a page of this very
//! server, and one that may change something needs a header that no page can send elsewhere without being asked first.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header, uri::Authority};

use super::auth::once;

/// Over TLS. The prefix makes browsers refuse it from anywhere else.
const SECURE: &str = "__Host-openclaw";
/// Over plain HTTP, which is for this machine alone.
const PLAIN: &str = "openclaw";
/// What a page sends with its requests, to show that it is one that may.
const MARK: &str = "x-openclaw";

/// Whether the host that was asked is this machine, by a name that cannot be another's.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// The session's secret, if there is one and no doubt about which.
pub(super) fn value(headers: &HeaderMap) -> Option<&str> {
    let named = |name: &str| {
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(given, _)| *given == name)
            .map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() { Err(()) } else { Ok(value) }
    };
    match named(SECURE) {
        Ok(None) if is_local(headers) => named(PLAIN).ok().flatten(),
        Ok(value) => value,
        Err(()) => None,
    }
}

/// Whether a request with a cookie comes from a page of this server.
pub(super) fn is_own_page(method: &Method, headers: &HeaderMap) -> bool {
    let opens_socket = headers.contains_key(header::UPGRADE);
    if matches!(*method, Method::GET | Method::HEAD) && !opens_socket {
        // Nothing is changed by reading, and no other page can see the answer.
        return true;
    }
    let Some(origin) = is_same_origin(headers) else { return false };
    // A page cannot set headers on a WebSocket; its browser says where it comes from in any case.
    if opens_socket { origin } else { once(headers, MARK) == Some(Some("1")) }
}

/// Whether a page of this server sent this, as far as its browser says: none if it was another one, false if nothing
/// says where it comes from.
pub(super) fn is_same_origin(headers: &HeaderMap) -> Option<bool> {
    let site = once(headers, "sec-fetch-site")?;
    if site.is_some_and(|site| site != "same-origin") {
        return None;
    }
    let Some(origin) = once(headers, "origin")? else { return Some(site.is_some()) };
    let host = once(headers, "host")??;
    let own = origin.split_once("://").is_some_and(|(scheme, authority)| {
        matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
    });
    own.then_some(true)
}

/// `Set-Cookie` of a session that begins. It is sent over TLS only, except where
/// a page of this machine logs in over plain HTTP.
pub(super) fn set(headers: &HeaderMap, secret: &str, lasts: Duration) -> HeaderValue {
    let by_tls = once(headers, "origin").flatten().is_some_and(|origin| origin.starts_with("https://"));
    let seconds = lasts.as_secs();
    let line = if by_tls || !is_local(headers) {
        format!("{SECURE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict; Secure")
    } else {
        format!("{PLAIN}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict")
    };
    let mut value = HeaderValue::from_str(&line).expect("made of visible characters");
    value.set_sensitive(true);
    value
}

/// `Set-Cookie` that takes the cookie back.
pub(super) fn none(headers: &HeaderMap) -> HeaderValue {
    set(headers, "", Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn with(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        for (name, value) in lines {
            all.append(*name, HeaderValue::from_str(value).unwrap());
        }
        all
    }

    #[test]
    fn a_cookie_is_taken_when_there_is_no_doubt_about_it() {
        let local = ("host", "127.0.0.1:7710");
        assert_eq!(value(&headers(&[local, ("cookie", "a=1; openclaw=x; b=2")])), Some("x"));
        assert_eq!(value(&headers(&[("host", "box.example"), ("cookie", "openclaw=x")])), None);
        assert_eq!(value(&headers(&[("host", "box.example"), ("cookie", "__Host-openclaw=x")])), Some("x"));
        assert_eq!(value(&headers(&[local, ("cookie", "openclaw=x; __Host-openclaw=y")])), Some("y"));
        assert_eq!(value(&headers(&[local, ("cookie", "openclaw=x; openclaw=y")])), None);
        assert_eq!(value(&with(&[local, ("cookie", "openclaw=x"), ("cookie", "openclaw=y")])), None);
        assert_eq!(value(&headers(&[local])), None);
    }

    #[test]
    fn only_a_page_of_this_server_changes_something_with_a_cookie() {
        let host = ("host", "127.0.0.1:7710");
        let (own, mark) = (("origin", "http://127.0.0.1:7710"), ("x-openclaw", "1"));
        let post = |lines: &[(&'static str, &str)]| is_own_page(&Method::POST, &headers(lines));
        assert!(post(&[host, own, mark]));
        assert!(post(&[host, ("sec-fetch-site", "same-origin"), mark]));
        assert!(post(&[host, mark]), "a program says nothing of pages, and has to know the cookie");
        for wrong in [
            vec![host, own],
            vec![host, own, ("x-openclaw", "0")],
            vec![host, ("origin", "http://127.0.0.1:7711"), mark],
            vec![host, ("origin", "null"), mark],
            vec![host, own, mark, ("sec-fetch-site", "same-site")],
            vec![host, mark, ("sec-fetch-site", "cross-site")],
            vec![host, mark, ("sec-fetch-site", "none")],
        ] {
            assert!(!post(&wrong), "{wrong:?}");
        }
        let get = |lines: &[(&'static str, &str)]| is_own_page(&Method::GET, &headers(lines));
        let upgrade = ("upgrade", "websocket");
        assert!(get(&[host]) && get(&[host, upgrade, own]));
        assert!(!get(&[host, upgrade]), "a browser always says where a WebSocket comes from");
        assert!(!get(&[host, upgrade, ("origin", "https://evil.example")]));
    }

    #[test]
    fn the_cookie_is_for_browsers_alone_and_for_tls_except_on_this_machine() {
        let lasts = Duration::from_secs(60);
        let plain = set(&headers(&[("host", "localhost:7710")]), "x", lasts);
        assert_eq!(plain, "openclaw=x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
        for secure in [
            headers(&[("host", "box.example")]),
            headers(&[("host", "localhost"), ("origin", "https://localhost")]),
        ] {
            let secure = set(&secure, "x", lasts);
            assert_eq!(secure, "__Host-openclaw=x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure");
        }
    }
}
