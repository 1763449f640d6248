//! Golden events: data of every event type in every schema that was ever written, read by today's program.
//!
//! A fixture is written once (`WRITE_GOLDEN=1` writes those that are missing) and never changed: the log is full of
//! such data.

use std::{collections::BTreeSet, fs, path::PathBuf};

use openclaw_model::{
    Digest, Event, RunId, TaskId, Timestamp,
    event::{RunEvent, SessionEvent, WorkflowEvent, run::*, session::*, workflow::*},
};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/events")
}

fn error() -> WorkflowError {
    WorkflowError {
        r#type: "https://serverlessworkflow.io/spec/1.0.0/errors/communication".into(),
        status: 503,
        title: Some("Communication Error".into()),
        detail: Some("the service is away".into()),
        instance: Some("/do/0/call".into()),
    }
}

fn started(task: u32, kind: TaskKind, work: Work) -> Event {
    Event::Run(RunEvent::TaskStarted(TaskStarted {
        task: TaskId(task),
        parent: Some(TaskId(1)),
        name: "task".into(),
        reference: "/do/0/all/do/0/task".into(),
        kind,
        iteration: Some(2),
        attempt: 1,
        input: json!({ "n": 1 }),
        raw_input: Some(json!({ "m": [1, 2.5, null] })),
        deadline: Some(Timestamp::from_micros(1_794_000_000_000_001)),
        work,
    }))
}

fn intent(request: Request) -> Work {
    Work::Effect(Intent {
        key: "0123456789abcdef0123456789abcdef".into(),
        class: EffectClass::Keyed,
        request,
        inquiry: None,
    })
}

/// One event of each type, with every field set; several where a type has forms.
fn samples() -> Vec<(&'static str, Event)> {
    let run = RunId("01a20d0b-3133-7309-80b1-7d53166451ad".parse().expect("a UUID"));
    let digest = Digest([0xab; 32]);
    let workflow =
        WorkflowRef { namespace: "examples".into(), name: "report".into(), version: "1.0.0".into(), digest };
    let at = Timestamp::from_micros(1_794_000_000_123_456);
    let process = |program| {
        intent(Request::Process(ProcessRequest {
            program,
            stdin: Some("in".into()),
            arguments: vec!["a".into()],
            environment: [("KEY".to_owned(), "value".to_owned())].into(),
            returns: ProcessReturn::All,
            wait: true,
        }))
    };
    let http = Request::Http(HttpRequest {
        method: "POST".into(),
        url: "https://example.com/orders".into(),
        headers: [("Accept".to_owned(), "application/json".to_owned())].into(),
        query: [("page".to_owned(), "2".to_owned())].into(),
        body: Some(json!({ "n": 1 })),
        output: HttpOutput::Response,
        redirect: true,
        authentication: None,
    });
    let child = Request::Run(RunRequest {
        run,
        namespace: "examples".into(),
        name: "child".into(),
        version: "latest".into(),
        input: json!({}),
        wait: false,
        close: ParentClose::default(),
    });
    let command = Request::Command(CommandRequest {
        method: "session.end".into(),
        params: json!({ "sessionId": "s" }),
    });
    let code = Program::Script { language: ScriptLanguage::Python, code: "print(1)".into() };
    let shell = Program::Shell { command: "true".into() };
    let mut samples: Vec<(&'static str, Event)> = vec![
        (
            "",
            RunEvent::Started(RunStarted {
                workflow,
                definition: Some(json!({ "do": [] })),
                input: json!("text"),
                parent: Some(ParentTask { run, task: TaskId(3), close: ParentClose::default() }),
                labels: Default::default(),
                priority: 0,
                concurrency: None,
                not_before: None,
                trigger: None,
                fork: None,
                resources: Default::default(),
            })
            .into(),
        ),
        ("", RunEvent::Running(RunRunning { input: json!([1]), deadline: Some(at) }).into()),
        ("-steps", started(1, TaskKind::Do, Work::Steps)),
        ("-loop", started(2, TaskKind::For, Work::Loop { items: vec![json!(1), json!("b")] })),
        ("-branches", started(3, TaskKind::Fork, Work::Branches { count: 2, compete: true })),
        ("-timer", started(4, TaskKind::Wait, Work::Timer { due: at })),
        ("-http", started(5, TaskKind::Call, intent(http))),
        ("-shell", started(6, TaskKind::Run, process(shell))),
        ("-script", started(7, TaskKind::Run, process(code))),
        ("-run", started(8, TaskKind::Run, intent(child))),
        ("-command", started(9, TaskKind::Call, intent(command))),
        (
            "",
            RunEvent::TaskSkipped(TaskSkipped {
                task: TaskId(4),
                parent: None,
                name: "maybe".into(),
                reference: "/do/1/maybe".into(),
                kind: TaskKind::Set,
                iteration: Some(0),
                attempt: 2,
                output: json!(true),
            })
            .into(),
        ),
        (
            "",
            RunEvent::TaskCompleted(TaskCompleted {
                task: TaskId(4),
                output: json!({ "a": 1 }),
                raw_output: Some(json!("raw")),
                context: Some(json!({ "seen": true })),
                then: Flow::Goto("next".into()),
            })
            .into(),
        ),
        ("", RunEvent::TaskFaulted(TaskFaulted { task: TaskId(4), error: error(), raw_output: None }).into()),
        (
            "",
            RunEvent::TaskCancelled(TaskCancelled { task: TaskId(4), reason: CancelReason::LostRace }).into(),
        ),
        (
            "",
            RunEvent::TaskRetried(TaskRetried { task: TaskId(4), attempt: 2, due: at, error: error() })
                .into(),
        ),
        ("", RunEvent::ErrorCaught(ErrorCaught { task: TaskId(4), error: error() }).into()),
        ("", RunEvent::EffectRedispatched(EffectRedispatched { task: TaskId(4), dispatch: 2 }).into()),
        ("", RunEvent::EffectUnknown(EffectUnknown { task: TaskId(4) }).into()),
        ("", RunEvent::EventEmitted(EventEmitted { task: TaskId(4), event: json!({ "type": "t" }) }).into()),
        ("", RunEvent::Signalled(RunSignalled { name: "go".into(), data: json!(1) }).into()),
        (
            "",
            RunEvent::CancelRequested(RunCancelRequested { reason: Some("enough".into()), kill: false })
                .into(),
        ),
        ("", RunEvent::Completed(RunCompleted { output: json!({}) }).into()),
        ("", RunEvent::Faulted(RunFaulted { error: error() }).into()),
        ("", RunEvent::Cancelled(RunCancelled { reason: None }).into()),
        (
            "",
            WorkflowEvent::Registered(WorkflowRegistered {
                namespace: "examples".into(),
                name: "report".into(),
                version: "1.0.0".into(),
                digest,
                definition: json!({ "do": [] }),
                resources: Default::default(),
            })
            .into(),
        ),
        ("", WorkflowEvent::Retired(WorkflowRetired { version: "1.0.0".into() }).into()),
    ];
    let session = [
        SessionEvent::Started(SessionStarted {
            channel: "api".into(),
            peer_id: "ada".into(),
            agent_id: "default".into(),
            account: "gateway".into(),
        }),
        SessionEvent::MessageReceived(MessageReceived {
            content: "hi".into(),
            attachments: vec![Attachment {
                kind: "image".into(),
                mime_type: Some("image/png".into()),
                size: Some(7),
            }],
            message_id: "m1".into(),
        }),
        SessionEvent::MessageSent(MessageSent { content: "hello".into(), message_id: "m2".into() }),
        SessionEvent::ToolCalled(ToolCalled { tool_name: "t".into(), params: json!({}) }),
        SessionEvent::ToolResult(ToolResult { tool_name: "t".into(), result: json!(1), success: true }),
        SessionEvent::AgentResponse(AgentResponse {
            content: "yes".into(),
            model: "m".into(),
            tokens: TokenUsage { input_tokens: 1, output_tokens: 2 },
        }),
        SessionEvent::StateChanged(StateChanged { key: "k".into(), value: json!(null) }),
        SessionEvent::Ended(SessionEnded { reason: "done".into() }),
    ];
    samples.extend(session.into_iter().map(|event| ("", event.into())));
    samples
}

fn path(event: &Event, form: &str) -> PathBuf {
    folder().join(format!("{}{form}.v{}.json", event.event_type(), event.schema()))
}

#[test]
fn todays_events_are_written_as_their_fixtures_say() {
    for (form, event) in samples() {
        let path = path(&event, form);
        let written: Value = serde_json::from_slice(&event.encode()).expect("events are JSON");
        if !path.exists() && std::option_env!("WRITE_GOLDEN").is_some() {
            fs::create_dir_all(folder()).expect("a folder");
            fs::write(&path, serde_json::to_string_pretty(&written).expect("JSON") + "\n")
                .expect("a fixture");
        }
        let fixture = fs::read(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        let fixture: Value = serde_json::from_slice(&fixture).expect("fixtures are JSON");
        assert_eq!(written, fixture, "{}: a changed shape needs a new schema", path.display());
    }
}

#[test]
fn every_fixture_ever_written_can_be_read() {
    let mut read = 0;
    for entry in fs::read_dir(folder()).expect("the fixtures").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        let (stem, schema) = name.trim_end_matches(".json").rsplit_once(".v").expect("a schema in the name");
        let event_type = stem.split('-').next().expect("a type in the name");
        let data = fs::read(entry.path()).expect("a fixture");
        let event = Event::decode(event_type, schema.parse().expect("a number"), &data)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(event.event_type(), event_type);
        read += 1;
    }
    assert!(read >= samples().len());
}

#[test]
fn every_type_has_a_fixture() {
    let types = [RunEvent::TYPES, SessionEvent::TYPES, WorkflowEvent::TYPES].concat();
    let sampled: BTreeSet<&str> = samples().iter().map(|(_, event)| event.event_type()).collect();
    let missing: Vec<_> = types.iter().filter(|event_type| !sampled.contains(*event_type)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn unknown_types_and_newer_schemas_are_refused_by_name() {
    let unknown = Event::decode("run.teleported", 1, b"{}").unwrap_err().to_string();
    assert!(unknown.contains("run.teleported"), "{unknown}");
    let newer = Event::decode("run.completed", 9, b"{}").unwrap_err().to_string();
    assert!(newer.contains("schema 9"), "{newer}");
    assert!(Event::decode("run.completed", 1, b"{\"output\":").is_err());
}
