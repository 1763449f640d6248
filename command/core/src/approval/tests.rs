//! Given what happened, when a command comes, then events or a rejection.

use alloc::{format, vec};

use openclaw_model::{
    ApprovalId,
    event::approval::{ApprovalEscalated, Choice, Deadline, DeadlineOutcome, Deciders},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn task(number: u32) -> ParentTask {
    ParentTask {
        run: "00000000-0000-7000-8000-000000000000".parse().unwrap(),
        task: TaskId(number),
        close: Default::default(),
    }
}

fn request() -> ApprovalRequest {
    let choice = |name: &str| Choice { name: name.into(), title: None, schema: None };
    ApprovalRequest {
        approval: ApprovalId([7; 16]),
        title: "Refund".into(),
        details: Value::Null,
        subject: json!({ "amount": 20 }),
        digest: Digest([1; 32]),
        choices: vec![choice("approve"), choice("deny")],
        deciders: Deciders { assignees: vec!["ada".into(), "bob".into(), "eve".into()], roles: vec![] },
        quorum: 1,
        deadline: None,
    }
}

fn by(deciders: Deciders, quorum: u32, deadline: Option<DeadlineOutcome>) -> ApprovalRequest {
    let deadline = deadline.map(|outcome| Deadline { due: at(10), outcome });
    ApprovalRequest { deciders, quorum, deadline, ..request() }
}

fn people(names: &[&str]) -> Deciders {
    Deciders { assignees: names.iter().map(|name| (*name).into()).collect(), roles: vec![] }
}

fn ask(request: ApprovalRequest) -> Command {
    Command::Request { task: task(1), request }
}

fn vote(name: &str, choice: &str) -> Command {
    Command::Decide {
        by: Person { name: name.into(), roles: vec![] },
        digest: Digest([1; 32]),
        choice: choice.into(),
        answer: json!(name),
        comment: None,
    }
}

fn with_role(name: &str, role: &str) -> Command {
    let Command::Decide { digest, choice, answer, comment, .. } = vote(name, "approve") else {
        unreachable!()
    };
    Command::Decide {
        by: Person { name: name.into(), roles: vec![role.into()] },
        digest,
        choice,
        answer,
        comment,
    }
}

/// The state after these commands, each carried out if it is allowed.
fn given(commands: &[(i64, Command)]) -> State {
    let mut state = State::default();
    for (now, command) in commands {
        let events = Approval::decide(&state, command, &Facts { now: at(*now) }).unwrap_or_default();
        for event in events {
            Approval::evolve(&mut state, &event, Version(0), at(*now));
        }
    }
    state
}

fn when(given: &State, now: i64, command: &Command) -> Result<Vec<ApprovalEvent>, Rejection> {
    Approval::decide(given, command, &Facts { now: at(now) })
}

fn types(events: &[ApprovalEvent]) -> Vec<&'static str> {
    events.iter().map(ApprovalEvent::event_type).collect()
}

#[test]
fn a_decision_resolves_it_and_whoever_comes_second_is_told_who_was_first() {
    let asked = given(&[(1, ask(request()))]);
    let events = when(&asked, 2, &vote("ada", "approve")).unwrap();
    assert_eq!(types(&events), ["approval.voted", "approval.resolved"]);
    let decided = given(&[(1, ask(request())), (2, vote("ada", "approve"))]);
    let Err(rejection @ Rejection::Decided { .. }) = when(&decided, 3, &vote("bob", "deny")) else {
        panic!("a decided approval is decided")
    };
    let text = format!("{rejection}");
    assert!(text.contains("ada") && text.contains("approve"), "{text}");
    assert_eq!(
        decided.output().unwrap(),
        json!({
            "approval": "07".repeat(16), "choice": "approve", "answer": "ada", "how": "votes",
            "votes": [{ "by": "ada", "choice": "approve", "answer": "ada", "at": at(2) }],
        })
    );
}

#[test]
fn every_refusal_has_its_own_code() {
    let (nothing, asked) = (State::default(), given(&[(1, ask(request()))]));
    let other = Command::Decide {
        by: Person { name: "ada".into(), roles: vec![] },
        digest: Digest([2; 32]),
        choice: "approve".into(),
        answer: Value::Null,
        comment: None,
    };
    let two = given(&[(1, ask(by(people(&["ada", "bob"]), 2, None))), (2, vote("ada", "approve"))]);
    let void = Command::Void { task: None, reason: "the run was cancelled".into() };
    let voided = given(&[(1, ask(request())), (2, void)]);
    let timed = given(&[(1, ask(by(people(&["ada"]), 1, Some(DeadlineOutcome::Deny))))]);
    let refusals = [
        (&nothing, vote("ada", "approve"), "OC-APR-001"),
        (&voided, vote("ada", "approve"), "OC-APR-003"),
        (&timed, vote("ada", "approve"), "OC-APR-004"),
        (&asked, vote("mallory", "approve"), "OC-APR-005"),
        (&asked, other, "OC-APR-006"),
        (&two, vote("ada", "deny"), "OC-APR-007"),
        (&asked, vote("ada", "perhaps"), "OC-APR-008"),
    ];
    for (state, command, code) in refusals {
        assert_eq!(when(state, 10, &command).unwrap_err().code(), code);
    }
}

#[test]
fn asking_again_for_the_same_changes_nothing_and_asking_anew_voids_the_votes() {
    let two = by(people(&["ada", "bob"]), 2, None);
    let asked = given(&[(1, ask(two.clone())), (2, vote("ada", "approve"))]);
    assert_eq!(when(&asked, 3, &ask(two.clone())), Ok(vec![]));

    let other = ApprovalRequest { digest: Digest([2; 32]), ..two.clone() };
    let changed = given(&[(1, ask(two.clone())), (2, vote("ada", "approve")), (3, ask(other))]);
    assert_eq!(changed.votes, []);
    assert!(matches!(when(&changed, 4, &vote("bob", "approve")), Err(Rejection::Changed { .. })));

    // The task ran again and asks the same: nobody has decided yet, so everybody is asked again.
    let again = Command::Request { task: task(2), request: two };
    let mut retried = asked.clone();
    for event in when(&asked, 3, &again).unwrap() {
        Approval::evolve(&mut retried, &event, Version(0), at(3));
    }
    assert_eq!((retried.task.unwrap().task, retried.votes.len()), (TaskId(2), 0));
    let stale = Command::Void { task: Some(TaskId(1)), reason: "late".into() };
    assert_eq!(when(&retried, 4, &stale), Ok(vec![]), "the task that waits now still waits");
}

#[test]
fn what_was_decided_stands_and_what_was_void_is_asked_anew() {
    let decided = given(&[(1, ask(request())), (2, vote("ada", "deny"))]);
    assert_eq!(when(&decided, 3, &Command::Request { task: task(2), request: request() }), Ok(vec![]));
    let void = Command::Void { task: Some(TaskId(1)), reason: "cancelled".into() };
    assert_eq!(when(&decided, 3, &void), Ok(vec![]));
    let voided = given(&[(1, ask(request())), (2, void)]);
    assert_eq!(types(&when(&voided, 3, &ask(request())).unwrap()), ["approval.requested"]);
}

#[test]
fn a_quorum_of_equal_choices_decides_and_is_denied_as_soon_as_it_is_out_of_reach() {
    let three = by(people(&["ada", "bob", "eve"]), 2, None);
    let split = given(&[(1, ask(three.clone())), (2, vote("ada", "approve")), (3, vote("bob", "deny"))]);
    assert_eq!(split.end, None);
    assert_eq!(
        types(&when(&split, 4, &vote("eve", "deny")).unwrap()),
        ["approval.voted", "approval.resolved"]
    );

    let all = by(people(&["ada", "bob", "bob"]), 2, None);
    let lost = given(&[(1, ask(all)), (2, vote("ada", "approve")), (3, vote("bob", "deny"))]);
    assert_eq!(lost.output().unwrap()["how"], "no_quorum");
    assert_eq!(lost.output().unwrap()["choice"], Value::Null);

    let never = when(&State::default(), 1, &ask(by(people(&["ada"]), 2, None))).unwrap();
    assert_eq!(types(&never), ["approval.requested", "approval.resolved"], "one person is no two");
    let anybody = given(&[
        (1, ask(by(Deciders::default(), 2, None))),
        (2, vote("x", "approve")),
        (3, vote("y", "deny")),
    ]);
    assert_eq!(anybody.end, None, "there is always somebody else");
}

#[test]
fn a_role_is_as_good_as_a_name() {
    let deciders = Deciders { assignees: vec!["ada".into()], roles: vec!["manager".into()] };
    let asked = given(&[(1, ask(by(deciders, 1, None)))]);
    assert!(when(&asked, 2, &with_role("zoe", "manager")).is_ok());
    assert!(when(&asked, 2, &vote("ada", "approve")).is_ok());
    assert!(matches!(when(&asked, 2, &with_role("zoe", "clerk")), Err(Rejection::NotAsked { .. })));
}

#[test]
fn the_deadline_denies_or_decides_by_default_and_not_before_its_time() {
    let expire = Command::Expire { due: at(10) };
    let denied =
        given(&[(1, ask(by(people(&["ada"]), 1, Some(DeadlineOutcome::Deny)))), (10, expire.clone())]);
    assert_eq!(denied.output().unwrap()["how"], "deadline");
    let default = DeadlineOutcome::Default { choice: "approve".into(), answer: json!(1) };
    let asked = given(&[(1, ask(by(people(&["ada"]), 1, Some(default))))]);
    assert!(matches!(when(&asked, 9, &expire), Err(Rejection::Early { .. })));
    assert_eq!(when(&asked, 11, &Command::Expire { due: at(11) }), Ok(vec![]), "it is due at another time");
    let events = when(&asked, 11, &expire).unwrap();
    let [ApprovalEvent::Resolved(resolved)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((resolved.choice.as_deref(), &resolved.answer), (Some("approve"), &json!(1)));
}

#[test]
fn an_escalation_asks_others_besides_for_their_own_time_and_is_denied_after_it() {
    let escalate = DeadlineOutcome::Escalate { to: people(&["zoe"]), after_ms: 5_000 };
    let asked = given(&[(1, ask(by(people(&["ada"]), 1, Some(escalate))))]);
    assert!(matches!(when(&asked, 9, &vote("zoe", "approve")), Err(Rejection::NotAsked { .. })));
    // Nobody came to say that the time was over: the vote itself does.
    let events = when(&asked, 20, &vote("zoe", "approve")).unwrap();
    let escalated = ApprovalEvent::Escalated(ApprovalEscalated { to: people(&["zoe"]), due: at(25) });
    assert_eq!(events[0], escalated);
    assert_eq!(types(&events), ["approval.escalated", "approval.voted", "approval.resolved"]);

    let mut state = asked;
    Approval::evolve(&mut state, &escalated, Version(0), at(20));
    assert!(when(&state, 24, &vote("ada", "approve")).is_ok(), "those who were asked before still are");
    assert_eq!(when(&state, 30, &Command::Expire { due: at(10) }), Ok(vec![]), "the first deadline is past");
    assert!(matches!(when(&state, 25, &vote("zoe", "approve")), Err(Rejection::Late { .. })));
    let events = when(&state, 25, &Command::Expire { due: at(25) }).unwrap();
    assert_eq!(events, [request::denied(Resolved::Deadline)]);
}

fn any_command() -> impl Strategy<Value = Command> {
    let name = prop::sample::select(vec!["ada", "bob", "eve", "zoe"]);
    let choice = prop::sample::select(vec!["approve", "deny"]);
    let due = prop::sample::select(vec![10_i64, 15, 20, 25, 30]);
    prop_oneof![
        6 => (name, choice).prop_map(|(name, choice)| vote(name, choice)),
        2 => due.prop_map(|due| Command::Expire { due: at(due) }),
        1 => prop::option::of(0_u32..3).prop_map(|number| Command::Void {
            task: number.map(TaskId), reason: "gone".into(),
        }),
        1 => (0_u32..3, 1_u8..3).prop_map(|(number, digest)| Command::Request {
            task: task(number),
            request: ApprovalRequest { digest: Digest([digest; 32]), ..by(
                people(&["ada", "bob", "eve"]),
                2,
                Some(DeadlineOutcome::Escalate { to: people(&["zoe"]), after_ms: 5_000 }),
            ) },
        }),
    ]
}

proptest! {
    /// In whatever order votes, deadlines and voids come: between two requests it is resolved at most once, by enough
    /// votes of different people for one choice, and nothing is voted after it.
    #[test]
    fn it_is_resolved_at_most_once_and_by_different_people(
        commands in prop::collection::vec((0_i64..5, any_command()), 0..40),
    ) {
        let mut state = State::default();
        let (mut now, mut ended) = (0, true);
        for (step, command) in commands {
            now += step;
            let before = state.end.clone();
            for event in when(&state, now, &command).unwrap_or_default() {
                match &event {
                    ApprovalEvent::Requested(_) => ended = false,
                    ApprovalEvent::Resolved(_) | ApprovalEvent::Voided(_) => {
                        prop_assert!(!core::mem::replace(&mut ended, true), "it ends once");
                    }
                    ApprovalEvent::Voted(_) | ApprovalEvent::Escalated(_) => prop_assert!(!ended),
                }
                Approval::evolve(&mut state, &event, Version(0), at(now));
            }
            let names: alloc::collections::BTreeSet<_> = state.votes.iter().map(|vote| &vote.by).collect();
            prop_assert_eq!(names.len(), state.votes.len(), "one person, one vote");
            if let (None, Some(End::Resolved { resolved, .. })) = (before, &state.end) {
                match &resolved.choice {
                    Some(choice) => prop_assert!(state.count(choice) >= 2),
                    None => prop_assert!(["approve", "deny"].iter().all(|choice| state.count(choice) < 2)),
                }
            }
        }
    }
}
