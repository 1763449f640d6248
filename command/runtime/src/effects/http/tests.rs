use std::collections::BTreeMap;

use openclaw_model::event::run::HttpOutput;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use super::*;
use crate::effects::{
    exposure::tests::{Vault, handle},
    testing::{self, Local, http, limited},
};

/// A server that answers each connection with the next of `answers` and hands over what it was sent.
async fn server(answers: Vec<String>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let serve = async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !is_whole(&seen) {
                let mut buffer = [0; 4096];
                let length = connection.read(&mut buffer).await.unwrap();
                seen.extend_from_slice(&buffer[..length]);
            }
            let _ = sender.send(String::from_utf8(seen).unwrap());
            if answer.is_empty() {
                // An answer that never comes.
                std::future::pending::<()>().await;
            }
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    };
    // Ends with the test's runtime.
    drop(tokio::task::spawn_local(serve));
    (format!("http://{address}"), receiver)
}

fn is_whole(seen: &[u8]) -> bool {
    let text = String::from_utf8_lossy(seen).to_lowercase();
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        body.len() >= length.unwrap_or(0)
    })
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: BTreeMap::new(),
        query: BTreeMap::new(),
        body: None,
        output: HttpOutput::Content,
        redirect: false,
        authentication: None,
    }
}

async fn perform(request: &HttpRequest) -> EffectOutcome {
    http().perform(request, "key-1", &mut Exposure::nothing(), CancellationToken::new()).await
}

/// Runs `test` where [`server`] can be started.
async fn local(test: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn json_is_sent_and_received_with_the_effects_key() {
    local(async {
        let (url, mut seen) =
            server(vec![answer("201 Created", "content-type: application/json\r\n", r#"{"id":7}"#)]).await;
        let request = HttpRequest {
            method: "POST".into(),
            query: BTreeMap::from([("q".into(), "a b&c".into())]),
            body: Some(json!({ "name": "ü" })),
            ..get(&format!("{url}/pets?x=1"))
        };
        assert_eq!(perform(&request).await, Ok(json!({ "id": 7 })));
        let seen = seen.recv().await.unwrap();
        assert!(seen.starts_with("POST /pets?x=1&q=a+b%26c HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("\r\nidempotency-key: key-1\r\n"), "{seen}");
        assert!(seen.contains("\r\ncontent-type: application/json\r\n"), "{seen}");
        assert!(seen.ends_with("\r\n\r\n{\"name\":\"ü\"}"), "{seen}");
    })
    .await;
}

#[tokio::test]
async fn the_tasks_own_key_and_text_body_are_left_alone() {
    local(async {
        let (url, mut seen) = server(vec![answer("204 No Content", "", "")]).await;
        let headers = [("Idempotency-Key", "mine"), ("Content-Type", "text/csv")];
        let request = HttpRequest {
            method: "PUT".into(),
            headers: headers.map(|(name, value)| (name.into(), value.into())).into(),
            body: Some(json!("a,b")),
            ..get(&url)
        };
        assert_eq!(perform(&request).await, Ok(Value::Null));
        let seen = seen.recv().await.unwrap();
        assert!(seen.contains("idempotency-key: mine\r\n") && !seen.contains("key-1"), "{seen}");
        assert!(seen.contains("content-type: text/csv\r\n") && seen.ends_with("\r\n\r\na,b"), "{seen}");
    })
    .await;
}

#[tokio::test]
async fn the_output_has_the_shape_that_the_task_wants() {
    local(async {
        let plain = answer("200 OK", "content-type: text/plain\r\nx-a: 1\r\nx-a: 2\r\n", "héllo");
        let binary = answer("200 OK", "content-type: application/octet-stream\r\n", "héllo");
        let (url, _seen) = server(vec![plain.clone(), plain.clone(), plain, binary]).await;
        let with = |output| HttpRequest { output, ..get(&url) };
        assert_eq!(perform(&with(HttpOutput::Content)).await, Ok(json!("héllo")));
        assert_eq!(perform(&with(HttpOutput::Raw)).await, Ok(json!("aMOpbGxv")));
        let request = HttpRequest {
            headers: BTreeMap::from([("Authorization".into(), "Bearer s3cret".into())]),
            url: format!("{}/a?b=c", url.replace("http://", "http://me:pw@")),
            ..with(HttpOutput::Response)
        };
        let response = perform(&request).await.unwrap();
        assert_eq!(response["statusCode"], json!(200));
        assert_eq!(response["content"], json!("héllo"));
        assert_eq!(response["headers"]["x-a"], json!("1, 2"));
        assert_eq!(response["request"]["method"], json!("GET"));
        assert_eq!(response["request"]["uri"], json!(format!("{url}/a?b=c")));
        assert_eq!(response["request"]["headers"], json!({ "idempotency-key": "key-1" }));
        assert_eq!(perform(&with(HttpOutput::Content)).await, Ok(json!("aMOpbGxv")), "no text");
    })
    .await;
}

#[tokio::test]
async fn a_status_outside_the_allowed_is_an_error_with_that_status() {
    local(async {
        let long = "x".repeat(5000);
        let teapot = answer("418 I'm a teapot", "content-type: text/plain\r\n", &long);
        let moved = answer("302 Found", "location: /elsewhere\r\n", "");
        let (url, mut seen) = server(vec![teapot, moved]).await;

        let error =
            perform(&get(&format!("{}/tea?token=s3cret", url.replace("//", "//me:pw@")))).await.unwrap_err();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (418, Some("communication")));
        let detail = error.detail.unwrap();
        assert!(detail.starts_with(&format!("GET {url}/tea answered 418")), "{detail}");
        assert!(detail.len() < 1200 && !detail.contains("s3cret") && !detail.contains("pw"), "{detail}");

        assert_eq!(perform(&get(&url)).await.unwrap_err().status, 302);
        seen.close();
        let requests = std::iter::from_fn(|| seen.try_recv().ok()).count();
        assert_eq!(requests, 2, "no redirect is followed");
    })
    .await;
}

#[tokio::test]
async fn redirects_are_followed_a_few_times_when_the_task_allows_them() {
    local(async {
        let moved = answer("302 Found", "location: /next\r\n", "");
        let mut answers = vec![moved.clone(), answer("200 OK", "content-type: application/json\r\n", "[1]")];
        answers.extend(vec![moved; 10]);
        let (url, mut seen) = server(answers).await;
        let request = HttpRequest { redirect: true, output: HttpOutput::Response, ..get(&url) };
        assert_eq!(perform(&request).await.unwrap()["content"], json!([1]));
        assert_eq!(perform(&request).await.unwrap()["statusCode"], json!(302), "a circle ends");
        let requests = std::iter::from_fn(|| seen.try_recv().ok()).count();
        assert_eq!(requests, 2 + 1 + MAX_REDIRECTS);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_a_configuration_error() {
    for (change, expected) in [
        (HttpRequest { url: "/relative".into(), ..get("") }, "no absolute URL"),
        (HttpRequest { url: "file:///etc/passwd".into(), ..get("") }, "cannot use file:"),
        (HttpRequest { method: "GE T".into(), ..get("http://localhost") }, "no HTTP method"),
        (
            HttpRequest { headers: [("a b".into(), "c".into())].into(), ..get("http://localhost") },
            "no name of a header",
        ),
        (
            HttpRequest { headers: [("a".into(), "b\r\nc: d".into())].into(), ..get("http://localhost") },
            "cannot be sent",
        ),
    ] {
        let error = perform(&change).await.unwrap_err();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (400, Some("configuration")));
        assert!(error.detail.as_deref().unwrap().contains(expected), "{error:?}");
    }
}

#[tokio::test]
async fn no_connection_a_broken_answer_and_a_large_one_are_told_apart() {
    local(async {
        let not_json = answer("200 OK", "content-type: application/problem+json\r\n", "{oops");
        let large = answer("200 OK", "", &"x".repeat(5000));
        let (url, _seen) = server(vec![not_json, "nonsense\r\n\r\n".into(), large]).await;
        let limited = limited(Limits { response_bytes: 4999, ..Limits::default() });

        let error = perform(&get(&url)).await.unwrap_err();
        assert!(error.status == 500 && error.detail.unwrap().contains("application/problem+json"));
        assert_eq!(perform(&get(&url)).await.unwrap_err().status, 500);
        let error = limited
            .perform(&get(&url), "k", &mut Exposure::nothing(), CancellationToken::new())
            .await
            .unwrap_err();
        assert!(error.status == 500 && error.detail.unwrap().contains("more than 4999 bytes"));

        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = perform(&get(&format!("http://{closed}/a?token=s3cret"))).await.unwrap_err();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (503, Some("communication")));
        assert!(!error.detail.unwrap().contains("s3cret"));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout_and_can_be_cancelled() {
    local(async {
        let (url, mut seen) = server(vec![String::new()]).await;
        let limited = limited(Limits { total: Duration::from_millis(50), ..Limits::default() });
        let error = limited
            .perform(&get(&url), "k", &mut Exposure::nothing(), CancellationToken::new())
            .await
            .unwrap_err();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (408, Some("timeout")));
        assert!(seen.recv().await.is_some());

        let (url, mut seen) = server(vec![String::new()]).await;
        let (effects, cancel, request) = (http(), CancellationToken::new(), get(&url));
        let mut exposure = Exposure::nothing();
        let (outcome, ()) =
            tokio::join!(effects.perform(&request, "k", &mut exposure, cancel.clone()), async {
                seen.recv().await;
                cancel.cancel();
            });
        assert_eq!(outcome.unwrap_err().detail.as_deref(), Some("the call was cancelled"));
    })
    .await;
}

fn local_json() -> testing::Answer {
    testing::json("{}")
}

#[tokio::test]
async fn secrets_are_put_in_when_the_request_is_sent_and_shown_nowhere() {
    let server = Local::start(|seen, _| {
        let echo = json!({ "uri": seen.uri, "auth": seen.header("x-key"), "body": seen.body });
        testing::json(echo)
    })
    .await;
    let vault = Vault::of("api", json!({ "key": "k3y/v&lue", "id": 42 }));
    let listed = vault.listed();
    let (key, id) = (handle("api", "/key"), handle("api", "/id"));
    let request = HttpRequest {
        method: "POST".into(),
        url: format!("{}/{id}?k={key}", server.url),
        headers: BTreeMap::from([("X-Key".into(), format!("Key {key}"))]),
        query: BTreeMap::from([("q".into(), format!("{key} ")), ("plain".into(), "a%20b".into())]),
        body: Some(json!({ "deep": [key] })),
        output: HttpOutput::Response,
        ..get("")
    };
    let mut exposure = Exposure::new(&vault, &listed);
    let outcome = http().perform(&request, "k", &mut exposure, CancellationToken::new()).await;
    let seen = server.seen().remove(0);
    assert_eq!(seen.uri, "/42?k=k3y%2Fv%26lue&plain=a%2520b&q=k3y%2Fv%26lue+");
    assert_eq!(seen.header("x-key"), Some("Key k3y/v&lue"));
    assert_eq!(seen.body, r#"{"deep":["k3y/v&lue"]}"#);
    let shown = exposure.outcome(outcome).unwrap().to_string();
    assert!(!shown.contains("k3y"), "{shown}");
    assert!(shown.contains("(secret api)") && !shown.contains("\"x-key\""), "{shown}");

    let mut nothing = Exposure::nothing();
    let error = http().perform(&request, "k", &mut nothing, CancellationToken::new()).await.unwrap_err();
    assert_eq!((error.status, error.r#type.rsplit('/').next()), (403, Some("authorization")));
    assert_eq!(server.seen().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn another_server_is_given_no_credentials() {
    let other = Local::start(|_, _| local_json()).await;
    let target = other.url.replace("127.0.0.1", "localhost");
    let server = Local::start(move |seen, _| {
        let to = if seen.uri == "/first" { "/second".into() } else { format!("{target}/end") };
        (if seen.method == "POST" { 307 } else { 302 }, vec![("location", to)], String::new())
    })
    .await;
    let vault = Vault::of("token", json!("s3cret"));
    let listed = vault.listed();
    let token = handle("token", "");
    let request = HttpRequest {
        redirect: true,
        headers: BTreeMap::from([
            ("x-token".into(), token.clone()),
            ("cookie".into(), "a=b".into()),
            ("x-plain".into(), "yes".into()),
        ]),
        authentication: Some(Authentication::Bearer { token: token.clone() }),
        ..get(&format!("{}/first", server.url))
    };
    let mut exposure = Exposure::new(&vault, &listed);
    http().perform(&request, "k", &mut exposure, CancellationToken::new()).await.unwrap();
    for own in server.seen() {
        assert_eq!(own.header("authorization"), Some("Bearer s3cret"));
        assert_eq!(own.header("x-token"), Some("s3cret"));
    }
    let end = other.seen().remove(0);
    assert_eq!(end.uri, "/end");
    assert_eq!(
        (end.header("authorization"), end.header("x-token"), end.header("cookie")),
        (None, None, None)
    );
    assert_eq!(end.header("x-plain"), Some("yes"));

    let post = HttpRequest { method: "POST".into(), body: Some(json!({ "t": token })), ..request };
    let error = http().perform(&post, "k", &mut exposure, CancellationToken::new()).await.unwrap_err();
    assert!(error.status == 307 && error.detail.unwrap().contains("secrets of the body"));
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn a_redirect_turns_the_method_as_browsers_do() {
    for (status, method, expected, body) in [
        (301, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (302, "PUT", "PUT", "\"x\""),
        (308, "POST", "POST", "\"x\""),
    ] {
        let server = Local::start(move |seen, _| match seen.uri.as_str() {
            "/" => (status, vec![("location", "/to".into())], String::new()),
            _ => local_json(),
        })
        .await;
        let request =
            HttpRequest { method: method.into(), redirect: true, body: Some(json!("x")), ..get(&server.url) };
        perform(&request).await.unwrap();
        let second = server.seen().remove(1);
        assert_eq!((second.method.as_str(), second.body.as_str()), (expected, body), "{status} {method}");
        assert_eq!(second.header("content-type").is_some(), !body.is_empty());
    }
}

#[tokio::test]
async fn an_inquiry_tells_what_happened_from_what_did_not_and_from_what_nobody_knows() {
    let server = Local::start(|seen, _| match seen.uri.as_str() {
        "/done" => testing::json(json!({ "id": 7 })),
        "/never" => (404, vec![], String::new()),
        _ => (500, vec![], "down".into()),
    })
    .await;
    let ask = async |path: &str| {
        let request = get(&format!("{}{path}", server.url));
        http().inquire(&request, "key-1", &mut Exposure::nothing()).await
    };
    assert_eq!(ask("/done").await, Ok(Some(json!({ "id": 7 }))));
    assert_eq!(ask("/never").await, Ok(None));
    assert_eq!(ask("/down").await.unwrap_err().status, 500);
    assert!(server.seen().iter().all(|seen| seen.header("idempotency-key") == Some("key-1")));
}
