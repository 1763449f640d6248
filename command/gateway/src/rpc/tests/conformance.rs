//! JSON-RPC 2.0 case by case, the same over HTTP and WebSocket.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// What must come back.
enum Want {
    /// Nothing at all.
    Nothing,
    /// An error with this code and id (as JSON text).
    Error(i64, &'static str),
    /// A result with this id (as JSON text).
    Result(&'static str),
    /// A batch: one entry per answer, in order.
    Batch(&'static [Want]),
}
use Want::{Batch, Error as Refused, Nothing, Result as Done};

const CASES: &[(&str, Want)] = &[
    // The standard's own examples and the shapes around them.
    (r#"{"jsonrpc":"2.0","id":1,"method":"system.version"}"#, Done("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"system.version","params":{}}"#, Done("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"system.version","params":[]}"#, Done("1")),
    (r#" {"method":"system.version","id":"x","jsonrpc":"2.0"}  "#, Done("\"x\"")),
    (r#"{"jsonrpc":"2.0","method":"system.version"}"#, Nothing),
    (r#"[{"jsonrpc":"2.0","method":"system.version"}]"#, Nothing),
    (r#"{"jsonrpc":"2.0","method":"no.such.method"}"#, Nothing),
    (r#"{"jsonrpc":"2.0","method":"session.message","params":{"bad":1}}"#, Nothing),
    (r#"{"jsonrpc":"2.0","method":"session.end","params":["s"]}"#, Nothing),
    // Not JSON.
    (r#"{"jsonrpc":"2.0","id":3,"#, Refused(-32700, "null")),
    (
        r#"[{"jsonrpc":"2.0","id":1,"method":"system.version"},{"jsonrpc":"2.0","method"]"#,
        Refused(-32700, "null"),
    ),
    ("", Refused(-32700, "null")),
    ("\u{feff}{}", Refused(-32700, "null")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"system.version"} {}"#, Refused(-32700, "null")),
    // JSON, but no request.
    ("{}", Refused(-32600, "null")),
    (r#"{"foo":"boo"}"#, Refused(-32600, "null")),
    ("1", Refused(-32600, "null")),
    ("null", Refused(-32600, "null")),
    (r#""text""#, Refused(-32600, "null")),
    ("[]", Refused(-32600, "null")),
    ("[1]", Batch(&[Refused(-32600, "null")])),
    ("[1,[],{}]", Batch(&[Refused(-32600, "null"), Refused(-32600, "null"), Refused(-32600, "null")])),
    (r#"{"jsonrpc":"1.0","id":3,"method":"system.version"}"#, Refused(-32600, "3")),
    (r#"{"jsonrpc":2.0,"id":3,"method":"system.version"}"#, Refused(-32600, "3")),
    (r#"{"id":3,"method":"system.version"}"#, Refused(-32600, "3")),
    (r#"{"jsonrpc":"2.0","id":3}"#, Refused(-32600, "3")),
    (r#"{"jsonrpc":"2.0","id":3,"method":1}"#, Refused(-32600, "3")),
    (r#"{"jsonrpc":"2.0","id":3,"method":null}"#, Refused(-32600, "3")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"system.version","params":"s"}"#, Refused(-32600, "1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"system.version","params":null}"#, Refused(-32600, "1")),
    (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"system.version"}"#, Refused(-32600, "null")),
    // Ids come back as they were.
    (r#"{"jsonrpc":"2.0","id":-1,"method":"system.version"}"#, Done("-1")),
    (r#"{"jsonrpc":"2.0","id":1.5,"method":"system.version"}"#, Done("1.5")),
    (r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"system.version"}"#, Done("9007199254740993")),
    (r#"{"jsonrpc":"2.0","id":"\u00e9","method":"system.version"}"#, Done("\"\\u00e9\"")),
    (r#"{"jsonrpc":"2.0","id":null,"method":"system.version"}"#, Done("null")),
    (r#"{"jsonrpc":"2.0","id":{},"method":"system.version"}"#, Refused(-32600, "null")),
    (r#"{"jsonrpc":"2.0","id":[],"method":"system.version"}"#, Refused(-32600, "null")),
    (r#"{"jsonrpc":"2.0","id":true,"method":"system.version"}"#, Refused(-32600, "null")),
    // Methods and params.
    (r#"{"jsonrpc":"2.0","id":1,"method":"no.such.method"}"#, Refused(-32601, "1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Refused(-32601, "1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"rpc.nothing"}"#, Refused(-32601, "1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#, Done("1")),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"session.message","params":{"sessionId":"s"}}"#,
        Refused(-32602, "1"),
    ),
    (r#"{"jsonrpc":"2.0","id":1,"method":"session.message","params":["s"]}"#, Refused(-32602, "1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"session.message"}"#, Refused(-32602, "1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"session.message","params":["s","hi"]}"#, Done("1")),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"session.message","params":{"content":"hi","sessionId":"s"}}"#,
        Done("1"),
    ),
    (r#"{"jsonrpc":"2.0","id":1,"method":"system.version","params":{"x":1}}"#, Refused(-32602, "1")),
    // What the methods themselves refuse.
    (r#"{"jsonrpc":"2.0","id":"p","method":"session.end","params":["s"]}"#, Refused(-32603, "\"p\"")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"workflow.retire","params":["n","m","1"]}"#, Refused(-32020, "1")),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"run.start","params":[{"namespace":"n","name":"m"}]}"#,
        Refused(-32024, "1"),
    ),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"run.cancel","params":["0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10"]}"#,
        Refused(-32022, "1"),
    ),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"run.signal","params":["0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10","s"]}"#,
        Refused(-32023, "1"),
    ),
    (r#"{"jsonrpc":"2.0","id":1,"method":"session.message","params":["s","large"]}"#, Refused(-32008, "1")),
    // A batch of everything, in order, without the notification.
    (
        r#"[{"jsonrpc":"2.0","id":"a","method":"system.version"},{"foo":1},
            {"jsonrpc":"2.0","method":"system.version"},{"jsonrpc":"2.0","id":2,"method":"nope"},
            {"jsonrpc":"2.0","id":"p","method":"session.end","params":["s"]}]"#,
        Batch(&[Done("\"a\""), Refused(-32600, "null"), Refused(-32601, "2"), Refused(-32603, "\"p\"")]),
    ),
];

fn assert_one(case: &str, got: &serde_json::value::RawValue, want: &Want) {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Answer<'a> {
        jsonrpc: &'a str,
        #[serde(borrow)]
        id: &'a serde_json::value::RawValue,
        result: Option<&'a serde_json::value::RawValue>,
        error: Option<Value>,
    }
    let answer: Answer<'_> = serde_json::from_str(got.get()).unwrap_or_else(|e| panic!("{case}: {e}: {got}"));
    assert_eq!(answer.jsonrpc, "2.0", "{case}");
    match want {
        Done(id) => {
            assert_eq!((answer.id.get(), answer.error), (*id, None), "{case}");
            assert!(answer.result.is_some(), "{case}");
        }
        Refused(code, id) => {
            let error = answer.error.unwrap_or_else(|| panic!("{case}: {got}"));
            assert_eq!((answer.id.get(), error["code"].as_i64()), (*id, Some(*code)), "{case}: {got}");
            assert!(error["message"].is_string() && error["data"]["code"].is_string(), "{case}: {got}");
            assert!(answer.result.is_none(), "{case}");
        }
        Nothing | Batch(_) => unreachable!("only single answers are compared here"),
    }
}

fn assert_reply(case: &str, got: Option<&str>, want: &Want) {
    match (got, want) {
        (None, Nothing) => {}
        (Some(text), Batch(wants)) => {
            let answers: Vec<&serde_json::value::RawValue> =
                serde_json::from_str(text).unwrap_or_else(|e| panic!("{case}: {e}: {text}"));
            assert_eq!(answers.len(), wants.len(), "{case}: {text}");
            answers.iter().zip(*wants).for_each(|(got, want)| assert_one(case, got, want));
        }
        (Some(text), Done(_) | Refused(..)) => {
            assert_one(
                case,
                serde_json::from_str(text).unwrap_or_else(|e| panic!("{case}: {e}: {text}")),
                want,
            );
        }
        (got, _) => panic!("{case}: {got:?}"),
    }
}

/// Room for the document that `rpc.discover` answers, but not for the large message.
fn rpc() -> Rpc {
    Rpc::new(Fake::new(), limits())
}

#[tokio::test]
async fn every_case_is_answered_as_the_specification_says_over_http() {
    let router = authenticated(&rpc());
    for (case, want) in CASES {
        let (status, body) = post(&router, *case).await;
        let got = (!body.is_empty()).then_some(body.as_str());
        assert_eq!(status, if got.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT }, "{case}");
        assert_reply(case, got, want);
    }
}

#[tokio::test]
async fn every_case_is_answered_as_the_specification_says_over_websocket() {
    let rpc = rpc();
    let served = Served::new(&rpc).await;
    let mut socket = served.connect().await;
    for (case, want) in CASES {
        socket.send(Message::text(*case)).await.expect("sent");
        if matches!(want, Nothing) {
            // Nothing may come, so the next answer must be to the next request.
            let marker = call("marker", "system.version", json!({})).to_string();
            socket.send(Message::text(marker)).await.expect("sent");
        }
        let got = loop {
            match socket.next().await.expect("open").expect("a frame") {
                Message::Text(text) => break text,
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{case}: {other:?}"),
            }
        };
        match want {
            Nothing => assert_eq!(value(&got)["id"], "marker", "{case}"),
            want => assert_reply(case, Some(&got), want),
        }
    }
}

#[tokio::test]
async fn notifications_are_carried_out() {
    let fake = Fake::new();
    let router = authenticated(&Rpc::new(Arc::clone(&fake), limits()));
    let body = r#"[{"jsonrpc":"2.0","method":"session.create"},{"jsonrpc":"2.0","method":"session.create"}]"#;
    assert_eq!(post(&router, body).await, (StatusCode::NO_CONTENT, String::new()));
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test]
async fn the_calls_of_a_batch_run_side_by_side_and_are_answered_in_order() {
    let fake = Fake::new();
    let router = authenticated(&Rpc::new(Arc::clone(&fake), limits()));
    // The first call waits for the gate that only opens once the second has begun.
    let batch = json!([
        call(1, "session.set_state", json!(["s", "k", 1])),
        call(2, "session.create", json!({ "sessionId": "t" })),
    ]);
    let opener = async {
        while fake.calls().len() < 2 {
            tokio::task::yield_now().await;
        }
        fake.gate.add_permits(1);
    };
    let ((_, body), ()) = tokio::join!(post(&router, batch.to_string()), opener);
    let ids: Vec<Value> = value(&body).as_array().expect("a batch").iter().map(|a| a["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2)]);
}
