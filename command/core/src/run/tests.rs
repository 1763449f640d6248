//! Given events, when a command comes, then events or a rejection.

mod control;
mod property;

use alloc::vec;

use super::*;
use openclaw_model::{
    Digest,
    event::run::{
        EffectClass, EffectUnknown, HttpOutput, HttpRequest, Intent, Request, RunCancelled, RunCompleted,
        RunRunning, TaskCompleted, TaskKind, TaskStarted, Work, WorkflowRef,
    },
};

fn started() -> RunStarted {
    let workflow = WorkflowRef {
        namespace: "ns".into(),
        name: "w".into(),
        version: "1.0.0".into(),
        digest: Digest([0; 32]),
    };
    RunStarted::new(workflow, Value::Null)
}

fn task_started(task: u32, parent: Option<u32>, work: Work) -> RunEvent {
    RunEvent::TaskStarted(TaskStarted {
        task: TaskId(task),
        parent: parent.map(TaskId),
        name: "t".into(),
        reference: "/do/0/t".into(),
        kind: TaskKind::Do,
        iteration: None,
        attempt: 1,
        input: Value::Null,
        raw_input: None,
        deadline: None,
        work,
    })
}

fn task_completed(task: u32) -> RunEvent {
    RunEvent::TaskCompleted(TaskCompleted {
        task: TaskId(task),
        output: Value::Null,
        raw_output: None,
        context: None,
        then: openclaw_model::event::run::Flow::Continue,
    })
}

fn effect() -> Work {
    Work::Effect(Intent {
        key: "k".into(),
        class: EffectClass::Irreversible,
        request: Request::Http(HttpRequest {
            method: "POST".into(),
            url: "http://localhost".into(),
            headers: Default::default(),
            query: Default::default(),
            body: None,
            output: HttpOutput::Content,
            redirect: false,
            authentication: None,
        }),
        inquiry: None,
        verdict: None,
    })
}

fn error() -> openclaw_model::event::run::WorkflowError {
    openclaw_model::event::run::WorkflowError {
        r#type: "about:blank".into(),
        status: 503,
        title: None,
        detail: None,
        instance: None,
    }
}

fn given(events: &[RunEvent]) -> State {
    let mut state = State::default();
    for (index, event) in events.iter().enumerate() {
        Run::evolve(&mut state, event, Version(index as u64 + 1), Timestamp::default());
    }
    state
}

fn when(events: &[RunEvent], command: Command) -> Result<Vec<RunEvent>, Rejection> {
    Run::decide(&given(events), &command, &Facts { now: Timestamp::default() })
}

fn advance(from: u64, events: Vec<RunEvent>) -> Command {
    Command::Advance { from: Version(from), events }
}

fn running() -> Vec<RunEvent> {
    vec![RunEvent::Started(started()), RunEvent::Running(RunRunning { input: Value::Null, deadline: None })]
}

#[test]
fn a_run_starts_once() {
    assert_eq!(when(&[], Command::Start(started())), Ok(vec![RunEvent::Started(started())]));
    assert_eq!(when(&running(), Command::Start(started())), Err(Rejection::Exists));
}

#[test]
fn a_run_that_does_not_exist_takes_no_signal_no_cancel_and_no_step() {
    for command in [
        Command::Signal { name: "s".into(), data: Value::Null },
        Command::Cancel { reason: None, kill: false },
        advance(0, vec![]),
    ] {
        assert_eq!(when(&[], command), Err(Rejection::NotFound));
    }
}

#[test]
fn a_step_from_an_old_state_is_refused() {
    let step = advance(1, vec![task_started(1, None, Work::Steps)]);
    assert_eq!(when(&running(), step), Err(Rejection::Stale { from: Version(1), actual: Version(2) }));
}

#[test]
fn a_step_that_does_not_fit_the_open_tasks_is_refused() {
    let illegal = [
        vec![task_started(2, None, Work::Steps)],
        vec![task_completed(1)],
        vec![task_started(1, Some(9), Work::Steps)],
        vec![task_started(1, None, Work::Steps), RunEvent::Completed(RunCompleted { output: Value::Null })],
        vec![RunEvent::Started(started())],
        vec![RunEvent::Cancelled(RunCancelled { reason: None })],
        vec![RunEvent::Running(RunRunning { input: Value::Null, deadline: None })],
        vec![RunEvent::Completed(RunCompleted { output: Value::Null }), task_started(1, None, Work::Steps)],
    ];
    for events in illegal {
        let result = when(&running(), advance(2, events.clone()));
        assert!(matches!(result, Err(Rejection::Illegal { .. })), "{events:?}");
    }
    let legal = vec![task_started(1, None, Work::Steps), task_completed(1)];
    assert_eq!(when(&running(), advance(2, legal.clone())), Ok(legal));
}

#[test]
fn no_two_places_of_a_run_have_one_path() {
    let named = |task, parent, name: &str, kind| {
        let RunEvent::TaskStarted(mut data) = task_started(task, parent, Work::Steps) else { unreachable!() };
        (data.name, data.kind) = (name.into(), kind);
        RunEvent::TaskStarted(data)
    };
    let mut history = running();
    history.extend([named(1, None, "a", TaskKind::Do), task_completed(1)]);
    let again = given(&history).path_of(None, "a", None);
    assert_ne!(
        again,
        given(&running()).path_of(None, "a#1", None),
        "a second round, and a name that looks like one"
    );
    history.push(named(2, None, "a", TaskKind::Do));
    let below = given(&history).path_of(Some(TaskId(2)), "b", None);
    assert_ne!(
        below,
        given(&running()).path_of(None, "a#1/b", None),
        "a child, and a name that looks like one"
    );
}

#[test]
fn cancel_is_asked_once_and_not_after_the_end() {
    let mut history = running();
    history.extend(when(&history, Command::Cancel { reason: None, kill: false }).unwrap());
    assert_eq!(when(&history, Command::Cancel { reason: None, kill: false }), Ok(vec![]));
    history.push(RunEvent::Cancelled(RunCancelled { reason: None }));
    assert_eq!(
        when(&history, Command::Cancel { reason: None, kill: false }),
        Err(Rejection::Final(Status::Cancelled))
    );
}

#[test]
fn an_unknown_effect_suspends_the_run_and_is_owed_no_more() {
    let mut history = running();
    history.push(task_started(1, None, effect()));
    assert_eq!(given(&history).status(), Status::Running);
    assert!(matches!(pending(&given(&history))[..], [Pending::Effect { task: TaskId(1), .. }]));
    history.push(RunEvent::EffectUnknown(EffectUnknown { task: TaskId(1) }));
    assert_eq!(given(&history).status(), Status::Suspended);
    assert!(pending(&given(&history)).is_empty());
}
