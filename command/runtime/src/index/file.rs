//! The file of the index: one JSON document with a format number. It is a cache; whatever is wrong with it, the index is
//! folded from the log instead.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use openclaw_model::Position;
use serde::{Deserialize, Serialize};

use super::Known;

/// Changes when the fold does, so that an index of an older program is not believed.
const FORMAT: u32 = 4;

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    known: &'a Known,
}

#[derive(Deserialize)]
struct Read {
    format: u32,
    known: Known,
}

/// What the file at `path` holds, if it can be believed for a log that ends at `head`.
pub(super) fn read(path: &Path, head: Position) -> Option<Known> {
    let bytes = fs::read(path).ok()?;
    let read: Read = serde_json::from_slice(&bytes).ok()?;
    (read.format == FORMAT && read.known.position <= head).then_some(read.known)
}

/// Writes the file, whole or not at all. Not synced: after a power cut an older one, or none, serves as well.
pub(super) fn write(path: &Path, known: &Known) -> io::Result<()> {
    let bytes = serde_json::to_vec(&Written { format: FORMAT, known })?;
    let temporary = path.with_extension("new");
    fs::File::create(&temporary)?.write_all(&bytes)?;
    fs::rename(&temporary, path)
}
