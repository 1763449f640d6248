//! Credentials.

use openclaw_model::{
    Event, TaskId,
    event::{CredentialEvent, credential::*},
};

pub(crate) const TYPES: &[&str] =
    &["credential.set", "credential.rotated", "credential.deleted", "credential.used"];

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let used = CredentialUsed {
        version: Some(2),
        purpose: "call: http POST https://api.example.com/pay".into(),
        run: Some("0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10".parse().expect("it is an id")),
        task: Some(TaskId(3)),
        effect: Some("6d1f5c0e".into()),
    };
    let elsewhere = CredentialUsed {
        version: None,
        purpose: "webhook orders: signature".into(),
        run: None,
        task: None,
        effect: None,
    };
    vec![
        (
            "",
            CredentialEvent::Set(CredentialSet { version: 1, fingerprint: "6f1ed002ab559585".into() }).into(),
        ),
        (
            "",
            CredentialEvent::Rotated(CredentialRotated {
                version: 2,
                fingerprint: "0c9a7d4be1f32286".into(),
            })
            .into(),
        ),
        ("", CredentialEvent::Deleted(CredentialDeleted {}).into()),
        ("", CredentialEvent::Used(used).into()),
        ("-elsewhere", CredentialEvent::Used(elsewhere).into()),
    ]
}
