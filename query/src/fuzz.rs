//! The readers of foreign bytes, for the fuzz targets in `tests/fuzz`. No part of the surface.

use async_graphql::{Variables, connection::CursorType as _};

use crate::{cursor::Cursor, guard, ws::message::ClientMessage};

/// Reads a document with its variables as JSON, and holds it against the limits.
pub fn question(query: &str, variables: &str) {
    let variables: Variables = serde_json::from_str(variables).unwrap_or_default();
    let _ = guard::admit(query, &variables);
}

/// Reads a message of `graphql-transport-ws`.
pub fn socket_message(text: &str) {
    if let Ok(ClientMessage::Subscribe { payload, .. }) = serde_json::from_str(text) {
        payload.inspect();
    }
}

/// Reads a cursor.
///
/// # Panics
/// When a cursor that was read is written as another one that means something else.
pub fn cursor(text: &str) {
    if let Ok(cursor) = Cursor::decode_cursor(text) {
        assert_eq!(Cursor::decode_cursor(&cursor.encode_cursor()), Ok(cursor));
    }
}
