//! Kills around a question: nobody is asked twice, nothing happens that was not allowed, and nothing happens twice.

use openclaw_suite::{Server, counting::Counting, eventually};
use serde_json::json;

use super::{ask, guard, paying};

#[tokio::test]
async fn while_people_are_asked() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    guard(&server, ask()).await;
    let run = server.begin(paying(&counting.url("/pay")), json!({})).await;
    let request = server.asked(&run, 1).await;
    let server = server.kill9_and_restart().await.kill9_and_restart().await;
    assert_eq!(counting.calls_of("/pay").len(), 0);
    server.decide(&request, "ada", "allow").await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    let history = server.terminate().await;
    assert_eq!(counting.calls_of("/pay").len(), 1);
    assert_eq!(history.0.iter().filter(|entry| entry.r#type == "approval.requested").count(), 1);
    assert_eq!(history.of_type(&run, "run.effect_unknown").len(), 0, "it was not tried yet");
    assert_eq!(history.of_type(&run, "run.effect_permitted").len(), 1);
}

#[tokio::test]
async fn right_after_people_have_decided() {
    for (choice, ends, most) in
        [("allow", ["completed", "suspended"], 1), ("deny", ["faulted", "faulted"], 0)]
    {
        let data = tempfile::tempdir().unwrap();
        let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
        guard(&server, ask()).await;
        let run = server.begin(paying(&counting.url("/pay")), json!({})).await;
        let request = server.asked(&run, 1).await;
        server.decide(&request, "ada", choice).await.unwrap();
        // Acknowledged, so it counts; the call may have gone out by now, and then it is not repeated.
        let server = server.kill9_and_restart().await;
        let status = eventually(&format!("an end of {run}"), async || {
            let shown =
                server.query("query($id: ID!) { run(id: $id) { status } }", json!({ "id": run })).await;
            let status = shown["run"]["status"].as_str()?.to_owned();
            ends.contains(&status.as_str()).then_some(status)
        })
        .await;
        let calls = counting.calls_of("/pay").len();
        assert!(calls <= most && (status != "completed" || calls == 1), "{choice}: {calls} calls, {status}");
        let history = server.terminate().await;
        assert_eq!(history.0.iter().filter(|entry| entry.r#type == "approval.requested").count(), 1);
        assert_eq!(history.of_type(&run, "run.effect_permitted").len(), most);
    }
}

#[tokio::test]
async fn after_a_denial_nothing_is_taken_up_again() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    guard(&server, json!([{ "name": "no", "tools": ["http"], "action": "deny" }])).await;
    let run = server.begin(paying(&counting.url("/pay")), json!({})).await;
    let ended = server.ended(&run).await;
    assert!(ended["error"]["detail"].as_str().unwrap().contains("OC-POL-002"), "{ended}");
    let server = server.kill9_and_restart().await;
    // The policy is still in force.
    let again = server.begin(paying(&counting.url("/pay")), json!({})).await;
    assert_eq!(server.ended(&again).await["status"], "faulted");
    assert_eq!(counting.calls_of("/pay").len(), 0);
    server.terminate().await;
}
