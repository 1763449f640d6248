//! Decisions of people.

use openclaw_model::{
    ApprovalId, Digest, Event, RunId, TaskId, Timestamp,
    event::{ApprovalEvent, approval::*, run::ParentTask},
};
use serde_json::json;

fn deciders() -> Deciders {
    Deciders { assignees: vec!["ada".into()], roles: vec!["finance".into()] }
}

pub(crate) fn request() -> ApprovalRequest {
    ApprovalRequest {
        approval: ApprovalId([0x5a; 16]),
        title: "Pay 100 EUR?".into(),
        details: json!({ "to": "Bob" }),
        subject: json!({ "amount": 100 }),
        digest: Digest([0xcd; 32]),
        choices: vec![
            Choice {
                name: "approve".into(),
                title: Some("Pay".into()),
                schema: Some(json!({ "type": "object" })),
            },
            Choice { name: "deny".into(), title: None, schema: None },
        ],
        deciders: deciders(),
        quorum: 2,
        deadline: Some(Deadline {
            due: Timestamp::from_micros(1_794_000_000_123_456),
            outcome: DeadlineOutcome::Escalate { to: deciders(), after_ms: 60_000 },
        }),
    }
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let run = RunId("01a20d0b-3133-7309-80b1-7d53166451ad".parse().expect("a UUID"));
    let at = Timestamp::from_micros(1_794_000_000_123_456);
    let task = ParentTask { run, task: TaskId(3), close: Default::default() };
    let asked = |outcome| {
        let deadline = Some(Deadline { due: at, outcome });
        let request = ApprovalRequest { deadline, ..request() };
        ApprovalEvent::Requested(ApprovalRequested { task, request })
    };
    let vote = Vote {
        by: "ada".into(),
        choice: "approve".into(),
        answer: json!({ "note": "fine" }),
        comment: Some("yes".into()),
        at,
    };
    let resolved = |choice: Option<&str>, how| {
        let answer = choice.map(|_| json!({ "note": "fine" })).unwrap_or_default();
        ApprovalEvent::Resolved(ApprovalResolved { choice: choice.map(Into::into), answer, how })
    };
    let defaulted = DeadlineOutcome::Default { choice: "approve".into(), answer: json!({ "note": "late" }) };
    let events = [
        ("-escalate", ApprovalEvent::Requested(ApprovalRequested { task, request: request() })),
        ("-deny", asked(DeadlineOutcome::Deny)),
        ("-default", asked(defaulted)),
        ("", ApprovalEvent::Voted(ApprovalVoted { vote })),
        ("", ApprovalEvent::Escalated(ApprovalEscalated { to: deciders(), due: at })),
        ("-votes", resolved(Some("approve"), Resolved::Votes)),
        ("-deadline", resolved(None, Resolved::Deadline)),
        ("-quorum", resolved(None, Resolved::NoQuorum)),
        ("", ApprovalEvent::Voided(ApprovalVoided { reason: "the run was cancelled".into() })),
    ];
    events.map(|(form, event)| (form, event.into())).into()
}
