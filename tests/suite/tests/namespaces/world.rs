//! A server with something of everything in the namespace `b`, and somebody who is let into `a` only.

use openclaw_client::Client;
use openclaw_suite::{Caller, Server, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Stands in everything of `b` that has a text.
pub(crate) const CANARY: &str = "canary-of-b";

pub(crate) struct World {
    pub(crate) server: Server,
    /// Whoever is let into `a` only, over raw HTTP.
    pub(crate) stranger: Caller,
    /// The same, by the typed client.
    pub(crate) client: Client,
    /// Ids of `b`.
    pub(crate) run: String,
    pub(crate) approval: String,
    pub(crate) digest: String,
    pub(crate) session: String,
    pub(crate) hook: String,
    _directory: TempDir,
}

pub(crate) fn workflow(namespace: &str, name: &str, tasks: Value) -> Value {
    json!({ "document": { "dsl": "1.0.0", "namespace": namespace, "name": name, "version": "1.0.0" }, "do": tasks })
}

/// A token for everything in `namespace`, and nothing elsewhere.
pub(crate) async fn let_in(server: &Server, namespace: &str) -> (Caller, Client) {
    let scopes: Vec<String> = ["query", "audit", "operate", "vouch", "command:*"]
        .iter()
        .map(|right| format!("{right}@{namespace}"))
        .collect();
    let issued = server
        .rpc("token.issue", json!({ "name": format!("only-{namespace}"), "scopes": scopes }))
        .await
        .expect("the token of the operator may do everything");
    let token = issued["token"].as_str().expect("the first answer has the text");
    let base = server.caller().base();
    (Caller::new(base, token), Client::new(base, token).unwrap())
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secrets = directory.path().join("secrets");
        std::fs::create_dir(&secrets).unwrap();
        let data = directory.path().join("data");
        let server = Server::on(&data).await;
        let asks = json!([
            { "say": { "set": { "text": CANARY } } },
            { "tell": { "emit": { "event": { "with": {
                "source": "/b", "type": "com.example.told", "data": { "text": CANARY } } } } } },
            { "ask": { "call": "approval", "with": { "title": CANARY } } },
        ]);
        for definition in [
            workflow("a", "own", json!([{ "done": { "set": { "x": 1 } } }])),
            workflow("b", "asks", asks),
            scheduled(),
        ] {
            server.rpc("workflow.register", json!({ "definition": definition })).await.unwrap();
        }
        let reference = json!({ "namespace": "b", "name": "asks" });
        let labels = json!({ "which": CANARY });
        let params = json!({ "workflow": reference, "input": { "text": CANARY }, "labels": labels });
        let run = server.rpc("run.start", params).await.unwrap();
        let run = run["runId"].as_str().unwrap().to_owned();
        let opened = json!({ "sessionId": "s", "namespace": "b", "peerId": CANARY });
        let session = server.rpc("session.create", opened).await.unwrap();
        let session = session["sessionId"].as_str().unwrap().to_owned();
        assert_eq!(session, "@b/s");
        let said = json!({ "sessionId": session, "content": CANARY });
        server.rpc("session.message", said).await.unwrap();
        let event = json!({ "id": "17", "source": CANARY, "type": "com.example.b", "data": CANARY });
        server.rpc("event.publish", json!({ "event": event, "namespace": "b" })).await.unwrap();
        let hook = json!({ "name": "hook", "namespace": "b", "secret": "s", "types": ["com.example.never"],
            "url": format!("http://127.0.0.1:9/{CANARY}") });
        let hook = server.rpc("webhook.register", hook).await.unwrap();
        let hook = hook["name"].as_str().unwrap().to_owned();

        let (stranger, client) = let_in(&server, "a").await;
        let own = json!({ "workflow": { "namespace": "a", "name": "own" }, "wait": "30s" });
        let own = stranger.call("run.start", &own, None).await.unwrap().expect("a is open to the token");
        assert_eq!(own["status"], "completed");
        let asked = eventually("the approval of b", async || {
            let data = server.query("{ approvals { nodes { id digest } } }", json!({})).await;
            let first = data["approvals"]["nodes"][0].clone();
            first["id"].is_string().then_some(first)
        })
        .await;
        let text = |name: &str| asked[name].as_str().unwrap().to_owned();
        let (approval, digest) = (text("id"), text("digest"));
        Self { server, stranger, client, run, approval, digest, session, hook, _directory: directory }
    }

    /// Everything of `b` that a change would show in.
    pub(crate) async fn state(&self) -> Value {
        const QUERY: &str = "query($run: ID!, $session: ID!) {
            run(id: $run) { version status } session(id: $session) { version status }
            workflows(filter: { namespace: \"b\" }) { nodes { name version retired } }
            schedules(namespace: \"b\") { nodes { position active pausedAt } }
            webhooks { nodes { name url removedAt } } approvals { nodes { id state voteCount version } }
            runs(filter: { namespace: \"b\" }) { nodes { id } } sessions { nodes { id version } } }";
        self.server.query(QUERY, json!({ "run": self.run, "session": self.session })).await
    }
}

/// A workflow with a schedule that nothing triggers.
fn scheduled() -> Value {
    let mut definition = workflow("b", "ticks", json!([{ "say": { "set": { "text": CANARY } } }]));
    definition["schedule"] = json!({ "on": { "one": { "with": { "type": "com.example.never" } } } });
    definition
}
