//! Finding the end of a stream and the first event of a command.

use openclaw_log::{ReadError, StreamHead};
use openclaw_model::{CommandId, Position, StreamId};

use crate::{heads::COMMAND_WINDOW, reader, sealed::fingerprint, shared::Shared};

/// The end of `stream`. Cost: in memory if it has an event in an unsealed segment, else a lookup in a small database.
pub(crate) fn stream_head(shared: &Shared, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
    // Segments before heads: a segment that is sealed meanwhile is in the one or the other.
    let segments = shared.segments();
    for segment in segments.unsealed.iter().rev() {
        if let Some(index) = segment.index().streams.get(stream) {
            return Ok(Some(index.head(segment.base())));
        }
    }
    let head = shared.heads()?.stream(stream)?;
    Ok(head.map(|head| StreamHead { version: head.version, position: head.position }))
}

/// Position of the first event of `command`, in the unsealed segments or the newest [`COMMAND_WINDOW`] sealed ones.
/// Cost: in memory for recent commands; a new command costs one filter for each segment of the window.
pub(crate) fn find_command(shared: &Shared, command: CommandId) -> Result<Option<Position>, ReadError> {
    let segments = shared.segments();
    if let Some(position) =
        segments.unsealed.iter().rev().find_map(|segment| segment.index().command(command))
    {
        return Ok(Some(position));
    }
    let fingerprint = fingerprint(command);
    let heads = shared.heads()?;
    for span in segments.sealed.iter().rev().take(COMMAND_WINDOW) {
        if !heads.may_hold(span.first, fingerprint)? {
            continue;
        }
        for position in shared.open_sealed(*span)?.commands(fingerprint)? {
            if reader::one(shared, position)?.command == command {
                return Ok(Some(position));
            }
        }
    }
    Ok(None)
}
