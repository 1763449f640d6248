//! The messages of `graphql-transport-ws`, and the reasons to close a socket.

use std::borrow::Cow;

use async_graphql::{Response, ServerError};
use axum::extract::ws::CloseFrame;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::Question;

/// What a client may send. Payloads of pings are allowed and not read.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Value>,
    },
    Ping,
    Pong,
    Subscribe {
        id: String,
        payload: Question,
    },
    Complete {
        id: String,
    },
}

/// What we send.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong,
    Next { id: &'a str, payload: &'a Response },
    Error { id: &'a str, payload: &'a [ServerError] },
    Complete { id: &'a str },
}

impl ServerMessage<'_> {
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a message has string keys only and always serialises")
    }
}

/// The token that `connection_init` brings.
pub(super) fn authorization(payload: &Value) -> Option<&str> {
    let object = payload.as_object()?;
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case("authorization"))?.1.as_str()
}

/// Why a socket is closed.
#[derive(Debug)]
pub(super) enum Close {
    BadMessage(String),
    Unauthorized,
    Forbidden,
    BadProtocol,
    InitTimeout,
    DuplicateId(String),
    InitTwice,
    TooMany,
    TooManySockets,
    Overrun,
}

impl Close {
    pub(super) fn frame(self) -> CloseFrame {
        let (code, reason): (u16, Cow<'static, str>) = match self {
            Self::BadMessage(reason) => (4400, reason.into()),
            Self::Unauthorized => (4401, "Unauthorized".into()),
            Self::Forbidden => (4403, "Forbidden".into()),
            Self::BadProtocol => (4406, "Subprotocol not acceptable".into()),
            Self::InitTimeout => (4408, "Connection initialisation timeout".into()),
            Self::DuplicateId(id) => (4409, format!("Subscriber for {id} already exists").into()),
            Self::InitTwice => (4429, "Too many initialisation requests".into()),
            Self::TooMany => (4429, "Too many operations on this socket, at most 10".into()),
            Self::TooManySockets => (4429, "Too many sockets of this caller".into()),
            Self::Overrun => (4429, "Answers are not read".into()),
        };
        // The frame's limit is 125 bytes with the code; it must not end within a character.
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        CloseFrame { code, reason: reason[..end].into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_reason_fits_its_frame_whatever_the_client_sent() {
        let frame = Close::BadMessage("é".repeat(100)).frame();
        assert!(frame.reason.len() <= 123 && frame.reason.len() > 120);
    }

    #[test]
    fn the_token_is_found_under_any_case_of_its_key() {
        let payload = serde_json::json!({ "Authorization": "Bearer x" });
        assert_eq!(authorization(&payload), Some("Bearer x"));
        assert_eq!(authorization(&serde_json::json!("Bearer x")), None);
    }
}
