//! Conversations. One file per command.

mod create;
mod end;
mod message;
mod set_state;

use alloc::{string::String, vec::Vec};

use openclaw_model::{
    Timestamp, Version,
    event::session::{Attachment, SessionEvent},
};
use serde_json::Value;

use crate::{Decider, Facts};

/// The decider of sessions.
#[derive(Debug)]
pub struct Session;

/// A conversation as far as decisions need it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Where it is in its life.
    pub phase: Phase,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It was never started.
    #[default]
    New,
    /// It takes messages.
    Active,
    /// It has ended and may be started again.
    Ended,
}

/// What may be asked of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Open it, or open it again after its end.
    Create {
        /// Where the peer talks to us.
        channel: String,
        /// Who talks to us.
        peer_id: String,
        /// Who answers.
        agent_id: String,
        /// The account on the channel.
        account: String,
    },
    /// Record a message.
    Message {
        /// Who wrote it.
        role: Role,
        /// Its text.
        content: String,
        /// What came with it.
        attachments: Vec<Attachment>,
        /// Unique within the session.
        message_id: String,
    },
    /// Set a key of its state.
    SetState {
        /// Which key.
        key: String,
        /// Its new value; `null` removes it.
        value: Value,
    },
    /// Close it.
    End {
        /// Why.
        reason: String,
    },
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer.
    User,
    /// Our side.
    Assistant,
}

/// Why a session refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such session. `OC-SES-001`.
    #[error("the session does not exist")]
    NotFound,
    /// It is active already. `OC-SES-002`.
    #[error("the session exists and is active")]
    Exists,
    /// It has ended. `OC-SES-003`.
    #[error("the session has ended; create it again to go on")]
    Ended,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "OC-SES-001",
            Self::Exists => "OC-SES-002",
            Self::Ended => "OC-SES-003",
        }
    }
}

impl State {
    /// Refuses unless the session takes messages.
    fn active(&self) -> Result<(), Rejection> {
        match self.phase {
            Phase::Active => Ok(()),
            Phase::New => Err(Rejection::NotFound),
            Phase::Ended => Err(Rejection::Ended),
        }
    }
}

impl Decider for Session {
    type State = State;
    type Command = Command;
    type Event = SessionEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<SessionEvent>, Rejection> {
        match command {
            Command::Create { channel, peer_id, agent_id, account } => {
                create::decide(state, channel, peer_id, agent_id, account)
            }
            Command::Message { role, content, attachments, message_id } => {
                message::decide(state, *role, content, attachments, message_id)
            }
            Command::SetState { key, value } => set_state::decide(state, key, value),
            Command::End { reason } => end::decide(state, reason),
        }
    }

    fn evolve(state: &mut State, event: &SessionEvent, _: Version, _: Timestamp) {
        match event {
            SessionEvent::Started(_) => state.phase = Phase::Active,
            SessionEvent::Ended(_) => state.phase = Phase::Ended,
            SessionEvent::MessageReceived(_)
            | SessionEvent::MessageSent(_)
            | SessionEvent::ToolCalled(_)
            | SessionEvent::ToolResult(_)
            | SessionEvent::AgentResponse(_)
            | SessionEvent::StateChanged(_) => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The state after `events`.
    pub(crate) fn given(events: &[SessionEvent]) -> State {
        let mut state = State::default();
        for (index, event) in events.iter().enumerate() {
            Session::evolve(&mut state, event, Version(index as u64 + 1), Timestamp::default());
        }
        state
    }

    /// What `command` gives after `events`.
    pub(crate) fn when(events: &[SessionEvent], command: &Command) -> Result<Vec<SessionEvent>, Rejection> {
        Session::decide(&given(events), command, &Facts { now: Timestamp::default() })
    }

    pub(crate) fn create() -> Command {
        Command::Create {
            channel: "api".into(),
            peer_id: "alice".into(),
            agent_id: "default".into(),
            account: "gateway".into(),
        }
    }

    pub(crate) fn end() -> Command {
        Command::End { reason: "done".into() }
    }

    pub(crate) fn history(commands: &[Command]) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        for command in commands {
            events.extend(when(&events, command).expect("the history is legal"));
        }
        events
    }
}
