//! Runs: what happens to them and to their tasks.

use openclaw_model::{
    Digest, Event, RunId, TaskId, Timestamp,
    event::{RunEvent, run::*},
};
use serde_json::json;

pub(crate) fn error() -> WorkflowError {
    WorkflowError {
        r#type: "https://serverlessworkflow.io/spec/1.0.0/errors/communication".into(),
        status: 503,
        title: Some("Communication Error".into()),
        detail: Some("the service is away".into()),
        instance: Some("/do/0/call".into()),
    }
}

pub(crate) fn started(task: u32, kind: TaskKind, work: Work) -> Event {
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

pub(crate) fn intent(request: Request) -> Work {
    Work::Effect(Intent {
        key: "0123456789abcdef0123456789abcdef".into(),
        class: EffectClass::Keyed,
        request,
        inquiry: None,
        verdict: None,
    })
}

/// The run events of the first version of the program, and the first forms of work.
pub(crate) fn samples() -> Vec<(&'static str, Event)> {
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
            sandbox: None,
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
        data_labels: Default::default(),
    });
    let command = Request::Command(CommandRequest {
        method: "session.end".into(),
        params: json!({ "sessionId": "s" }),
    });
    let code = Program::Script { language: ScriptLanguage::Python, code: "print(1)".into() };
    let shell = Program::Shell { command: "true".into() };
    vec![
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
                data_labels: Default::default(),
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
    ]
}
