//! Policies, and what they say about the effects of runs.

use openclaw_model::{
    Digest, Event, RunId, TaskId,
    event::{
        PolicyEvent, RunEvent,
        policy::{Action, PolicyChanged, PolicyRemoved, Verdict},
        run::{
            CommandRequest, DataLabelled, EffectClass, EffectJudged, EffectPermitted, Intent, ParentClose,
            Request, RunRequest, RunStarted, TaskKind, TaskStarted, Work, WorkflowRef,
        },
    },
};
use serde_json::json;

use crate::people;

fn labels() -> std::collections::BTreeSet<String> {
    ["untrusted".to_owned(), "web".to_owned()].into()
}

fn verdict(action: Action) -> Box<Verdict> {
    Box::new(Verdict {
        action,
        tool: "session.end".into(),
        policy: "*".into(),
        version: 3,
        rule: (action != Action::Allow).then(|| "no-ends".into()),
        labels: labels(),
        ask: (action == Action::Ask).then(|| Box::new(people::request())),
    })
}

fn started(task: u32, request: Request, verdict: Option<Box<Verdict>>) -> RunEvent {
    RunEvent::TaskStarted(TaskStarted {
        task: TaskId(task),
        parent: None,
        name: "end".into(),
        reference: "/do/0/end".into(),
        kind: TaskKind::Call,
        iteration: None,
        attempt: 1,
        input: json!({}),
        raw_input: None,
        deadline: None,
        work: Work::Effect(Intent {
            key: "0123456789abcdef0123456789abcdef".into(),
            class: EffectClass::Keyed,
            request,
            inquiry: None,
            verdict,
        }),
    })
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let run = RunId("01a20d0b-3133-7309-80b1-7d53166451ad".parse().expect("a UUID"));
    let judged = |task, action| {
        let params = json!({ "sessionId": "s" });
        let request = Request::Command(CommandRequest { method: "session.end".into(), params });
        started(task, request, Some(verdict(action)))
    };
    let child = Request::Run(RunRequest {
        run,
        namespace: "examples".into(),
        name: "child".into(),
        version: "latest".into(),
        input: json!({}),
        wait: true,
        close: ParentClose::default(),
        data_labels: labels(),
    });
    let workflow = WorkflowRef {
        namespace: "examples".into(),
        name: "child".into(),
        version: "1.0.0".into(),
        digest: Digest([0xab; 32]),
    };
    let tainted = RunStarted { data_labels: labels(), ..RunStarted::new(workflow, json!({})) };
    let changed = PolicyChanged {
        version: 3,
        digest: Digest([0xcd; 32]),
        document: json!({ "rules": [{ "name": "no-ends", "tools": ["session.end"], "action": "ask" }] }),
    };
    vec![
        ("", PolicyEvent::Changed(changed).into()),
        ("", PolicyEvent::Removed(PolicyRemoved {}).into()),
        ("-allowed", judged(20, Action::Allow).into()),
        ("-asked", judged(21, Action::Ask).into()),
        ("-denied", judged(22, Action::Deny).into()),
        ("-tainted", started(23, child, None).into()),
        ("-tainted", RunEvent::Started(tainted).into()),
        ("", RunEvent::EffectPermitted(EffectPermitted { task: TaskId(21) }).into()),
        ("", RunEvent::EffectJudged(EffectJudged { task: TaskId(21), verdict: verdict(Action::Ask) }).into()),
        ("", RunEvent::DataLabelled(DataLabelled { task: TaskId(23), labels: labels() }).into()),
    ]
}
