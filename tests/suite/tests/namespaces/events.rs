//! What happens in a namespace is heard there and nowhere else.

use openclaw_suite::{Server, counting::Counting, eventually};
use serde_json::{Value, json};

use crate::world::{let_in, workflow};

const LISTENS: &str = "{ runs(order: ASC) { nodes { id status workflow { namespace } output } } }";

fn listens(namespace: &str) -> Value {
    let filter = json!({ "with": { "type": "com.example.told" } });
    workflow(namespace, "listens", json!([{ "hear": { "listen": { "to": { "one": filter } } } }]))
}

async fn statuses(server: &Server) -> Vec<(String, String)> {
    let data = server.query(LISTENS, json!({})).await;
    let text = |one: &Value| one.as_str().unwrap_or_default().to_owned();
    let nodes = data["runs"]["nodes"].as_array().unwrap().iter();
    nodes.map(|run| (text(&run["workflow"]["namespace"]), text(&run["status"]))).collect()
}

#[tokio::test]
async fn an_event_is_heard_in_its_namespace_only_and_is_another_one_in_another() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::on(directory.path()).await;
    for namespace in ["a", "b", "default"] {
        server.rpc("run.start", json!({ "definition": listens(namespace) })).await.unwrap();
        let mut scheduled = workflow(namespace, "starts", json!([{ "x": { "set": { "y": 1 } } }]));
        scheduled["schedule"] = json!({ "on": { "one": { "with": { "type": "com.example.told" } } } });
        server.rpc("workflow.register", json!({ "definition": scheduled })).await.unwrap();
    }
    eventually("three runs that listen and three schedules", async || {
        let data =
            server.query("{ schedules { nodes { active } } waits { nodes { kind } } }", json!({})).await;
        let count = |name: &str| data[name]["nodes"].as_array().unwrap().len();
        (count("schedules") == 3 && count("waits") == 3).then_some(())
    })
    .await;
    let (of_b, _) = let_in(&server, "b").await;
    let event = json!({ "id": "1", "source": "/s", "type": "com.example.told" });
    // Whoever is let into one namespace need not name it.
    let first = of_b.call("event.publish", &json!({ "event": event }), None).await.unwrap().unwrap();
    let heard = |namespace: &str, status: &str| (namespace.to_owned(), status.to_owned());
    let seen = eventually("the run of b and the one that its schedule starts", async || {
        let all = statuses(&server).await;
        let of_b = all.iter().filter(|one| **one == heard("b", "completed")).count();
        (of_b == 2).then_some(all)
    })
    .await;
    assert_eq!(seen.len(), 4, "{seen:?}");
    for elsewhere in ["a", "default"] {
        assert!(seen.contains(&heard(elsewhere, "waiting")), "{seen:?}");
    }
    // In another namespace the same event is another one, and in the same one it is the same.
    let again = of_b.call("event.publish", &json!({ "event": event }), None).await.unwrap().unwrap();
    assert_eq!(first["position"], again["position"]);
    let binary = server.caller().request(reqwest::Method::POST, "/events");
    let binary = binary.header("ce-specversion", "1.0").header("ce-id", "1").header("ce-source", "/s");
    let sent =
        binary.header("ce-type", "com.example.told").header("openclaw-namespace", "a").send().await.unwrap();
    assert_eq!(sent.status(), 200);
    eventually("the run of a", async || {
        statuses(&server).await.contains(&heard("a", "completed")).then_some(())
    })
    .await;
    assert!(statuses(&server).await.contains(&heard("default", "waiting")));
}

#[tokio::test]
async fn a_webhook_is_told_of_its_namespace_only() {
    let directory = tempfile::tempdir().unwrap();
    let secrets = directory.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::write(secrets.join("s"), "key").unwrap();
    std::fs::set_permissions(secrets.join("s"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let options = openclaw_suite::Options::default().set("secrets.directory", secrets.display());
    let server = Server::start(&directory.path().join("data"), options).await;
    let counting = Counting::start().await;
    let hook = |namespace: &str| {
        json!({ "name": "all", "namespace": namespace, "secret": "s", "url": counting.url(&format!("/{namespace}")),
            "types": ["com.example.*", "io.serverlessworkflow.workflow.completed.v1"] })
    };
    for namespace in ["a", "b"] {
        server.rpc("webhook.register", hook(namespace)).await.unwrap();
    }
    for namespace in ["b", "a"] {
        let emits = json!([{ "tell": { "emit": { "event": { "with": {
            "source": "/x", "type": "com.example.told", "data": { "of": namespace } } } } } }]);
        server.output(workflow(namespace, "tells", emits), json!({})).await;
        let event = json!({ "id": "1", "source": "/x", "type": "com.example.published", "data": { "of": namespace } });
        server.rpc("event.publish", json!({ "event": event, "namespace": namespace })).await.unwrap();
    }
    for namespace in ["a", "b"] {
        let path = format!("/{namespace}");
        let calls = eventually("three deliveries", async || {
            let calls = counting.calls_of(&path);
            (calls.len() >= 3).then_some(calls)
        })
        .await;
        assert_eq!(calls.len(), 3);
        let other = if namespace == "a" { "\"b\"" } else { "\"a\"" };
        for call in calls {
            let body = call.body.to_string();
            assert!(
                !body.contains(other) && !body.contains(&format!(".{}", other.trim_matches('"'))),
                "{body}"
            );
        }
    }
}
