//! Tokens, with which programs prove who they are. A name is used once: what an event says of `token:NAME` is about
//! one token for ever.

use alloc::{string::String, vec, vec::Vec};

use openclaw_model::{
    Digest, Timestamp, Version,
    access::Grants,
    event::token::{TokenEvent, TokenIssued, TokenRevoked, TokenSeen},
};
use serde::{Deserialize, Serialize};

use crate::{Decider, Facts};

/// The decider of tokens.
#[derive(Debug)]
pub struct Token;

/// A token, folded. It is kept as JSON between starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What was issued; none before.
    pub issued: Option<TokenIssued>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// When it was last used, as far as that is recorded.
    pub seen: Option<Timestamp>,
}

/// What may be asked of a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Let it count.
    Issue {
        /// SHA-256 of its text.
        hash: Digest,
        /// What its holder may do; not empty.
        grants: Grants,
        /// When it stops to count.
        expires: Option<Timestamp>,
    },
    /// Let it count no more.
    Revoke {
        /// Why.
        reason: Option<String>,
    },
    /// Record that it was used.
    See {
        /// From which address.
        address: Option<String>,
    },
}

/// Why a token refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such token. `OC-TOK-001`.
    #[error("the token does not exist")]
    NotFound,
    /// The name is taken. `OC-TOK-002`.
    #[error("a token of this name was issued before, and names are not used again")]
    Taken,
    /// It would end before it begins. `OC-TOK-003`.
    #[error("the token would have expired already")]
    Expired,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-TOK-001",
            Self::Taken => "OC-TOK-002",
            Self::Expired => "OC-TOK-003",
        }
    }
}

impl State {
    /// What its holder may do at `now`; none if it does not count.
    #[must_use]
    pub fn grants(&self, now: Timestamp) -> Option<&Grants> {
        let issued = self.issued.as_ref()?;
        let counts = self.revoked.is_none() && issued.expires.is_none_or(|expires| now < expires);
        counts.then_some(&issued.grants)
    }
}

impl Decider for Token {
    type State = State;
    type Command = Command;
    type Event = TokenEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, facts: &Facts) -> Result<Vec<TokenEvent>, Rejection> {
        match command {
            Command::Issue { .. } if state.issued.is_some() => Err(Rejection::Taken),
            Command::Issue { expires: Some(expires), .. } if *expires <= facts.now => Err(Rejection::Expired),
            Command::Issue { hash, grants, expires } => Ok(vec![TokenEvent::Issued(TokenIssued {
                hash: *hash,
                grants: grants.clone(),
                expires: *expires,
            })]),
            _ if state.issued.is_none() => Err(Rejection::NotFound),
            // Of what is revoked nothing more is recorded.
            _ if state.revoked.is_some() => Ok(vec![]),
            Command::Revoke { reason } => {
                Ok(vec![TokenEvent::Revoked(TokenRevoked { reason: reason.clone() })])
            }
            Command::See { address } => Ok(vec![TokenEvent::Seen(TokenSeen { address: address.clone() })]),
        }
    }

    fn evolve(state: &mut State, event: &TokenEvent, _: Version, at: Timestamp) {
        match event {
            TokenEvent::Issued(issued) => state.issued = Some(issued.clone()),
            TokenEvent::Revoked(_) => state.revoked = Some(at),
            TokenEvent::Seen(_) => state.seen = Some(at),
        }
    }
}
