use openclaw_log::EventLog;
use openclaw_model::{
    ApprovalId, Digest, TaskId,
    event::{
        SessionEvent,
        approval::{ApprovalRequest, ApprovalRequested, ApprovalVoted, Choice, Deciders, Vote},
        audit::AuditExported,
        credential::CredentialUsed,
        egress::EgressOpened,
        run::{ParentClose, ParentTask, RunCompleted, RunStarted, WorkflowRef},
        session::MessageSent,
        workflow::WorkflowRegistered,
    },
};
use serde_json::json;

use super::*;
use crate::testing::Written;

pub(crate) fn run(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

fn started(name: &str, parent: Option<RunId>) -> Event {
    let workflow = WorkflowRef {
        namespace: "shop".into(),
        name: name.into(),
        version: "1.0.0".into(),
        digest: Digest([1; 32]),
    };
    let parent = parent.map(|run| ParentTask { run, task: TaskId(1), close: ParentClose::Cancel });
    RunEvent::Started(RunStarted { parent, ..RunStarted::new(workflow, json!({})) }).into()
}

fn used(by: RunId) -> Event {
    let used = CredentialUsed {
        version: Some(1),
        purpose: "call: http POST https://pay.example.com/".into(),
        run: Some(by),
        task: Some(TaskId(1)),
        effect: None,
    };
    CredentialEvent::Used(used).into()
}

fn opened(credential: Option<&str>) -> Event {
    let opened = EgressOpened {
        connection: 1,
        task: None,
        host: "pay.example.com".into(),
        port: 443,
        address: "192.0.2.1".into(),
        rule: "pay.example.com:443".into(),
        credential: credential.map(Into::into),
    };
    EgressEvent::Opened(opened).into()
}

fn requested(by: RunId) -> Event {
    let request = ApprovalRequest {
        approval: ApprovalId([1; 16]),
        title: "pay?".into(),
        details: json!(null),
        subject: json!(null),
        digest: Digest([0; 32]),
        choices: vec![Choice { name: "approve".into(), title: None, schema: None }],
        deciders: Deciders::default(),
        quorum: 1,
        deadline: None,
    };
    let task = ParentTask { run: by, task: TaskId(1), close: ParentClose::Cancel };
    ApprovalEvent::Requested(ApprovalRequested { task, request }).into()
}

fn voted() -> Event {
    let vote = Vote {
        by: "grace".into(),
        choice: "approve".into(),
        answer: json!(null),
        comment: Some("fine".into()),
        at: Timestamp::from_micros(0),
    };
    ApprovalEvent::Voted(ApprovalVoted { vote }).into()
}

fn message() -> Event {
    SessionEvent::MessageSent(MessageSent { content: "hi".into(), message_id: "1".into() }).into()
}

/// One run with all that can belong to it, and others beside it. Answers the positions of the run.
pub(crate) async fn busy() -> (Written, Vec<u64>) {
    let mut log = Written::new();
    let registered = WorkflowEvent::Registered(WorkflowRegistered {
        namespace: "shop".into(),
        name: "pay".into(),
        version: "1.0.0".into(),
        digest: Digest([1; 32]),
        definition: json!({}),
        resources: Default::default(),
    });
    let (one, child, other) = (run(1), run(2), run(3));
    let events: Vec<(String, Event, bool)> = vec![
        ("workflow/shop/pay".into(), registered.into(), true),
        (format!("run/{other}"), started("other", None), false),
        (format!("run/{one}"), started("pay", None), true),
        (format!("run/{child}"), started("ship", Some(one)), true),
        ("credential/shop/card".into(), used(other), false),
        ("credential/shop/card".into(), used(one), true),
        ("credential/shop/truck".into(), used(child), true),
        (format!("egress/{other}"), opened(Some("card")), false),
        (format!("egress/{one}"), opened(Some("card")), true),
        ("approval/01010101010101010101010101010101".into(), requested(one), true),
        ("approval/02020202020202020202020202020202".into(), requested(other), false),
        ("approval/01010101010101010101010101010101".into(), voted(), true),
        ("session/s".into(), message(), false),
        (format!("run/{one}"), RunEvent::Completed(RunCompleted { output: json!(1) }).into(), true),
        (
            "audit/main".into(),
            AuditEvent::Exported(AuditExported { what: format!("run/{one}"), through: Position(14) }).into(),
            true,
        ),
    ];
    let mut wanted = Vec::new();
    for (stream, event, belongs) in events {
        log.append(vec![(stream.parse().unwrap(), event)]).await;
        if belongs {
            wanted.push(log.head.position.0);
        }
    }
    (log, wanted)
}

async fn follow(log: &Written, about: About) -> (Vec<(u64, Why)>, Earlier) {
    let mut trail = Trail::new(about);
    let mut found = Vec::new();
    for event in openclaw_log::conformance::collect(log.memory.read(Position(1))).await {
        if let Some(why) = trail.admit(&event) {
            let entry = Entry::new(&event, why).unwrap();
            assert!(!entry.summary.is_empty(), "{entry:?}");
            found.push((event.position.0, why));
        }
    }
    (found, trail.earlier().clone())
}

#[tokio::test]
async fn a_run_is_followed_to_all_that_belongs_to_it_and_to_nothing_else() {
    let (log, wanted) = busy().await;
    let (mut found, earlier) = follow(&log, About::Run(run(1))).await;
    for event in openclaw_log::conformance::collect(log.memory.read(Position(1))).await {
        found.extend(earlier.admit(&event).map(|why| (event.position.0, why)));
    }
    found.sort_by_key(|(position, _)| *position);
    assert_eq!(found.iter().map(|(position, _)| *position).collect::<Vec<_>>(), wanted);
    let whys: Vec<Why> = found.into_iter().map(|(_, why)| why).collect();
    assert_eq!(
        whys,
        [
            Why::Definition,
            Why::Own,
            Why::Child,
            Why::Credential,
            Why::Credential,
            Why::Connection,
            Why::Approval,
            Why::Approval,
            Why::Own,
            Why::Audit
        ]
    );
    assert_eq!(earlier.streams().len(), 2, "the definitions of the run and of its child");
}

#[tokio::test]
async fn a_credential_is_followed_to_whoever_used_it_and_where_it_went() {
    let (log, _) = busy().await;
    let about = About::Credential { namespace: "shop".into(), name: "card".into() };
    let (found, _) = follow(&log, about).await;
    assert_eq!(found, [(5, Why::Own), (6, Why::Own), (8, Why::Connection), (9, Why::Connection)]);
}

#[tokio::test]
async fn a_person_is_found_by_what_they_decided_and_a_token_by_all_that_it_did() {
    let (log, _) = busy().await;
    assert_eq!(follow(&log, About::Actor("user:grace".into())).await.0, [(12, Why::Actor)]);
    assert_eq!(follow(&log, About::Actor("token:ada".into())).await.0.len(), 15);
    assert_eq!(follow(&log, About::Actor("token:nobody".into())).await.0, []);
}

#[tokio::test]
async fn a_session_has_its_own_events() {
    let (log, _) = busy().await;
    let about = About::Session(SessionId::new("s").unwrap());
    assert_eq!(follow(&log, about).await.0, [(13, Why::Own)]);
}
