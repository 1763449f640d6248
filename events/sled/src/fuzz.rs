//! The reader of compressed chunks, for the fuzz targets in `tests/fuzz`. No part of the surface.

use openclaw_log::record;
use openclaw_model::Position;

/// Reads a chunk of a sealed segment and the records in it.
pub fn chunk(bytes: &[u8]) {
    let Ok(records) = crate::sealed::Inflater::default().inflate(Position(1), bytes) else { return };
    let mut rest = records.as_slice();
    while let Ok((_, length)) = record::decode(rest) {
        rest = &rest[length..];
    }
}
