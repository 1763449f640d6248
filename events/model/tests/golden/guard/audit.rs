//! Checkpoints, copies, refusals.

use openclaw_model::{
    Digest, Event, Position, Timestamp,
    event::{AuditEvent, audit::*},
};

pub(crate) const TYPES: &[&str] = &["audit.checkpoint", "audit.exported"];

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let checkpoint = AuditCheckpoint {
        log: Digest([0x1a; 32]),
        position: Position(4_711),
        hash: Digest([0x2b; 32]),
        after: Position(4_100),
        records: Digest([0x3c; 32]),
        signed_at: Timestamp::from_micros(1_794_000_000_123_456),
        key: "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=".into(),
        signature: "kqAJqfDUyrhyDoILW1QyejsrtUEXbWPl7rxlh4Kl7Ky5ZVRkZDBvvbRZlrhOBVHFJjBSFZiBHBTZN2MLNOCZAA=="
            .into(),
    };
    let exported =
        AuditExported { what: "run/0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10".into(), through: Position(4_712) };
    vec![("", AuditEvent::Checkpoint(checkpoint).into()), ("", AuditEvent::Exported(exported).into())]
}
