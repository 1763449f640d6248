//! CloudEvents over HTTP, in all three modes.

use super::*;

async fn send(router: &Router, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, Value) {
    let mut request = Request::post("/events");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, value(std::str::from_utf8(&body).unwrap()))
}

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json; charset=utf-8");
const BATCHED: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

#[tokio::test]
async fn a_structured_event_is_published() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": [1] });
    let (status, body) = send(&router, &[STRUCTURED], event.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({ "id": "1", "source": "/s", "position": 7, "streamVersion": 1 }));
}

#[tokio::test]
async fn an_event_whose_attributes_are_headers_is_published() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "caf%C3%A9"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("content-type", "text/plain"),
    ];
    let (status, body) = send(&router, &headers, "hello").await;
    assert_eq!((status, &body["id"]), (200, &json!("café")), "{body}");
    let mut broken = headers.to_vec();
    broken[4] = ("content-type", "application/json");
    let (status, body) = send(&router, &broken, "{").await;
    assert_eq!((status, &body["field"]), (400, &json!("event.data")));
}

#[tokio::test]
async fn the_events_of_a_batch_have_an_answer_each() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let batch = json!([{ "type": "t", "id": "1" }, { "type": "t", "id": "taken" }, { "id": "no type" }]);
    let (status, body) = send(&router, &[BATCHED], batch.to_string()).await;
    assert_eq!(status, 409, "{body}");
    assert_eq!((&body[0]["id"], &body[1]["code"]), (&json!("1"), &json!("OC-EVT-001")));
    assert_eq!((&body[2]["code"], &body[2]["field"]), (&json!("OC-RPC-004"), &json!("event.type")));
    let (status, body) = send(&router, &[BATCHED], "[]").await;
    assert_eq!((status, body), (200, json!([])));
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_nothing_can_be_hidden_behind_one() {
    let fake = Fake::new();
    let rpc = Rpc::new(Arc::clone(&fake), limits());
    let router = authenticated(&rpc);
    let event = json!({ "type": "t" }).to_string();
    for kind in ["application/json", "text/plain", "application/cloudevents+avro", ""] {
        let (status, body) = send(&router, &[("content-type", kind)], event.clone()).await;
        assert_eq!((status, &body["code"]), (415, &json!("OC-RPC-002")), "{kind}");
    }
    let hidden = [
        r#"{"type":"t"}},"method":"session.create","params":{}"#,
        r#"{"type":"t"},"idempotencyKey":"k""#,
        r#"{"type":"t"} {"type":"t"}"#,
        "[",
        "",
    ];
    for body in hidden {
        assert_eq!(send(&router, &[STRUCTURED], body).await.0, 400, "{body}");
    }
    assert_eq!(send(&router, &[STRUCTURED], r#"{"type":"t","type":"u"}"#).await.0, 400, "a key twice");
    assert_eq!(send(&router, &[STRUCTURED], "[1]").await.0, 400);
    assert!(fake.calls().is_empty());
    assert_eq!(send(&router, &[STRUCTURED], "x".repeat(limits().body_bytes + 1)).await.0, 413);
    let nobody = rpc.router().oneshot(Request::post("/events").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let get = router.oneshot(Request::get("/events").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
}
