//! Given what happened, when a command comes, then events or a rejection.

use alloc::vec;

use serde_json::json;

use super::*;

fn target(url: &str) -> Target {
    Target {
        url: url.into(),
        types: vec!["com.example.*".into(), "exact".into()],
        secret: "hook".into(),
        headers: BTreeMap::new(),
    }
}

fn register(after: u64) -> Command {
    Command::Register { target: target("http://a"), after: Position(after) }
}

fn advance(through: u64) -> Command {
    Command::Advance { through: Position(through), delivered: 1 }
}

fn give_up(position: u64) -> Command {
    Command::GiveUp {
        position: Position(position),
        event: json!({ "id": "1" }),
        attempts: 5,
        error: "503".into(),
        since: Timestamp::default(),
    }
}

fn redrive(positions: &[u64]) -> Command {
    Command::Redrive { positions: positions.iter().copied().map(Position).collect() }
}

fn drop(positions: &[u64]) -> Command {
    Command::Drop { positions: positions.iter().copied().map(Position).collect() }
}

fn when(state: &State, command: &Command) -> Result<Vec<WebhookEvent>, Rejection> {
    Webhook::decide(state, command, &Facts { now: Timestamp::default() })
}

fn given(commands: &[Command]) -> State {
    let mut state = State::default();
    for command in commands {
        for event in when(&state, command).expect("the history is allowed") {
            Webhook::evolve(&mut state, &event, Version(0), Timestamp::default());
        }
    }
    state
}

fn letters(state: &State) -> Vec<u64> {
    state.letters.keys().map(|position| position.0).collect()
}

#[test]
fn a_webhook_that_is_changed_goes_on_where_it_stands() {
    let state = given(&[register(5), advance(9)]);
    assert_eq!(when(&state, &register(20)), Ok(vec![]));
    let moved = Command::Register { target: target("http://b"), after: Position(20) };
    let changed = given(&[register(5), advance(9), moved]);
    assert_eq!((changed.cursor, changed.target.unwrap().url.as_str()), (Position(9), "http://b"));
}

#[test]
fn the_cursor_only_moves_on() {
    let state = given(&[register(5), advance(9)]);
    assert_eq!(when(&state, &advance(9)), Ok(vec![]));
    assert_eq!(when(&state, &advance(7)), Ok(vec![]));
    assert_eq!(given(&[register(5), advance(9), give_up(12)]).cursor, Position(12));
}

#[test]
fn nothing_is_recorded_for_a_webhook_that_was_removed_and_it_begins_anew() {
    let history = [register(5), give_up(6), Command::Remove];
    let state = given(&history);
    for command in [advance(9), give_up(9), redrive(&[]), drop(&[6]), Command::Remove] {
        assert_eq!(when(&state, &command), Err(Rejection::NotFound));
    }
    let again = given(&[register(5), give_up(6), Command::Remove, register(40)]);
    assert_eq!((again.cursor, letters(&again)), (Position(40), Vec::new()));
}

#[test]
fn dead_letters_are_tried_again_or_dropped_when_somebody_says_so() {
    let state = given(&[register(0), give_up(3), give_up(4), give_up(7)]);
    assert_eq!(letters(&state), [3, 4, 7]);
    assert_eq!(when(&state, &redrive(&[5])), Err(Rejection::NoLetter { position: Position(5) }));
    let redriven = given(&[register(0), give_up(3), give_up(4), give_up(7), redrive(&[]), drop(&[4, 4])]);
    assert_eq!(redriven.redriven.iter().map(|it| it.0).collect::<Vec<_>>(), [3, 7]);
    assert_eq!(when(&redriven, &redrive(&[3])), Ok(vec![]), "asked before");
    let delivered = Command::Delivered { position: Position(3) };
    let one = given(&[register(0), give_up(3), redrive(&[3]), delivered.clone()]);
    assert!(letters(&one).is_empty());
    assert_eq!(when(&one, &delivered), Ok(vec![]));
    assert_eq!(when(&one, &redrive(&[])), Err(Rejection::NoLetters));
    // In vain: it is on the list, and nobody tries it until asked again.
    let vain = given(&[register(0), give_up(3), redrive(&[3]), give_up(3)]);
    assert_eq!((letters(&vain), vain.redriven.len()), (vec![3], 0));
    // Dropped while it was tried: it does not come back.
    let gone = given(&[register(0), give_up(3), redrive(&[3]), drop(&[3])]);
    assert_eq!(when(&gone, &give_up(3)), Ok(vec![]));
}

#[test]
fn a_full_list_takes_no_more() {
    let mut state = given(&[register(0)]);
    for position in 1..=MOST_LETTERS as u64 {
        for event in when(&state, &give_up(position)).unwrap() {
            Webhook::evolve(&mut state, &event, Version(0), Timestamp::default());
        }
    }
    assert_eq!(when(&state, &give_up(5_000)), Err(Rejection::Full));
    assert!(when(&state, &give_up(7)).is_ok(), "a letter that is there may be tried again");
}

#[test]
fn a_star_at_the_end_stands_for_any_rest() {
    let target = target("http://a");
    for (event_type, wanted) in [
        ("com.example.order", true),
        ("com.example.", true),
        ("com.exampl", false),
        ("exact", true),
        ("exactly", false),
    ] {
        assert_eq!(target.wants(event_type), wanted, "{event_type}");
    }
}
