//! Connections to the outside.

use openclaw_model::{
    Event, TaskId,
    event::{EgressEvent, egress::*},
};

pub(crate) const TYPES: &[&str] = &["egress.opened", "egress.denied", "egress.closed"];

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let opened = EgressOpened {
        connection: 1_794_000_000_123_456,
        task: Some(TaskId(3)),
        host: "api.example.com".into(),
        port: 443,
        address: "93.184.215.14".into(),
        rule: "sandbox.network *.example.com:443".into(),
        credential: Some("api/key".into()),
    };
    let denied = EgressDenied {
        task: Some(TaskId(4)),
        host: "metadata.example".into(),
        port: 80,
        address: Some("169.254.169.254".into()),
        code: "OC-EGR-001".into(),
        reason: "it leads to 169.254.169.254, a link-local address, where clouds keep their metadata".into(),
    };
    let unresolved = EgressDenied {
        task: None,
        address: None,
        code: "OC-EGR-003".into(),
        reason: "the allowlist of the task does not have it".into(),
        ..denied.clone()
    };
    let closed =
        EgressClosed { connection: 1_794_000_000_123_456, sent_bytes: 4_711, received_bytes: 1_048_576 };
    vec![
        ("", EgressEvent::Opened(opened).into()),
        ("", EgressEvent::Denied(denied).into()),
        ("-unresolved", EgressEvent::Denied(unresolved).into()),
        ("", EgressEvent::Closed(closed).into()),
    ]
}
