use alloc::vec::Vec;

use openclaw_model::event::schedule::{Missed, Overlap, Timetable};
use serde_json::{Value, json};

use super::*;

fn activated(digest: u8) -> ScheduleActivated {
    ScheduleActivated {
        version: "1.0.0".into(),
        digest: Digest([digest; 32]),
        timetable: Timetable::Every { millis: 1_000 },
        overlap: Overlap::Allow,
        missed: Missed::Latest,
        input: Value::Null,
        interests: Vec::new(),
    }
}

fn run(number: i64) -> RunId {
    alloc::format!("00000000-0000-0000-0000-{number:012}").parse().unwrap()
}

fn tick(digest: u8, due: i64) -> Command {
    let tick =
        ScheduleTicked { due: Timestamp::from_millis(due), run: Some(run(due)), skipped: None, missed: 0 };
    Command::Tick { digest: Digest([digest; 32]), tick }
}

fn consume(position: u64, run: Option<RunId>) -> Command {
    let consumed = ScheduleEventConsumed {
        filter: 0,
        position: Position(position),
        event: json!({ "type": "t" }).into(),
        keys: Default::default(),
    };
    Command::Consume { digest: Digest([1; 32]), consumed, run }
}

fn after(commands: &[Command]) -> State {
    let mut state = State::default();
    for command in commands {
        for event in when(&state, command).unwrap() {
            Schedule::evolve(&mut state, &event, Version(1), Timestamp::default());
        }
    }
    state
}

fn when(state: &State, command: &Command) -> Result<Vec<ScheduleEvent>, Rejection> {
    Schedule::decide(state, command, &Facts { now: Timestamp::default() })
}

#[test]
fn a_due_time_counts_once_and_never_after_a_later_one() {
    let state = after(&[Command::Activate(activated(1)), tick(1, 2_000)]);
    assert_eq!(when(&state, &tick(1, 2_000)), Ok(vec![]));
    assert_eq!(when(&state, &tick(1, 1_000)), Ok(vec![]));
    assert_eq!(when(&state, &tick(1, 3_000)).unwrap().len(), 1);
}

#[test]
fn ticks_of_another_version_and_of_a_paused_schedule_do_not_count() {
    let state = after(&[Command::Activate(activated(1)), Command::Activate(activated(2))]);
    assert_eq!(when(&state, &tick(1, 1_000)), Ok(vec![]));
    assert_eq!(when(&state, &tick(2, 1_000)).unwrap().len(), 1);
    let paused = after(&[Command::Activate(activated(1)), Command::Pause { reason: None }]);
    assert_eq!(when(&paused, &tick(1, 1_000)), Ok(vec![]));
    assert_eq!(when(&paused, &Command::Pause { reason: None }), Ok(vec![]));
}

#[test]
fn an_event_is_taken_in_once_and_the_last_one_starts_a_run() {
    let run = run(1);
    let state = after(&[Command::Activate(activated(1)), consume(5, None)]);
    assert_eq!(when(&state, &consume(5, None)), Ok(vec![]));
    let events = when(&state, &consume(6, Some(run))).unwrap();
    assert!(matches!(&events[..], [ScheduleEvent::EventConsumed(_), ScheduleEvent::Triggered(_)]));
    let state = after(&[Command::Activate(activated(1)), consume(5, Some(run))]);
    assert!(state.passed.is_empty(), "the next set of events begins anew");
}

#[test]
fn activating_the_same_again_changes_nothing_and_what_is_not_there_is_refused() {
    let state = after(&[Command::Activate(activated(1))]);
    assert_eq!(when(&state, &Command::Activate(activated(1))), Ok(vec![]));
    assert_eq!(when(&state, &Command::Resume), Err(Rejection::NotPaused));
    let none = State::default();
    assert_eq!(when(&none, &Command::Deactivate), Ok(vec![]));
    assert_eq!(when(&none, &Command::Pause { reason: None }), Err(Rejection::NotFound));
    assert_eq!(when(&none, &Command::Resume), Err(Rejection::NotFound));
}
