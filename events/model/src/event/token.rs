//! What happens to tokens, with which programs prove who they are. Stream `token/NAME`.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::family::event_family;
use crate::{Digest, Timestamp, access::Grants};

event_family! {
    /// What happened to a token.
    TokenEvent {
        /// It counts from here on.
        "token.issued" @ 1 => Issued(TokenIssued),
        /// It counts no more.
        "token.revoked" @ 1 => Revoked(TokenRevoked),
        /// It was used; recorded at intervals, not at each use.
        "token.seen" @ 1 => Seen(TokenSeen),
    }
}

/// A token counts from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenIssued {
    /// SHA-256 of its text. The text is random and long, so this gives nothing away.
    pub hash: Digest,
    /// What its holder may do.
    pub grants: Grants,
    /// When it stops to count by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A token counts no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A token was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenSeen {
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}
