//! Commands that take a run in hand.

use alloc::{format, string::ToString};

use openclaw_model::event::run::{
    EffectReconciled, ForkOrigin, RunFaulted, RunForked, RunPaused, RunResumed, RunSignalled, TaskFaulted,
    TaskHeld,
};

use super::*;

fn held() -> Vec<RunEvent> {
    let mut history = running();
    history.push(task_started(1, None, effect()));
    history.push(RunEvent::TaskHeld(TaskHeld { task: TaskId(1), error: error(), raw_output: None }));
    history
}

#[test]
fn a_pause_is_asked_once_and_ends_with_a_resume() {
    let mut history = running();
    assert_eq!(when(&history, Command::Resume), Err(Rejection::NotPaused));
    let pause = || Command::Pause { reason: Some("why".into()) };
    history.extend(when(&history, pause()).unwrap());
    assert_eq!(history.last(), Some(&RunEvent::Paused(RunPaused { reason: Some("why".into()) })));
    assert_eq!(when(&history, pause()), Ok(vec![]));
    assert_eq!(given(&history).status(), Status::Suspended);
    assert!(pending(&given(&history)).is_empty());
    assert_eq!(when(&history, Command::Resume), Ok(vec![RunEvent::Resumed(RunResumed {})]));
}

#[test]
fn a_held_task_is_resumed_with_its_error_or_put_back_under_its_name() {
    let history = held();
    assert_eq!(given(&history).status(), Status::Suspended);
    let resumed = when(&history, Command::Resume).unwrap();
    let [RunEvent::Resumed(_), RunEvent::TaskFaulted(fault)] = &resumed[..] else { panic!("{resumed:?}") };
    assert_eq!(fault.task, TaskId(1));
    let other = Command::Retry { task: Some(TaskId(2)) };
    assert_eq!(when(&history, other), Err(Rejection::NothingToRetry));
    let mut history = history;
    history.extend(when(&history, Command::Retry { task: None }).unwrap());
    let state = given(&history);
    assert!(state.tasks.is_empty());
    let again = state.root.again.as_ref().expect("the task is to be started anew");
    assert_eq!(again.reference, "/do/0/t");
    assert_eq!(state.path_of(None, "t", None), "/t", "as if it had never been started");
    assert!(pending(&state).contains(&Pending::Step));
}

#[test]
fn only_a_fault_of_a_task_can_be_retried_and_brings_back_what_was_open() {
    let mut history = running();
    history.push(task_started(1, None, effect()));
    history.push(task_started(2, None, effect()));
    history.push(RunEvent::TaskFaulted(TaskFaulted { task: TaskId(1), error: error(), raw_output: None }));
    history.push(RunEvent::TaskCancelled(openclaw_model::event::run::TaskCancelled {
        task: TaskId(2),
        reason: openclaw_model::event::run::CancelReason::Faulted,
    }));
    history.push(RunEvent::Faulted(RunFaulted { error: error() }));
    history.extend(when(&history, Command::Retry { task: None }).unwrap());
    let state = given(&history);
    assert_eq!((state.status(), state.end), (Status::Running, None));
    assert_eq!(state.tasks.keys().collect::<Vec<_>>(), [&TaskId(2)]);
    assert_eq!(state.last_task, 2, "ordinals are never used twice");

    let mut timed_out = running();
    timed_out.push(RunEvent::Faulted(RunFaulted { error: error() }));
    assert_eq!(when(&timed_out, Command::Retry { task: None }), Err(Rejection::NothingToRetry));
    assert_eq!(when(&[], Command::Retry { task: None }), Err(Rejection::NotFound));
}

#[test]
fn only_an_unknown_effect_is_reconciled() {
    let mut history = running();
    history.push(task_started(1, None, effect()));
    let not_done = || Command::Reconcile { task: TaskId(1), resolution: Resolution::NotDone, note: None };
    assert_eq!(when(&history, not_done()), Err(Rejection::NotUnknown { task: TaskId(1) }));
    history.push(RunEvent::EffectUnknown(EffectUnknown { task: TaskId(1) }));
    let expected = EffectReconciled { task: TaskId(1), resolution: Resolution::NotDone, note: None };
    history.extend(when(&history, not_done()).unwrap());
    assert_eq!(history.last(), Some(&RunEvent::EffectReconciled(expected)));
    assert!(matches!(pending(&given(&history))[..], [Pending::Effect { dispatch: 2, .. }]));
}

#[test]
fn a_run_that_is_cancelled_may_still_be_killed_and_remembers_why() {
    let mut history = running();
    let cancel =
        |reason: Option<&str>, kill| Command::Cancel { reason: reason.map(ToString::to_string), kill };
    history.extend(when(&history, cancel(Some("enough"), false)).unwrap());
    history.extend(when(&history, cancel(None, true)).unwrap());
    assert_eq!(when(&history, cancel(None, true)), Ok(vec![]));
    let state = given(&history);
    let asked = state.cancel.expect("it was asked");
    assert_eq!((asked.reason.as_deref(), asked.kill), (Some("enough"), true));
}

#[test]
fn signals_wait_up_to_a_limit() {
    let mut history = running();
    history.extend(
        (0..1_000).map(|n| RunEvent::Signalled(RunSignalled { name: format!("s{n}"), data: Value::Null })),
    );
    let signal = Command::Signal { name: "one more".into(), data: Value::Null };
    assert_eq!(when(&history, signal), Err(Rejection::TooManySignals));
}

#[test]
fn a_fork_copies_up_to_its_place_and_takes_no_other_command_until_then() {
    let run = openclaw_model::RunId("01a20d0b-3133-7309-80b1-7d53166451ad".parse().expect("a UUID"));
    let mut fork = started();
    fork.fork = Some(ForkOrigin { run, at: Version(3), context: Some(Value::Bool(true)) });
    let mut history = vec![RunEvent::Started(fork)];
    let source = [running()[1].clone(), task_started(1, None, effect()), task_completed(1)];
    let copy =
        |from: u64, events: &[RunEvent]| Command::Copy { from: Version(from), events: events.to_vec() };
    let complete = || Command::CompleteFork { then: Timestamp::default() };

    assert_eq!(pending(&given(&history)), [Pending::Step]);
    for refused in [Command::Pause { reason: None }, Command::Cancel { reason: None, kill: true }] {
        assert_eq!(when(&history, refused), Err(Rejection::Copying));
    }
    assert_eq!(when(&history, complete()), Err(Rejection::NotCopying), "not all is there");
    let stale = Rejection::Stale { from: Version(2), actual: Version(1) };
    assert_eq!(when(&history, copy(2, &source[1..2])), Err(stale));
    assert_eq!(when(&history, copy(1, &source)), Err(Rejection::NotCopying), "that is too much");
    history.extend(when(&history, copy(1, &source[..2])).unwrap());
    history.extend(when(&history, complete()).unwrap());
    let forked = RunForked { shift_ms: 0, context: Some(Value::Bool(true)) };
    assert_eq!(history.last(), Some(&RunEvent::Forked(forked)));
    let state = given(&history);
    assert!(state.fork.is_none() && *state.context == Value::Bool(true));
    assert!(matches!(pending(&state)[..], [Pending::Effect { task: TaskId(1), .. }]));
    assert_eq!(when(&history, copy(4, &source[2..])), Err(Rejection::NotCopying));
}
