//! What is particular to HTTP: content types, keys in the header, detachment, overload.

use super::*;

#[tokio::test]
async fn a_request_that_nobody_authenticated_is_refused() {
    let router = Rpc::new(Fake::new(), limits()).router();
    let (status, body) = post(&router, call(1, "system.version", json!({})).to_string()).await;
    assert_eq!((status, body.as_str()), (StatusCode::UNAUTHORIZED, ""));
}

#[tokio::test]
async fn only_json_is_taken_and_only_by_post() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let body = call(1, "system.version", json!({})).to_string();
    for (kind, want) in [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json-patch+json", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ] {
        let request =
            Request::post("/rpc").header(header::CONTENT_TYPE, kind).body(Body::from(body.clone())).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), want, "{kind}");
    }
    let bare = Request::post("/rpc").body(Body::from(body.clone())).unwrap();
    assert_eq!(router.clone().oneshot(bare).await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let request =
            Request::builder().method(method).uri("/rpc").header(header::CONTENT_TYPE, "application/json");
        let response = router.clone().oneshot(request.body(Body::from(body.clone())).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert!(response.headers().contains_key(header::ALLOW));
    }
}

#[tokio::test]
async fn the_idempotency_key_comes_by_parameter_or_header_but_not_as_two() {
    let fake = Fake::new();
    let router = authenticated(&Rpc::new(Arc::clone(&fake), limits()));
    let create = |params: Value| call(1, "session.create", params).to_string();
    let key = |index: usize| fake.calls()[index].idempotency_key.as_ref().map(|key| key.as_str().to_owned());

    post(&router, create(json!({}))).await;
    assert_eq!(key(0), None);
    post_with(&router, &[("Idempotency-Key", "from-header")], create(json!({}))).await;
    assert_eq!(key(1).as_deref(), Some("from-header"));
    post(&router, create(json!({ "idempotencyKey": "from-param" }))).await;
    assert_eq!(key(2).as_deref(), Some("from-param"));
    post_with(&router, &[("Idempotency-Key", "same")], create(json!({ "idempotencyKey": "same" }))).await;
    assert_eq!(key(3).as_deref(), Some("same"));

    let (_, body) =
        post_with(&router, &[("Idempotency-Key", "a")], create(json!({ "idempotencyKey": "b" }))).await;
    assert_eq!(value(&body)["error"]["code"], -32602);
    let (_, body) = post_with(&router, &[("Idempotency-Key", "with space")], create(json!({}))).await;
    assert_eq!(value(&body)["error"]["data"]["field"], "idempotencyKey");
    let (_, body) = post(&router, create(json!({ "idempotencyKey": "" }))).await;
    assert_eq!(value(&body)["error"]["data"]["field"], "idempotencyKey");
    let (_, body) = post_with(&router, &[("Idempotency-Key", "k")], format!("[{}]", create(json!({})))).await;
    assert_eq!(value(&body)["error"]["code"], -32600);
    assert_eq!(fake.calls().len(), 4, "nothing that was refused was carried out");
}

#[tokio::test]
async fn a_command_knows_its_actor_its_expected_version_and_its_fingerprint() {
    let fake = Fake::new();
    let router = authenticated(&Rpc::new(Arc::clone(&fake), limits()));
    for (id, expected) in [(1, json!("none")), (2, json!("none")), (3, json!(4))] {
        post(&router, call(id, "session.create", json!({ "expectedVersion": expected })).to_string()).await;
    }
    let calls = fake.calls();
    assert_eq!(*calls[0].actor(), caller().actor);
    assert_eq!(
        (calls[0].expected, calls[2].expected),
        (ExpectedVersion::None, ExpectedVersion::Exact(Version(4)))
    );
    assert_eq!(calls[0].digest, calls[1].digest);
    assert_ne!(calls[0].digest, calls[2].digest);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_its_command() {
    let fake = Fake::new();
    let rpc = Rpc::new(Arc::clone(&fake), limits());
    let router = authenticated(&rpc);
    {
        let body = call(1, "session.set_state", json!(["s", "k", 1])).to_string();
        let request = post(&router, body);
        tokio::pin!(request);
        while fake.calls().is_empty() {
            tokio::select! {
                biased;
                _ = &mut request => panic!("the gate is shut"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    fake.gate.add_permits(1);
    fake.finished(1).await;
    rpc.drain().await;
}

#[tokio::test]
async fn beyond_the_bound_calls_are_refused_at_once_and_told_when_to_come_back() {
    let fake = Fake::new();
    let rpc = Rpc::new(Arc::clone(&fake), Limits { in_flight: 2, ..limits() });
    let router = authenticated(&rpc);
    let slow = |id| post(&router, call(id, "session.set_state", json!(["s", "k", id])).to_string());
    let late = async {
        while fake.calls().len() < 2 {
            tokio::task::yield_now().await;
        }
        let request = Request::post("/rpc")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(call(3, "system.version", json!({})).to_string()))
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["id"], &body["error"]["code"]), (&json!(3), &json!(-32009)));
        assert_eq!(body["error"]["data"]["retryAfterMs"], 250);
        fake.gate.add_permits(2);
    };
    let ((one, _), (two, _), ()) = tokio::join!(slow(1), slow(2), late);
    assert_eq!((one, two), (StatusCode::OK, StatusCode::OK));
    let (status, _) = post(&router, call(4, "system.version", json!({})).to_string()).await;
    assert_eq!(status, StatusCode::OK, "the places are given back");
}
