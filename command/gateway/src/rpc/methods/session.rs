//! `session.create`, `session.message`, `session.set_state` and `session.end`.

use openclaw_model::{Position, SessionId, Version, event::session};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, EXAMPLE_POSITION, bounded, change_errors, guarded, namespaced};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// Longest message, in bytes.
const CONTENT_BYTES: usize = 256 << 10;
/// Most attachments of one message.
const ATTACHMENTS: usize = 32;

/// Opens a session, or opens it again after its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Create {
    /// Its id; by default `agent:AGENT:channel:CHANNEL:account:ACCOUNT:dm:PEER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(min = 1, max = 256))]
    pub session_id: Option<SessionId>,
    /// The agent that answers; `default` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Where the peer talks to us; `api` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The account on the channel; `gateway` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Who talks to us; `anonymous` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the session's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
    /// The namespace to open it in, which stands before its id then; without it the only one of the caller, or else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// A command about a session was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SessionAccepted")]
pub struct Accepted {
    /// The session.
    #[schemars(with = "String")]
    pub session_id: SessionId,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the session's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Create {
    const NAME: &'static str = "session.create";
    const SUMMARY: &'static str = "Opens a session, or opens it again after its end.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        namespaced(self.namespace.as_deref())?;
        for (field, text) in [
            ("agentId", &self.agent_id),
            ("channel", &self.channel),
            ("account", &self.account),
            ("peerId", &self.peer_id),
        ] {
            if let Some(text) = text {
                bounded(field, text, 64)?;
                if text.chars().any(|c| c == ':' || c.is_control()) {
                    return Err(Error::invalid(field, "has a colon or a control character"));
                }
            }
        }
        Ok(())
    }

    fn example() -> (Self, Accepted) {
        (Self { peer_id: Some("ada".into()), ..Self::default() }, accepted(1))
    }
}

/// Adds a message to a session.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// Which session.
    #[schemars(with = "String", length(min = 1, max = 256))]
    pub session_id: SessionId,
    /// Its text, at most 256 KiB.
    pub content: String,
    /// Who speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What comes with it, at most 32. Only for messages of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the session's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The peer. The default.
    #[default]
    User,
    /// The agent.
    Assistant,
}

/// Describes an attachment; its bytes are not part of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// For example `image`.
    pub kind: String,
    /// Media type, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Size in bytes, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl From<Attachment> for session::Attachment {
    fn from(Attachment { kind, mime_type, size }: Attachment) -> Self {
        Self { kind, mime_type, size }
    }
}

/// A message was added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageAdded {
    /// Unique within the session.
    pub message_id: String,
    /// The session.
    #[schemars(with = "String")]
    pub session_id: SessionId,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the session's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Message {
    const NAME: &'static str = "session.message";
    const SUMMARY: &'static str = "Adds a message to a session.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = MessageAdded;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        bounded("content", &self.content, CONTENT_BYTES)?;
        if self.attachments.len() > ATTACHMENTS {
            return Err(Error::invalid("attachments", format!("has more than {ATTACHMENTS} entries")));
        }
        if self.role == Some(Role::Assistant) && !self.attachments.is_empty() {
            return Err(Error::invalid("attachments", "belong to messages of the user"));
        }
        for (index, attachment) in self.attachments.iter().enumerate() {
            if attachment.kind.is_empty() || attachment.kind.len() > 64 {
                return Err(Error::invalid(
                    format!("attachments[{index}].kind"),
                    "is empty or longer than 64 bytes",
                ));
            }
            if attachment.mime_type.as_ref().is_some_and(|mime| mime.len() > 128) {
                return Err(Error::invalid(
                    format!("attachments[{index}].mimeType"),
                    "is longer than 128 bytes",
                ));
            }
        }
        Ok(())
    }

    fn example() -> (Self, MessageAdded) {
        let Accepted { session_id, position, .. } = accepted(2);
        (
            Self {
                session_id: session_id.clone(),
                content: "What is on my calendar today?".into(),
                role: None,
                attachments: Vec::new(),
                idempotency_key: Some(IdempotencyKey::new("msg-17").expect("the literal is a key")),
                expected_version: None,
            },
            MessageAdded {
                message_id: "0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a11".into(),
                session_id,
                position,
                stream_version: Version(2),
            },
        )
    }
}

/// Sets a key of a session's state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetState {
    /// Which session.
    #[schemars(with = "String", length(min = 1, max = 256))]
    pub session_id: SessionId,
    /// Which key, at most 256 bytes.
    pub key: String,
    /// Its new value; null removes the key.
    pub value: Value,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the session's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for SetState {
    const NAME: &'static str = "session.set_state";
    const SUMMARY: &'static str = "Sets or removes a key of a session's state.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        bounded("key", &self.key, 256)
    }

    fn example() -> (Self, Accepted) {
        let answer = accepted(3);
        (
            Self {
                session_id: answer.session_id.clone(),
                key: "language".into(),
                value: json!("en"),
                idempotency_key: None,
                expected_version: Some(ExpectedVersion::Exact(Version(2))),
            },
            answer,
        )
    }
}

/// Closes a session. It takes no messages until it is opened again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Which session.
    #[schemars(with = "String", length(min = 1, max = 256))]
    pub session_id: SessionId,
    /// Why, for the record; `user_requested` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the session's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
}

impl Call for End {
    const NAME: &'static str = "session.end";
    const SUMMARY: &'static str = "Closes a session.";
    const ERRORS: &'static [Kind] = change_errors!(REJECTED);
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        self.reason.as_deref().map_or(Ok(()), |reason| bounded("reason", reason, 1_024))
    }

    fn example() -> (Self, Accepted) {
        let answer = accepted(4);
        let session_id = answer.session_id.clone();
        (Self { session_id, reason: None, idempotency_key: None, expected_version: None }, answer)
    }
}

fn accepted(version: u64) -> Accepted {
    Accepted {
        session_id: SessionId::new("agent:default:channel:api:account:gateway:dm:ada")
            .expect("the literal is a session id"),
        position: EXAMPLE_POSITION,
        stream_version: Version(version),
    }
}
