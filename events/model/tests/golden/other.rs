//! Workflows and sessions.

use std::collections::BTreeMap;

use openclaw_model::{
    Digest, Event,
    event::{SessionEvent, WorkflowEvent, session::*, workflow::*},
};
use serde_json::json;

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let digest = Digest([0xab; 32]);
    let mut samples: Vec<(&'static str, Event)> = vec![
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
        (
            "-resources",
            WorkflowEvent::Registered(WorkflowRegistered {
                namespace: "examples".into(),
                name: "report".into(),
                version: "1.1.0".into(),
                digest,
                definition: json!({ "do": [] }),
                resources: BTreeMap::from([("file:///greet.proto".to_owned(), "syntax".to_owned())]),
            })
            .into(),
        ),
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
