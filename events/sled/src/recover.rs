//! From what lies on disk to a log that can be written: the procedure of every start.
//!
//! 1. lock; read the anchor, or create it for a new log
//! 2. remove what an interrupted seal left; check by name that no segment is missing
//! 3. set space aside, or give it back if there is too little
//! 4. open the unsealed segments, verify their frames, checksums and chain
//! 5. compare the end with the anchor: refuse a log that lost acknowledged history
//! 6. make what was found durable, move the anchor to it
//! 7. open the stream heads, take in what they miss
//!
//! Sealed segments are opened when they are read; [`crate::verify`] walks them all.

use std::{fs, io, sync::Arc, thread};

use openclaw_log::{Frame, Head, ReadError, live::Live};
use openclaw_model::{Digest, Position};

use crate::{
    error::{OpenError, damaged},
    heads::Heads,
    index::Index,
    layout::{Found, Layout, Span},
    lock::Lock,
    options::Options,
    sealed::Sealed,
    shared::{Segments, Shared},
    space,
    tip::{Anchor, Tip},
    unsealed::Unsealed,
};

/// A log that was just opened.
pub(crate) struct Recovered {
    pub(crate) shared: Shared,
    pub(crate) active: Arc<Unsealed>,
    pub(crate) head: Head,
    pub(crate) tip: Tip,
    pub(crate) lock: Lock,
    /// Why the log starts read-only, if it does.
    pub(crate) shortage: Option<String>,
}

pub(crate) fn recover(layout: Layout, options: Options) -> Result<Recovered, OpenError> {
    let lock = Lock::take(&layout)?;
    let (mut tip, anchor) = open_tip(&layout, &options)?;
    create_segments(&layout, &options).map_err(OpenError::io(layout.segments().display()))?;
    let found = tidy(&layout)?;
    let shortage = make_space(&layout, &options)?;
    let (unsealed, head) = open_unsealed(&layout, &options, &found, anchor)?;
    check_anchor(&unsealed, head, anchor)?;

    // Frames that were written but not synced when the process died are history from here on: readers will see them.
    let active = Arc::clone(unsealed.last().expect("there is always an active segment"));
    for segment in &unsealed {
        segment.db().sync().map_err(|error| error.at(segment.base()))?;
    }
    // Always, so that both slots are whole and synced before the first append.
    let moved = tip.write(Anchor { position: head.position, hash: head.hash }).and_then(|()| tip.sync());
    moved.map_err(OpenError::io(layout.tip().display()))?;
    let heads = Heads::open(&layout, &found.sealed, &options.disk)?;
    let segments = Segments { sealed: found.sealed, unsealed };
    let shared = Shared::new(layout, options, Live::new(head), heads, segments);
    Ok(Recovered { shared, active, head, tip, lock, shortage })
}

/// Opens the anchor. For a new log it is created, before anything else is.
fn open_tip(layout: &Layout, options: &Options) -> Result<(Tip, Anchor), OpenError> {
    let path = layout.tip();
    let opened = Tip::open(path.clone(), Arc::clone(&options.disk)).map_err(OpenError::io(path.display()))?;
    if let Some(opened) = opened {
        return Ok(opened);
    }
    if layout.segments().exists() || path.exists() {
        return Err(OpenError::AnchorLost { path });
    }
    let tip = Tip::create(path.clone(), Anchor::GENESIS, Arc::clone(&options.disk))
        .map_err(OpenError::io(path.display()))?;
    Ok((tip, Anchor::GENESIS))
}

fn create_segments(layout: &Layout, options: &Options) -> io::Result<()> {
    if !layout.segments().exists() {
        fs::create_dir(layout.segments())?;
    }
    // Also when it was there: the process may have died between creating and syncing it.
    options.disk.sync_dir(layout.dir())
}

/// Scans the segments, removes leftovers and checks that the sealed ones follow each other.
pub(crate) fn tidy(layout: &Layout) -> Result<Found, OpenError> {
    let dir = layout.segments();
    let mut found = layout.scan().map_err(OpenError::io(dir.display()))?;
    for path in found.leftovers.drain(..) {
        fs::remove_dir_all(&path).map_err(OpenError::io(path.display()))?;
    }
    let mut end = Position::START;
    for span in &found.sealed {
        if span.first != end.next() || span.last < span.first {
            return Err(damaged(end.next(), "a sealed segment is missing").into());
        }
        end = span.last;
    }
    // Died between giving the sealed segment its name and removing the unsealed one.
    for base in found.unsealed.extract_if(.., |base| *base <= end) {
        let path = layout.active(base);
        fs::remove_dir_all(&path).map_err(OpenError::io(path.display()))?;
    }
    Ok(found)
}

fn make_space(layout: &Layout, options: &Options) -> Result<Option<String>, OpenError> {
    let failed = |error| OpenError::io(layout.dir().display())(error);
    let shortage = space::shortage(layout, options).map_err(failed)?;
    if shortage.is_some() {
        space::release(layout).map_err(failed)?;
    } else if let Err(error) = space::reserve(layout, options) {
        tracing::warn!(%error, "no disk space could be set aside; a start on a full disk may fail");
    }
    Ok(shortage)
}

/// Opens the unsealed segments, creates the first one if there is none, and returns the end of the log.
fn open_unsealed(
    layout: &Layout,
    options: &Options,
    found: &Found,
    anchor: Anchor,
) -> Result<(Vec<Arc<Unsealed>>, Head), OpenError> {
    let sealed_end = found.sealed.last().map_or(Position::START, |span| span.last);
    let known = read_index(layout);
    let opened = open_all(layout, options, &found.unsealed, known);
    let mut segments = Vec::new();
    let mut head: Option<Head> = None;
    for (base, opened) in found.unsealed.iter().zip(opened) {
        let expected = head.map_or(sealed_end, |head| head.position).next();
        if *base != expected {
            return Err(damaged(expected, "a segment is missing").into());
        }
        match opened? {
            Some((segment, end)) => {
                if head.is_some_and(|head| head.hash != segment.before().hash) {
                    return Err(damaged(*base, "the segment does not continue the one before").into());
                }
                segments.push(Arc::new(segment));
                head = Some(end);
            }
            // Died while creating it: nothing was ever acknowledged in it, says the anchor.
            None if anchor.position < *base && found.unsealed.last() == Some(base) => {
                let path = layout.active(*base);
                fs::remove_dir_all(&path).map_err(OpenError::io(path.display()))?;
            }
            None => {
                return Err(OpenError::HistoryMissing { end: Position(base.0 - 1), anchor: anchor.position });
            }
        }
    }
    let head = match head {
        Some(head) => head,
        None => sealed_head(layout, options, found.sealed.last())?,
    };
    if segments.is_empty() {
        if anchor.position > head.position {
            return Err(OpenError::HistoryMissing { end: head.position, anchor: anchor.position });
        }
        let segment = Unsealed::create(layout, head, Arc::clone(&options.disk));
        segments.push(Arc::new(segment.map_err(|error| error.at(head.position.next()))?));
    }
    Ok((segments, head))
}

/// Opens segments side by side: after a crash under load there are several to be read through.
fn open_all(
    layout: &Layout,
    options: &Options,
    bases: &[Position],
    known: Option<(Index, Digest)>,
) -> Vec<Result<Option<(Unsealed, Head)>, ReadError>> {
    let open = |base: Position, known| Unsealed::open(layout, base, known, Arc::clone(&options.disk));
    let Some((last, older)) = bases.split_last() else { return Vec::new() };
    thread::scope(|scope| {
        let older: Vec<_> = older.iter().map(|base| scope.spawn(move || open(*base, None))).collect();
        let last = open(*last, known.filter(|(index, _)| index.base() == *last));
        let panicked = || Err(ReadError::Storage("a segment could not be opened".into()));
        let older = older.into_iter().map(|opening| opening.join().unwrap_or_else(|_| panicked()));
        older.chain([last]).collect()
    })
}

/// What a clean stop left, if it can be read.
fn read_index(layout: &Layout) -> Option<(Index, Digest)> {
    let bytes = fs::read(layout.index()).ok()?;
    Index::from_bytes(&bytes).map(|(index, end)| (index, Digest(end)))
}

fn sealed_head(layout: &Layout, options: &Options, last: Option<&Span>) -> Result<Head, OpenError> {
    let Some(span) = last else { return Ok(Head::GENESIS) };
    Ok(Sealed::open(&layout.sealed(*span), *span, Arc::clone(&options.disk))?.end())
}

/// Refuses a log that ends before the anchor, or that tells another history than the anchor vouches for.
pub(crate) fn check_anchor(unsealed: &[Arc<Unsealed>], head: Head, anchor: Anchor) -> Result<(), OpenError> {
    if anchor.position > head.position {
        return Err(OpenError::HistoryMissing { end: head.position, anchor: anchor.position });
    }
    let hash =
        if anchor.position == head.position { Some(head.hash) } else { hash_at(unsealed, anchor.position)? };
    match hash {
        Some(hash) if hash != anchor.hash => {
            Err(damaged(anchor.position, "the log tells another history than its anchor vouches for").into())
        }
        _ => Ok(()),
    }
}

/// The hash of the log at `position`, if that is the end of a frame in an unsealed segment.
fn hash_at(unsealed: &[Arc<Unsealed>], position: Position) -> Result<Option<Digest>, ReadError> {
    for segment in unsealed.iter().rev() {
        if segment.before().position == position {
            return Ok(Some(segment.before().hash));
        }
        if segment.base() <= position {
            let frame = segment.frames(position).next().transpose()?;
            return Ok(frame.and_then(|(header, bytes)| {
                let intact = header.last() == position && Frame::parse(&bytes, true).is_ok();
                intact.then_some(header.hash)
            }));
        }
    }
    Ok(None)
}
