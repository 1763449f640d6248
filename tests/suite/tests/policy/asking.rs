//! What people are asked: one question for one use, and another for another.

use openclaw_suite::{Server, code, counting::Counting, documents::workflow};
use serde_json::{Value, json};

use super::{ask, guard, paying};

#[tokio::test]
async fn what_people_allow_happens_once_and_what_they_deny_does_not() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    guard(&server, ask()).await;
    let (yes, no) = (counting.url("/yes"), counting.url("/no"));
    let run = server.begin(paying(&yes), json!({})).await;
    let request = server.asked(&run, 1).await;
    assert_eq!(request["title"], "Pay?");
    assert_eq!(
        (&request["subject"]["tool"], &request["subject"]["arguments"]["url"]),
        (&json!("http"), &json!(yes))
    );
    server.shows(&run, "waiting").await;
    assert_eq!(counting.calls_of("/yes").len(), 0, "nothing happens before it is allowed");
    let refused = server.decide(&request, "eve", "allow").await.unwrap_err();
    assert_eq!(code(&refused), "OC-APR-005", "only those who are asked decide");
    server.decide(&request, "ada", "allow").await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    assert_eq!(counting.calls_of("/yes").len(), 1);

    let run = server.begin(paying(&no), json!({})).await;
    let request = server.asked(&run, 1).await;
    server.decide(&request, "bob", "deny").await.unwrap();
    let ended = server.ended(&run).await;
    assert_eq!((&ended["status"], &ended["error"]["status"]), (&json!("faulted"), &json!(403)));
    assert!(ended["error"]["detail"].as_str().unwrap().starts_with("OC-POL-003"), "{ended}");
    assert_eq!(counting.calls_of("/no").len(), 0);
    server.terminate().await;
}

#[tokio::test]
async fn a_retry_of_the_same_asks_nobody_again_and_one_of_something_else_does() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    guard(&server, ask()).await;
    let retried = |body: Value| {
        let call = json!({ "method": "post", "endpoint": counting.url("/try"), "body": body });
        workflow(
            "try",
            json!([{ "t": {
            "try": [{ "pay": { "call": "http", "with": call } }],
            "catch": { "retry": { "delay": { "milliseconds": 5 }, "limit": { "attempt": { "count": 3 } } } },
        } }]),
        )
    };
    counting.fail("/try", 1, 500);
    let run = server.begin(retried(json!("same")), json!({})).await;
    let request = server.asked(&run, 1).await;
    server.decide(&request, "ada", "allow").await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    assert_eq!(counting.calls_of("/try").len(), 2);
    let of_run =
        |all: Vec<Value>, run: &str| all.iter().filter(|node| node["data"]["task"]["run"] == run).count();
    assert_eq!(of_run(server.events_of_type("approval.requested").await, &run), 1);

    counting.fail("/try", 1, 500);
    let changing = json!("${ $task.startedAt.epoch.milliseconds | tostring }");
    let run = server.begin(retried(changing), json!({})).await;
    let first = server.asked(&run, 1).await;
    server.decide(&first, "ada", "allow").await.unwrap();
    let second = server.asked(&run, 2).await;
    assert_ne!(first["digest"], second["digest"]);
    let stale = server.decide(&first, "bob", "allow").await.unwrap_err();
    assert_eq!(code(&stale), "OC-APR-006", "a decision about something else does not count");
    server.decide(&second, "ada", "allow").await.unwrap();
    assert_eq!(server.ended(&run).await["status"], "completed");
    server.terminate().await;
}

#[tokio::test]
async fn who_is_asked_and_does_not_answer_in_time_has_denied_it() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    let rule =
        json!([{ "name": "ask", "tools": ["http"], "action": "ask", "ask": { "deadline": "PT0.2S" } }]);
    guard(&server, rule).await;
    let run = server.begin(paying(&counting.url("/late")), json!({})).await;
    let ended = server.ended(&run).await;
    assert!(ended["error"]["detail"].as_str().unwrap().starts_with("OC-POL-004"), "{ended}");
    assert_eq!(counting.calls_of("/late").len(), 0);
    server.terminate().await;
}

#[tokio::test]
async fn what_is_allowed_under_rules_that_changed_is_asked_anew_or_denied() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    guard(&server, ask()).await;
    let run = server.begin(paying(&counting.url("/changed")), json!({})).await;
    let first = server.asked(&run, 1).await;
    let rules = json!([{ "name": "ask again", "tools": ["http"], "action": "ask" }]);
    guard(&server, rules).await;
    server.decide(&first, "ada", "allow").await.unwrap();
    let second = server.asked(&run, 2).await;
    assert_ne!(first["digest"], second["digest"]);
    assert_eq!(counting.calls_of("/changed").len(), 0);
    guard(&server, json!([{ "name": "no more", "tools": ["http"], "action": "deny" }])).await;
    server.decide(&second, "ada", "allow").await.unwrap();
    let ended = server.ended(&run).await;
    assert!(ended["error"]["detail"].as_str().unwrap().starts_with("OC-POL-002"), "{ended}");
    assert_eq!(counting.calls_of("/changed").len(), 0);
    server.terminate().await;
}
