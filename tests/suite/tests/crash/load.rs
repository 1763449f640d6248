//! Many clients that do many things, and remember what they were told.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use openclaw_suite::{Caller, counting::Counting, documents::workflow};
use serde_json::{Value, json};

/// A small generator of random numbers (splitmix64): the same seed gives the same load.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A command that was sent. Its mark is in its content and in no other command's.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
    pub(crate) key: Option<String>,
    pub(crate) mark: String,
    /// The result, if it was acknowledged.
    pub(crate) result: Option<Value>,
}

/// A document with a step of each kind that a crash may interrupt.
pub(crate) fn document(counting: &Counting) -> Value {
    let post = |path: &str| json!({ "call": "http", "with": { "method": "post", "endpoint": counting.url(path), "body": "${ { mark: .mark } }" } });
    let keep = json!({ "as": "${ $input }" });
    let with_output = |mut task: Value| {
        task["output"] = keep.clone();
        task
    };
    workflow(
        "mixed",
        json!([
            { "note": { "set": { "mark": "${ .mark }", "sum": 0 } } },
            { "trace": with_output(json!({ "run": { "shell": { "command": "echo x >> trace" } } })) },
            { "before": with_output(post("/before")) },
            { "sum": { "for": { "each": "n", "in": "[1, 2, 3]" }, "do": [
                { "add": { "set": { "mark": "${ .mark }", "sum": "${ .sum + $n }" } } } ] } },
            { "nap": { "wait": { "milliseconds": 40 } } },
            { "both": with_output(json!({ "fork": { "branches": [
                { "left": post("/left") }, { "right": { "do": [{ "pause": { "wait": { "milliseconds": 5 } } }, { "call": post("/right") }] } } ] } })) },
            { "after": with_output(post("/after")) },
        ]),
    )
}

/// Sends commands one after the other until the server is gone, and counts those that are acknowledged. Answers what it
/// sent; the last may be unanswered.
pub(crate) async fn client(
    caller: Caller,
    document: Value,
    name: String,
    mut random: Random,
    acknowledged: Arc<AtomicU64>,
) -> Vec<Sent> {
    let session = format!("session-{name}");
    let mut sent = vec![Sent {
        method: "session.create",
        params: json!({ "sessionId": session, "peerId": session }),
        key: Some(format!("create-{name}")),
        mark: session.clone(),
        result: None,
    }];
    loop {
        let command = sent.last_mut().expect("there is one at least");
        match caller.call(command.method, &command.params, command.key.as_deref()).await {
            Ok(Ok(result)) => {
                command.result = Some(result);
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Err(error)) => panic!("{} was refused: {error}", command.method),
            Err(_) => return sent,
        }
        sent.push(next(&session, &document, &name, sent.len(), &mut random));
    }
}

fn next(session: &str, document: &Value, name: &str, number: usize, random: &mut Random) -> Sent {
    let mark = format!("{name}/{number}");
    let key = (random.below(2) == 0).then(|| format!("key-{mark}"));
    let (method, params) = match random.below(10) {
        // A run is worth many messages.
        0..=1 => {
            let mut params = json!({ "definition": document, "input": { "mark": mark } });
            if random.below(2) == 0 {
                params["wait"] = json!("5s");
            }
            ("run.start", params)
        }
        2 => ("session.set_state", json!({ "sessionId": session, "key": "mark", "value": mark })),
        _ => ("session.message", json!({ "sessionId": session, "content": mark })),
    };
    Sent { method, params, key, mark, result: None }
}
