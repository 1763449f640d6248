//! Conversations: the session, its messages, its state.

use std::collections::{BTreeMap, btree_map::Entry};

use openclaw_model::{
    Position, Timestamp,
    event::{
        SessionEvent,
        session::{SessionStarted, TokenUsage},
    },
};

use super::{Broken, Place, json};

/// Whether a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// It does.
    Active,
    /// It was closed.
    Ended,
}

impl SessionStatus {
    /// The name in the read model.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
        }
    }
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
    /// What the agent's model answered.
    Agent,
}

impl Direction {
    /// The name in the read model.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
            Self::Agent => "agent",
        }
    }
}

/// Row of `sessions`, which is also all that must be known of a session: it is small.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) status: SessionStatus,
    pub(crate) channel: String,
    pub(crate) peer: String,
    pub(crate) agent: String,
    pub(crate) account: String,
    pub(crate) started_at: Timestamp,
    pub(crate) active_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) end_reason: Option<String>,
    pub(crate) messages: u64,
    pub(crate) tokens: TokenUsage,
}

/// Row of `messages`.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) session: Position,
    pub(crate) direction: Direction,
    pub(crate) message_id: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) model: Option<String>,
    pub(crate) tokens: Option<TokenUsage>,
    pub(crate) content: String,
    pub(crate) attachments: Option<String>,
}

/// Row of `session_state`; a value of none removes it.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: Option<String>,
    pub(crate) position: Position,
    pub(crate) at: Timestamp,
}

/// Changed rows of the session tables.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) sessions: BTreeMap<Position, State>,
    pub(crate) messages: BTreeMap<Position, Message>,
    pub(crate) settings: BTreeMap<(Position, String), Setting>,
}

pub(super) fn begin(place: &Place, event: SessionEvent, changes: &mut Changes) -> Result<State, Broken> {
    let SessionEvent::Started(event) = event else {
        return Err(Broken(format!("a session begins with {}", event.event_type())));
    };
    let state = opened(place, event);
    changes.sessions.insert(place.key, state.clone());
    Ok(state)
}

fn opened(place: &Place, event: SessionStarted) -> State {
    State {
        status: SessionStatus::Active,
        channel: event.channel,
        peer: event.peer_id,
        agent: event.agent_id,
        account: event.account,
        started_at: place.at,
        active_at: place.at,
        ended_at: None,
        end_reason: None,
        messages: 0,
        tokens: TokenUsage::default(),
    }
}

pub(super) fn apply(state: &mut State, place: &Place, event: SessionEvent, changes: &mut Changes) {
    let mut say = |state: &mut State, message: Message| {
        state.messages += 1;
        changes.messages.insert(place.position, message);
    };
    let message = |direction, content, message_id| Message {
        session: place.key,
        direction,
        message_id,
        at: place.at,
        model: None,
        tokens: None,
        content,
        attachments: None,
    };
    match event {
        // Opened again after its end: what was said stays, and so does the time of its first opening.
        SessionEvent::Started(event) => {
            let again = opened(place, event);
            let (started_at, messages, tokens) = (state.started_at, state.messages, state.tokens);
            *state = State { started_at, messages, tokens, ..again };
        }
        SessionEvent::MessageReceived(event) => {
            let attachments = (!event.attachments.is_empty()).then(|| json(&event.attachments));
            let message = message(Direction::Received, event.content, Some(event.message_id));
            say(state, Message { attachments, ..message });
        }
        SessionEvent::MessageSent(event) => {
            say(state, message(Direction::Sent, event.content, Some(event.message_id)));
        }
        SessionEvent::AgentResponse(event) => {
            let (sum, used) = (&mut state.tokens, event.tokens);
            sum.input_tokens = sum.input_tokens.saturating_add(used.input_tokens);
            sum.output_tokens = sum.output_tokens.saturating_add(used.output_tokens);
            let message = message(Direction::Agent, event.content, None);
            say(state, Message { model: Some(event.model), tokens: Some(event.tokens), ..message });
        }
        // Tool traffic is in the session's events; it has no rows of its own yet.
        SessionEvent::ToolCalled(_) | SessionEvent::ToolResult(_) => {}
        SessionEvent::StateChanged(event) => {
            let value = (!event.value.is_null()).then(|| json(&event.value));
            let setting = Setting { value, position: place.position, at: place.at };
            match changes.settings.entry((place.key, event.key)) {
                Entry::Occupied(mut entry) => *entry.get_mut() = setting,
                Entry::Vacant(entry) => {
                    entry.insert(setting);
                }
            }
        }
        SessionEvent::Ended(event) => {
            state.status = SessionStatus::Ended;
            state.ended_at = Some(place.at);
            state.end_reason = Some(event.reason);
        }
    }
    state.active_at = place.at;
    changes.sessions.insert(place.key, state.clone());
}
