//! Subscriptions over real sockets.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{net::SocketAddr, time::Duration};

use common::{
    PATIENCE, Served,
    history::{run_id, running, started, task, task_completed, task_started},
};
use futures_util::{SinkExt as _, StreamExt as _};
use openclaw_model::{
    ApprovalId, Digest, Event, Position, SessionId, StreamId, TaskId, Timestamp,
    event::{
        ApprovalEvent, RunEvent, SessionEvent,
        approval::{ApprovalRequest, ApprovalRequested, ApprovalVoided, Choice, Deciders},
        run::{ParentTask, RunCompleted, RunPaused, TaskKind, Work},
        session::{MessageReceived, StateChanged},
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

mod common;

/// A served router on a port of its own.
struct Listening {
    served: Served,
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Listening {
    async fn new() -> Self {
        let served = Served::new().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = served.router.clone();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { served, address, _server: server }
    }

    async fn connect_with(&self, protocol: Option<&str>, authorization: Option<&str>) -> Client {
        let mut request = format!("ws://{}/graphql/ws", self.address).into_client_request().unwrap();
        for (name, value) in [("sec-websocket-protocol", protocol), ("authorization", authorization)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (socket, _) = client_async(request, MaybeTlsStream::Plain(stream)).await.unwrap();
        Client { socket }
    }

    async fn connect(&self) -> Client {
        self.connect_with(Some("graphql-transport-ws"), None).await
    }

    /// A client that has introduced itself.
    async fn client(&self) -> Client {
        let mut client = self.connect().await;
        client
            .send(json!({ "type": "connection_init", "payload": { "authorization": "Bearer good" } }))
            .await;
        assert_eq!(client.next().await, json!({ "type": "connection_ack" }));
        client
    }
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    async fn receive(&mut self) -> Message {
        timeout(PATIENCE, self.socket.next())
            .await
            .expect("an answer in time")
            .expect("an open socket")
            .unwrap()
    }

    async fn next(&mut self) -> Value {
        match self.receive().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} instead of a text"),
        }
    }

    /// The next answer's data under `field`.
    async fn item(&mut self, field: &str) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["type"], "next", "{message}");
        assert!(message["payload"].get("errors").is_none(), "{message}");
        message["payload"]["data"][field].take()
    }

    async fn closed(mut self) -> u16 {
        loop {
            match self.receive().await {
                Message::Close(Some(frame)) => return frame.code.into(),
                Message::Text(_) => {}
                other => panic!("{other:?} instead of a close"),
            }
        }
    }
}

fn run_command(served: &mut Served, number: u64, events: Vec<RunEvent>) {
    let stream = StreamId::run(run_id(number));
    let events = events.into_iter().map(|event| (stream.clone(), Event::Run(event))).collect();
    served.scribe.command("runtime", events);
}

fn positions(from: u64, to: u64) -> Vec<String> {
    (from..=to).map(|position| position.to_string()).collect()
}

#[tokio::test]
async fn events_come_once_each_from_history_into_the_present() {
    let mut listening = Listening::new().await;
    (1..=20).for_each(|number| listening.served.scribe.run(run_id(number), "w", 2));
    listening.served.flush().await;
    let mut client = listening.client().await;
    client.subscribe("a", "subscription { events(after: \"5\") { position type data } }", json!({})).await;
    let mut seen = Vec::new();
    for round in 0..5 {
        // While history is read, the present goes on.
        (0..4).for_each(|number| listening.served.scribe.run(run_id(100 + round * 10 + number), "w", 2));
        listening.served.scribe.flush().await;
        for _ in 0..40 {
            let event = client.item("events").await;
            assert!(event["data"].is_object());
            seen.push(event["position"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(seen, positions(6, 205));

    // A second subscription on the socket goes on after the last one that was handled; a filter leaves the rest out.
    let query = "subscription($after: Position) { events(after: $after, filter: { type: [\"run.completed\"] }) { position } }";
    client.send(json!({ "type": "complete", "id": "a" })).await;
    client.subscribe("b", query, json!({ "after": "205" })).await;
    let mut completed = Vec::new();
    while completed.len() < 10 {
        let message = client.next().await;
        if message["id"] == "b" {
            completed.push(message["payload"]["data"]["events"]["position"].as_str().unwrap().to_owned());
            assert!(message["payload"]["extensions"]["position"].is_string());
        }
    }
    assert_eq!(completed, (29..39).map(|run| (run * 7 + 7).to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_position_only_what_is_new_comes() {
    let mut listening = Listening::new().await;
    listening.served.scribe.run(run_id(1), "w", 1);
    let head = listening.served.flush().await;
    let mut client = listening.client().await;
    client.subscribe("a", "subscription { events { position } }", json!({})).await;
    // An answer to something sent later shows that the subscription stands.
    client.subscribe("q", "{ server { head } }", json!({})).await;
    assert_eq!(client.item("server").await["head"], json!(head.to_string()));
    assert_eq!(client.next().await, json!({ "type": "complete", "id": "q" }));
    listening.served.scribe.run(run_id(2), "w", 1);
    listening.served.scribe.flush().await;
    assert_eq!(client.item("events").await["position"], json!((head.0 + 1).to_string()));

    client.subscribe("b", "subscription { events(after: \"999\") { position } }", json!({})).await;
    let answer = loop {
        let message = client.next().await;
        if message["id"] == "b" {
            break message;
        }
    };
    assert_eq!(
        answer.pointer("/payload/errors/0/extensions/code").or(answer.pointer("/payload/0/extensions/code")),
        Some(&json!("BAD_ARGUMENT")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_run_is_followed_event_by_event_with_its_row_to_its_end() {
    let mut listening = Listening::new().await;
    run_command(&mut listening.served, 1, vec![started("w"), running(), task_started(1)]);
    listening.served.flush().await;
    let query = "subscription($id: ID!, $after: Position) { run(id: $id, after: $after) {
                 position event { type position } run { status position taskCount } } }";
    let id = run_id(1).to_string();
    let (mut all, mut rest) = (listening.client().await, listening.client().await);
    all.subscribe("a", query, json!({ "id": id, "after": "0" })).await;
    rest.subscribe("b", query, json!({ "id": id, "after": "2" })).await;

    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(all.item("run").await);
    }
    // Others' events in between do not show.
    listening.served.scribe.run(run_id(2), "w", 3);
    run_command(&mut listening.served, 1, vec![task_completed(1)]);
    listening.served.scribe.flush().await;
    seen.push(all.item("run").await);
    run_command(&mut listening.served, 1, vec![RunEvent::Completed(RunCompleted { output: json!(1) })]);
    listening.served.scribe.flush().await;
    seen.push(all.item("run").await);
    assert_eq!(all.next().await, json!({ "type": "complete", "id": "a" }));

    let types: Vec<_> = seen.iter().map(|update| update["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["run.started", "run.running", "run.task_started", "run.task_completed", "run.completed"]
    );
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    for update in &seen {
        assert_eq!(update["position"], update["event"]["position"]);
        assert!(number(&update["run"]["position"]) >= number(&update["position"]), "{update}");
    }
    assert_eq!(seen[4]["run"]["status"], "completed");

    let mut resumed = Vec::new();
    for _ in 0..3 {
        resumed.push(rest.item("run").await["position"].clone());
    }
    assert_eq!(resumed, seen[2..].iter().map(|update| update["position"].clone()).collect::<Vec<_>>());
    assert_eq!(rest.next().await, json!({ "type": "complete", "id": "b" }));

    // A run that is over is told to be over, and one that never was is an error.
    rest.subscribe("c", query, json!({ "id": id })).await;
    assert_eq!(rest.next().await, json!({ "type": "complete", "id": "c" }));
    rest.subscribe("d", query, json!({ "id": run_id(77).to_string() })).await;
    let answer = rest.next().await.to_string();
    assert!(answer.contains("NOT_FOUND"), "{answer}");
}

#[tokio::test]
async fn the_projection_is_watched_through_its_changes() {
    let mut listening = Listening::new().await;
    let mut client = listening.client().await;
    client.subscribe("a", "subscription { projection { status position head } }", json!({})).await;
    client.item("projection").await;
    listening.served.scribe.run(run_id(1), "w", 1);
    let head = listening.served.scribe.flush().await.to_string();
    loop {
        let news = client.item("projection").await;
        if news["position"] == json!(head) {
            assert_eq!(news, json!({ "status": "FRESH", "position": head, "head": head }));
            break;
        }
    }
}

#[tokio::test]
async fn who_breaks_the_protocol_is_closed_with_its_code() {
    let listening = Listening::new().await;
    let init = json!({ "type": "connection_init", "payload": { "authorization": "Bearer good" } });
    let subscribe = json!({ "type": "subscribe", "id": "a", "payload": { "query": "subscription { events { position } }" } });
    let bad_token = json!({ "type": "connection_init", "payload": { "authorization": "Bearer bad" } });
    let no_token = json!({ "type": "connection_init" });
    let cases = [
        (vec![bad_token.clone()], 4403),
        (vec![no_token], 4403),
        (vec![subscribe.clone()], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![init.clone(), subscribe.clone(), subscribe.clone()], 4409),
        (vec![init.clone(), json!({ "type": "nonsense" })], 4400),
        (vec![init.clone(), json!([1, 2])], 4400),
        (vec![init.clone(), json!({ "type": "subscribe", "id": "", "payload": { "query": "{ a }" } })], 4400),
    ];
    for (messages, expected) in cases {
        let mut client = listening.connect().await;
        for message in &messages {
            client.send(message.clone()).await;
        }
        assert_eq!(client.closed().await, expected, "{messages:?}");
    }
    assert_eq!(listening.connect_with(None, None).await.closed().await, 4406);

    let mut many = listening.client().await;
    for number in 0..11 {
        many.subscribe(&format!("s{number}"), "subscription { events { position } }", json!({})).await;
    }
    assert_eq!(many.closed().await, 4429);

    // A bad token in the message is not mended by a good one in the header, and a good header needs none.
    let mut client = listening.connect_with(Some("graphql-transport-ws"), Some("Bearer good")).await;
    client.send(bad_token).await;
    assert_eq!(client.closed().await, 4403);
    let mut client = listening.connect_with(Some("graphql-transport-ws"), Some("Bearer good")).await;
    client.send(json!({ "type": "connection_init" })).await;
    assert_eq!(client.next().await, json!({ "type": "connection_ack" }));
    client.send(json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(client.next().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn who_never_introduces_itself_is_closed_after_five_seconds() {
    let listening = Listening::new().await;
    let client = listening.connect().await;
    let began = tokio::time::Instant::now();
    assert_eq!(client.closed().await, 4408);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(4) && waited <= Duration::from_secs(6), "{waited:?}");
}

#[tokio::test]
async fn hostile_questions_get_an_error_and_the_socket_lives_on() {
    let listening = Listening::new().await;
    let mut client = listening.client().await;
    let cases = [
        (format!("subscription {{ {} }}", "a ".repeat(2_000)), "TOO_MANY_TOKENS"),
        ("subscription { ...a } fragment a on Subscription { ...a }".to_owned(), "FRAGMENT_CYCLE"),
        ("subscription {".to_owned(), "PARSE_ERROR"),
        ("subscription { nothing }".to_owned(), "VALIDATION_FAILED"),
    ];
    for (query, expected) in cases {
        client.subscribe("a", &query, json!({})).await;
        let message = client.next().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("a")), "{message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], expected, "{message}");
    }
    client.subscribe("a", "{ freshness { status } }", json!({})).await;
    assert!(client.item("freshness").await["status"].is_string());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_can_go_on_where_it_stood() {
    let mut listening = Listening::new().await;
    let stream = StreamId::session(&SessionId::new("loud").unwrap());
    let on = |event: SessionEvent| vec![(stream.clone(), Event::Session(event))];
    listening.served.scribe.command("token:a", on(common::history::session_started()));
    // More than the sockets of both sides and the quota hold together.
    let total = 900_u64;
    for number in 1..total {
        let content = format!("{number} {}", "x".repeat(20_000));
        let message = MessageReceived { content, attachments: Vec::new(), message_id: number.to_string() };
        listening.served.scribe.command("token:a", on(SessionEvent::MessageReceived(message)));
        if number % 100 == 0 {
            listening.served.scribe.flush().await;
        }
    }
    let head = listening.served.flush().await;
    assert_eq!(head, Position(total));

    let (mut slow, mut quick) = (listening.client().await, listening.client().await);
    let query = "subscription($after: Position) { events(after: $after) { position data } }";
    slow.subscribe("a", query, json!({ "after": "0" })).await;
    quick.subscribe("b", query, json!({ "after": "0" })).await;
    for position in positions(1, total) {
        assert_eq!(quick.item("events").await["position"], json!(position));
    }
    // The quick one gets what is new while the slow one is stuck, until well after it is cut off.
    let state =
        |number: u64| SessionEvent::StateChanged(StateChanged { key: "n".into(), value: json!(number) });
    for number in 1..=7 {
        listening.served.scribe.command("token:a", on(state(number)));
        listening.served.scribe.flush().await;
        assert_eq!(quick.item("events").await["position"], json!((total + number).to_string()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    // What the slow one finds when it reads at last: a part, then where to go on.
    let mut seen = Vec::new();
    let resume = loop {
        let mut message = slow.next().await;
        if message["type"] == "error" {
            let extensions = message["payload"][0]["extensions"].take();
            assert_eq!(extensions["code"], "LAGGED");
            break extensions["position"].as_str().unwrap().to_owned();
        }
        seen.push(message["payload"]["data"]["events"]["position"].as_str().unwrap().to_owned());
    };
    assert!(seen.len() < total as usize, "it was cut off");
    assert_eq!(Some(&resume), seen.last());
    slow.subscribe("again", query, json!({ "after": resume })).await;
    while seen.len() < (total + 7) as usize {
        seen.push(slow.item("events").await["position"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, positions(1, total + 7), "everything, once each");
}

fn of_approval(served: &mut Served, id: u8, event: ApprovalEvent) -> String {
    let approval = ApprovalId([id; 16]);
    served.scribe.command("runtime", vec![(StreamId::approval(approval), Event::Approval(event))]);
    approval.to_string()
}

fn requested(id: u8) -> ApprovalEvent {
    ApprovalEvent::Requested(ApprovalRequested {
        task: ParentTask { run: run_id(1), task: TaskId(1), close: Default::default() },
        request: ApprovalRequest {
            approval: ApprovalId([id; 16]),
            title: format!("Question {id}"),
            details: Value::Null,
            subject: Value::Null,
            digest: Digest([1; 32]),
            choices: vec![Choice { name: "approve".into(), title: None, schema: None }],
            deciders: Deciders::default(),
            quorum: 1,
            deadline: None,
        },
    })
}

#[tokio::test]
async fn approvals_are_followed_from_history_into_the_present() {
    let mut listening = Listening::new().await;
    let served = &mut listening.served;
    let first = of_approval(served, 1, requested(1));
    served.scribe.session("s", 1);
    of_approval(served, 2, requested(2));
    served.flush().await;
    let mut client = listening.client().await;
    let query = "subscription($id: ID, $after: Position) { approvalChanged(id: $id, after: $after) {
        position event { type } approval { id title state } } }";
    client.subscribe("all", query, json!({ "after": "0" })).await;
    let titles = [client.item("approvalChanged").await, client.item("approvalChanged").await]
        .map(|update| update["approval"]["title"].clone());
    assert_eq!(titles, [json!("Question 1"), json!("Question 2")]);

    let mut narrow = listening.client().await;
    narrow.subscribe("one", query, json!({ "id": first, "after": "1" })).await;
    let voided = || ApprovalEvent::Voided(ApprovalVoided { reason: "over".into() });
    of_approval(&mut listening.served, 2, voided());
    of_approval(&mut listening.served, 1, voided());
    listening.served.flush().await;
    let update = narrow.item("approvalChanged").await;
    assert_eq!(update["event"]["type"], "approval.voided");
    assert_eq!(update["approval"], json!({ "id": first, "title": "Question 1", "state": "voided" }));
    assert_eq!(client.item("approvalChanged").await["approval"]["title"], "Question 2");
}

#[tokio::test]
async fn what_a_run_waits_for_is_told_now_and_when_it_changes() {
    let mut listening = Listening::new().await;
    let timer = Work::Timer { due: Timestamp::from_millis(99_000) };
    run_command(
        &mut listening.served,
        1,
        vec![started("w"), running(), task(1, None, TaskKind::Wait, timer)],
    );
    listening.served.flush().await;
    let mut client = listening.client().await;
    let query = "subscription($id: ID!) { waitsChanged(runId: $id) { more waits { kind taskId } } }";
    client.subscribe("a", query, json!({ "id": run_id(1).to_string() })).await;
    let timer = json!({ "kind": "timer", "taskId": 1 });
    assert_eq!(client.item("waitsChanged").await, json!({ "more": false, "waits": [timer] }));

    // Neither another run nor a part of this one that waits for nothing is news.
    listening.served.scribe.run(run_id(2), "w", 1);
    run_command(&mut listening.served, 1, vec![task(2, None, TaskKind::Do, Work::Steps)]);
    listening.served.flush().await;
    run_command(&mut listening.served, 1, vec![RunEvent::Paused(RunPaused { reason: None })]);
    listening.served.flush().await;
    let paused = json!({ "kind": "paused", "taskId": null });
    assert_eq!(client.item("waitsChanged").await["waits"], json!([timer, paused]));

    let over = RunEvent::Completed(RunCompleted { output: Value::Null });
    run_command(&mut listening.served, 1, vec![over]);
    listening.served.flush().await;
    assert_eq!(client.item("waitsChanged").await["waits"], json!([]));
    assert_eq!(client.next().await, json!({ "type": "complete", "id": "a" }));
}
