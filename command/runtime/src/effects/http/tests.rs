use std::{collections::BTreeMap, sync::Once};

use openclaw_model::event::run::HttpOutput;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use super::*;

/// A server that answers each connection with the next of `answers` and hands over what it was sent.
async fn server(answers: Vec<String>) -> (String, mpsc::UnboundedReceiver<String>) {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
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
    HttpEffects::default().perform(request, "key-1", CancellationToken::new()).await
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
        let (_url, _seen) = local_server().await;
        let error = perform(&change).await.unwrap_err();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (400, Some("configuration")));
        assert!(error.detail.as_deref().unwrap().contains(expected), "{error:?}");
    }
}

/// Only for its side effect: the provider is installed.
async fn local_server() -> (String, mpsc::UnboundedReceiver<String>) {
    tokio::task::LocalSet::new().run_until(server(Vec::new())).await
}

#[tokio::test]
async fn no_connection_a_broken_answer_and_a_large_one_are_told_apart() {
    local(async {
        let not_json = answer("200 OK", "content-type: application/problem+json\r\n", "{oops");
        let large = answer("200 OK", "", &"x".repeat(5000));
        let (url, _seen) = server(vec![not_json, "nonsense\r\n\r\n".into(), large]).await;
        let limited = HttpEffects::new(Limits { response_bytes: 4999, ..Limits::default() });

        let error = perform(&get(&url)).await.unwrap_err();
        assert!(error.status == 500 && error.detail.unwrap().contains("application/problem+json"));
        assert_eq!(perform(&get(&url)).await.unwrap_err().status, 500);
        let error = limited.perform(&get(&url), "k", CancellationToken::new()).await.unwrap_err();
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
        let limited = HttpEffects::new(Limits { total: Duration::from_millis(50), ..Limits::default() });
        let error = limited.perform(&get(&url), "k", CancellationToken::new()).await.unwrap_err();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (408, Some("timeout")));
        assert!(seen.recv().await.is_some());

        let (url, mut seen) = server(vec![String::new()]).await;
        let (effects, cancel, request) = (HttpEffects::default(), CancellationToken::new(), get(&url));
        let (outcome, ()) = tokio::join!(effects.perform(&request, "k", cancel.clone()), async {
            seen.recv().await;
            cancel.cancel();
        });
        assert_eq!(outcome.unwrap_err().detail.as_deref(), Some("the call was cancelled"));
    })
    .await;
}
