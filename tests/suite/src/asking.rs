//! What tests ask of a server beside runs: its events, its approvals.

use serde_json::{Value, json};

use crate::{Server, eventually};

impl Server {
    /// The data of the newest events of a type, the oldest first, each with its `stream` and `position`.
    pub async fn events_of_type(&self, event: &str) -> Vec<Value> {
        const QUERY: &str = "query($filter: EventFilter, $at: Position) {
            events(first: 200, filter: $filter, minPosition: $at) { nodes { position stream data } } }";
        // What is acknowledged is in the log, and shown a moment later.
        let freshness = self.query("{ freshness { head } }", json!({})).await;
        let at = &freshness["freshness"]["head"];
        let data = self.query(QUERY, json!({ "filter": { "type": [event] }, "at": at })).await;
        let mut nodes = data["events"]["nodes"].as_array().expect("a list").clone();
        nodes.sort_by_key(|node| {
            node["position"].as_str().map_or(0, |text| text.parse::<u64>().unwrap_or_default())
        });
        nodes
    }

    /// Waits until a run has asked for `count` decisions, and answers the request of the newest.
    ///
    /// # Panics
    /// When it has not within a minute.
    pub async fn asked(&self, run: &str, count: usize) -> Value {
        eventually(&format!("{count} questions of {run}"), async || {
            let all = self.events_of_type("approval.requested").await;
            let mut of_run = all.into_iter().filter(|node| node["data"]["task"]["run"] == run);
            of_run.nth(count - 1).map(|node| node["data"]["request"].clone())
        })
        .await
    }

    /// Waits until the stream of an approval has an event of a type.
    ///
    /// # Panics
    /// When it has not within a minute.
    pub async fn approval_happened(&self, request: &Value, event: &str) {
        let stream = format!("approval/{}", request["approval"].as_str().expect("an approval has an id"));
        eventually(&format!("{event} of {stream}"), async || {
            self.events_of_type(event).await.iter().any(|node| node["stream"] == stream).then_some(())
        })
        .await;
    }

    /// Decides about what `request` asks.
    ///
    /// # Errors
    /// The error object.
    pub async fn decide(&self, request: &Value, name: &str, choice: &str) -> Result<Value, Value> {
        self.decide_with(request, json!({ "name": name }), choice, Value::Null).await
    }

    /// Decides about what `request` asks, with an answer.
    ///
    /// # Errors
    /// The error object.
    pub async fn decide_with(
        &self,
        request: &Value,
        by: Value,
        choice: &str,
        answer: Value,
    ) -> Result<Value, Value> {
        let mut params = json!({
            "approvalId": request["approval"], "digest": request["digest"], "choice": choice, "by": by,
        });
        if !answer.is_null() {
            params["answer"] = answer;
        }
        self.rpc("approval.decide", params).await
    }
}

/// The code of an error object.
#[must_use]
pub fn code(refused: &Value) -> &str {
    refused["data"]["code"].as_str().unwrap_or_default()
}
