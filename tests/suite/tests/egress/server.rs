//! What the server itself calls.

use axum::{Router, http::header::LOCATION, routing::any};
use openclaw_suite::{Options, Server, counting::Counting, documents::workflow};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::connections;

fn get(url: &str) -> Value {
    json!({ "call": "http", "with": { "method": "get", "endpoint": url, "redirect": true } })
}

/// How a run of one call ended: its id and its error.
async fn fault(server: &Server, url: &str) -> (String, Value) {
    let run = server.run(workflow("calls", json!([{ "call": get(url) }])), Value::Null).await;
    assert_eq!(run["status"], "faulted", "{url}: {run}");
    (run["runId"].as_str().unwrap().to_owned(), run["error"].clone())
}

fn port(counting: &Counting) -> u16 {
    counting.url("").rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_server_as_users_start_it_calls_neither_metadata_nor_this_machine_and_says_what_would_allow_it() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), Options::default().closed()).await;
    let counting = Counting::start().await;
    let port = port(&counting);
    for (host, address) in [
        ("169.254.169.254:80", "169.254.169.254"),
        (&format!("localhost:{port}"), ""),
        (&format!("127.0.0.1:{port}"), "127.0.0.1"),
        (&format!("0x7f.1:{port}"), "127.0.0.1"),
        (&format!("[::ffff:127.0.0.1]:{port}"), "::ffff:127.0.0.1"),
    ] {
        let (run, error) = fault(&server, &format!("http://{host}/secret?token=abc")).await;
        let detail = error["detail"].as_str().unwrap();
        assert!(error["type"].as_str().unwrap().ends_with("/authorization"), "{error}");
        assert!(error["status"] == 403 && detail.contains("OC-EGR-001"), "{error}");
        assert!(detail.contains("--allow-private-egress") && !detail.contains("abc"), "{detail}");
        let events = connections(&server, &run, 1).await;
        assert!(events.len() == 1 && events[0].0 == "egress.denied", "{events:?}");
        let data = &events[0].1;
        assert_eq!((&data["code"], &data["task"]), (&json!("OC-EGR-001"), &json!(1)), "{data}");
        if !address.is_empty() {
            assert_eq!(data["address"], json!(address));
        }
    }
    assert_eq!(counting.calls(), []);
    let (_, metrics) = server.caller().get("/metrics").await;
    assert!(
        metrics.contains("openclaw_egress_denied_total{by=\"server\",code=\"OC-EGR-001\"} 5"),
        "{metrics}"
    );
    server.terminate().await;
}

#[tokio::test]
async fn what_is_allowed_is_a_host_at_a_port_and_a_redirect_leads_no_further() {
    let (allowed, closed) = (Counting::start().await, Counting::start().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let leading = listener.local_addr().unwrap().port();
    let target = closed.url("/secret");
    let application =
        Router::new().fallback(any(async move || (axum::http::StatusCode::FOUND, [(LOCATION, target)])));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, application).await.unwrap() });

    let data = tempfile::tempdir().unwrap();
    let mut options = Options::default().closed();
    let list = format!("127.0.0.1:{},127.0.0.1:{leading}", port(&allowed));
    options.environment.push(("OPENCLAW_ALLOW_PRIVATE_EGRESS".into(), list));
    // A proxy of the environment would be a way around, and is not used.
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        options.environment.push((name.into(), closed.url("")));
    }
    let server = Server::start(data.path(), options).await;
    let called = workflow("calls", json!([{ "call": get(&allowed.url("/x")) }]));
    assert_eq!(server.output(called, Value::Null).await["count"], 1);
    let (_, error) = fault(&server, &format!("http://127.0.0.1:{leading}/")).await;
    let there = format!("127.0.0.1:{}", port(&closed));
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("OC-EGR-001") && detail.contains(&there), "{error}");
    fault(&server, &format!("http://localhost:{}/", port(&closed))).await;
    assert_eq!((allowed.calls().len(), closed.calls().len()), (1, 0));
    server.terminate().await;
}

#[tokio::test]
async fn a_webhook_to_this_machine_is_a_dead_letter_with_the_reason() {
    let data = tempfile::tempdir().unwrap();
    let mut options = Options::default().closed().set("webhooks.attempts", 1);
    options.environment.push(("OPENCLAW_SECRET_HOOK".into(), "whsec_c2VjcmV0".into()));
    let server = Server::start(data.path(), options).await;
    let counting = Counting::start().await;
    let hook = json!({ "name": "hook", "url": counting.url("/hook"), "types": ["t"], "secret": "HOOK" });
    server.rpc("webhook.register", hook).await.unwrap();
    let event = json!({ "type": "t", "source": "/t", "id": "1" });
    server.rpc("event.publish", json!({ "event": event })).await.unwrap();
    let letter = openclaw_suite::eventually("a dead letter", async || {
        server.events_of_type("webhook.dead_lettered").await.into_iter().next()
    })
    .await;
    assert!(letter["data"]["error"].as_str().unwrap().contains("OC-EGR-001"), "{letter}");
    assert_eq!(counting.calls(), []);
    let events = connections(&server, "server", 1).await;
    assert!(events[0].0 == "egress.denied" && events[0].1["task"].is_null(), "{events:?}");
    server.terminate().await;
}

#[tokio::test]
async fn a_server_does_not_start_with_a_list_that_would_allow_everything() {
    let data = tempfile::tempdir().unwrap();
    for list in ["*:80", "localhost", "127.0.0.1:x"] {
        let mut options = Options::default().closed();
        options.environment.push(("OPENCLAW_ALLOW_PRIVATE_EGRESS".into(), list.into()));
        let refused = Server::try_start(data.path(), options).await.expect_err(list);
        let said = &refused.stderr;
        assert!(said.contains("OC-CFG-002") && said.contains("OC-EGR-002"), "{list}: {said}");
    }
}
