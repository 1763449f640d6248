//! In whose name people and programs decide.

use super::*;

async fn asked(server: &Server, run: &str) -> Value {
    const QUERY: &str = "query($run: ID!) { approvals(runId: $run) { nodes { id digest } } }";
    openclaw_suite::eventually("the question", async || {
        let data = server.client().graphql(QUERY, json!({ "run": run })).await.ok()?;
        let node = data["approvals"]["nodes"][0].clone();
        (!node.is_null())
            .then(|| json!({ "approvalId": node["id"], "digest": node["digest"], "choice": "approve" }))
    })
    .await
}

fn workflow(with: Value) -> Value {
    let mut ask = json!({ "title": "Go?" });
    for (name, value) in with.as_object().unwrap() {
        ask[name] = value.clone();
    }
    json!({
        "document": { "dsl": "1.0.1", "namespace": "default", "name": "ask", "version": "1.0.0" },
        "do": [{ "ask": { "call": "approval", "with": ask } }],
    })
}

#[tokio::test]
async fn people_decide_as_themselves_and_programs_for_others_only_if_they_may() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    add(&server, "ada", "operator").await;
    let ada = cookie(&server, "ada").await;
    let program = issue(&server, "program", &["command:*", "query"]).await;
    let start = async |with: Value| {
        let run = server.rpc("run.start", json!({ "definition": workflow(with) })).await.unwrap();
        let run = run["runId"].as_str().unwrap().to_owned();
        let request = asked(&server, &run).await;
        (run, request)
    };

    let (run, mut request) = start(json!({ "roles": ["operator"] })).await;
    request["by"] = json!({ "name": "bob", "roles": ["operator"] });
    let refused = call_with(&server, &ada, "approval.decide", request.clone()).await.unwrap_err();
    assert_eq!(
        (code(&refused), &refused["data"]["needs"]),
        ("OC-ACC-001", &json!("vouch")),
        "as nobody else"
    );
    let refused = program.call("approval.decide", &request, None).await.unwrap().unwrap_err();
    assert_eq!(code(&refused), "OC-ACC-001", "a program that may not vouch");
    let elsewhere = issue(&server, "elsewhere", &["command:*", "vouch@team-a"]).await;
    let refused = elsewhere.call("approval.decide", &request, None).await.unwrap().unwrap_err();
    assert_eq!(code(&refused), "OC-ACC-001", "it may vouch in another namespace only");
    request.as_object_mut().unwrap().remove("by");
    let refused = program.call("approval.decide", &request, None).await.unwrap().unwrap_err();
    assert_eq!(code(&refused), "OC-APR-005", "as itself it is not asked");
    call_with(&server, &ada, "approval.decide", request).await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");

    // Whoever asks does not approve.
    let theirs = json!({ "definition": workflow(json!({})) });
    let run = call_with(&server, &ada, "run.start", theirs.clone()).await.unwrap();
    let request = asked(&server, run["runId"].as_str().unwrap()).await;
    let refused = call_with(&server, &ada, "approval.decide", request.clone()).await.unwrap_err();
    assert_eq!(code(&refused), "OC-ACC-004");
    assert!(program.call("approval.decide", &request, None).await.unwrap().is_ok());
    let run = program.call("run.start", &theirs, None).await.unwrap().unwrap();
    let request = asked(&server, run["runId"].as_str().unwrap()).await;
    let refused = program.call("approval.decide", &request, None).await.unwrap().unwrap_err();
    assert_eq!(code(&refused), "OC-ACC-004", "nor does a program what it asked itself");
    assert!(call_with(&server, &ada, "approval.decide", request).await.is_ok());
    server.terminate().await;
}
