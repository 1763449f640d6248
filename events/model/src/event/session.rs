//! What happens in a session. The eight events keep the names and payload fields that the reference published.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::event_family;

event_family! {
    /// What happened in a session.
    SessionEvent {
        /// The conversation was opened, or opened again after its end.
        "session.started" @ 1 => Started(SessionStarted),
        /// A message came in from the peer.
        "session.message_received" @ 1 => MessageReceived(MessageReceived),
        /// A message went out to the peer.
        "session.message_sent" @ 1 => MessageSent(MessageSent),
        /// A tool was called.
        "session.tool_called" @ 1 => ToolCalled(ToolCalled),
        /// A tool answered.
        "session.tool_result" @ 1 => ToolResult(ToolResult),
        /// The agent answered.
        "session.agent_response" @ 1 => AgentResponse(AgentResponse),
        /// A key of the session's state got a new value.
        "session.state_changed" @ 1 => StateChanged(StateChanged),
        /// The conversation was closed.
        "session.ended" @ 1 => Ended(SessionEnded),
    }
}

/// The conversation was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// Where the peer talks to us, for example `api`.
    pub channel: String,
    /// Who talks to us.
    pub peer_id: String,
    /// The agent that answers.
    pub agent_id: String,
    /// The account on the channel.
    pub account: String,
}

/// A message came in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageReceived {
    /// Its text.
    pub content: String,
    /// What came with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Unique within the session.
    pub message_id: String,
}

/// Describes an attachment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// For example `image`.
    pub kind: String,
    /// Media type, if known.
    pub mime_type: Option<String>,
    /// Size in bytes, if known.
    pub size: Option<u64>,
}

/// A message went out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageSent {
    /// Its text.
    pub content: String,
    /// Unique within the session.
    pub message_id: String,
}

/// A tool was called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCalled {
    /// Which.
    pub tool_name: String,
    /// With what.
    pub params: Value,
}

/// A tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Which.
    pub tool_name: String,
    /// What it answered.
    pub result: Value,
    /// Whether it succeeded.
    pub success: bool,
}

/// The agent answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentResponse {
    /// Its text.
    pub content: String,
    /// The model that wrote it.
    pub model: String,
    /// What it cost.
    pub tokens: TokenUsage,
}

/// Tokens read and written by a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// A key of the session's state got a new value; `null` removes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateChanged {
    /// Which key.
    pub key: String,
    /// Its new value.
    pub value: Value,
}

/// The conversation was closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Why.
    pub reason: String,
}
