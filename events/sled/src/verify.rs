//! Walks the whole log offline and proves it: every hash, every link of the chain, every checksum, every position,
//! every version, every blob, and that the end reaches the anchor.

use std::{collections::HashMap, path::Path, sync::Arc};

use openclaw_log::{
    Frame, Head, ReadError,
    frame::{self, Header, Parsed},
    record,
};
use openclaw_model::{Position, StreamId, Version};

use crate::{
    blobs::Blobs,
    error::{Break, OpenError, VerifyError, damaged},
    layout::{Layout, Span},
    lock::Lock,
    options::Options,
    recover,
    sealed::Sealed,
    tip::{Anchor, Tip},
    unsealed::{Unsealed, check_follows},
};

/// A log that holds what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events in it.
    pub events: u64,
    /// Frames in it.
    pub frames: u64,
    /// Its end.
    pub head: Head,
}

/// Verifies the log in `dir` from its first event to its end. Takes the lock, so the log must not be in use, and
/// needs to write: sled does when it opens. Cost: reads everything once, about as fast as a full scan; memory for one
/// version number for each stream.
///
/// # Errors
/// [`VerifyError::Broken`] with the first position that is not what was written; everything before it is.
pub fn verify(dir: &Path, options: Options) -> Result<Verified, VerifyError> {
    verify_each(dir, options, &mut |_| {})
}

/// As [`verify`], and shows `each` every frame once it is proven, in order.
///
/// # Errors
/// As [`verify`]; `each` has seen everything before the break.
pub fn verify_each(
    dir: &Path,
    options: Options,
    each: &mut dyn FnMut(&Parsed<'_>),
) -> Result<Verified, VerifyError> {
    let layout = Layout::new(dir);
    let (verified, anchor) = walk(&layout, &options, each)?;
    match anchor {
        None => Err(VerifyError::Open(OpenError::AnchorLost { path: layout.tip() })),
        Some(anchor) if anchor.position > verified.head.position => {
            Err(OpenError::HistoryMissing { end: verified.head.position, anchor: anchor.position }.into())
        }
        Some(_) => Ok(verified),
    }
}

/// Accepts the log as it is: verifies it and makes its present end the anchor. For an operator who has understood
/// what [`OpenError::HistoryMissing`] or [`OpenError::AnchorLost`] means and has nothing better to restore.
///
/// # Errors
/// As [`verify`], apart from a missing anchor and history that ends before it.
pub fn accept(dir: &Path, options: Options) -> Result<Verified, VerifyError> {
    let layout = Layout::new(dir);
    let (verified, _) = walk(&layout, &options, &mut |_| {})?;
    let path = layout.tip();
    let anchor = Anchor { position: verified.head.position, hash: verified.head.hash };
    Tip::create(path.clone(), anchor, options.disk).map_err(|error| OpenError::io(path.display())(error))?;
    Ok(verified)
}

fn walk(
    layout: &Layout,
    options: &Options,
    each: &mut dyn FnMut(&Parsed<'_>),
) -> Result<(Verified, Option<Anchor>), VerifyError> {
    if !layout.segments().exists() {
        return Err(
            OpenError::Storage(format!("there is no log in {}", layout.dir().display()).into()).into()
        );
    }
    let _lock = Lock::take(layout)?;
    let tip = Tip::open(layout.tip(), Arc::clone(&options.disk))
        .map_err(|error| OpenError::io(layout.tip().display())(error))?;
    let anchor = tip.map(|(_, anchor)| anchor);
    let found = recover::tidy(layout)?;
    let mut walk = Walk {
        blobs: Blobs::new(layout.clone(), Arc::clone(&options.disk)),
        versions: HashMap::new(),
        head: Head::GENESIS,
        frames: 0,
        anchor,
        each,
    };
    for span in &found.sealed {
        walk.sealed(layout, *span, options).map_err(OpenError::from)?;
    }
    for base in &found.unsealed {
        walk.unsealed(layout, *base, options).map_err(OpenError::from)?;
    }
    let Walk { head, frames, .. } = walk;
    Ok((Verified { events: head.position.0, frames, head }, anchor))
}

struct Walk<'a> {
    blobs: Blobs,
    versions: HashMap<StreamId, Version>,
    head: Head,
    frames: u64,
    anchor: Option<Anchor>,
    each: &'a mut dyn FnMut(&Parsed<'_>),
}

impl Walk<'_> {
    fn sealed(&mut self, layout: &Layout, span: Span, options: &Options) -> Result<(), ReadError> {
        let segment = Sealed::open(&layout.sealed(span), span, Arc::clone(&options.disk))?;
        self.starts_at(span.first, segment.before())?;
        let mut chunks = segment.chunks(span.first);
        let mut records: Vec<u8> = Vec::new();
        let mut reached = span.first;
        for frame in segment.frames() {
            let (count, hash) = frame?;
            let header = Header { first: self.head.position.next(), count, prev: self.head.hash, hash };
            if count == 0 || header.last() > span.last {
                return Err(damaged(header.first, "the list of frames does not fit the segment"));
            }
            while reached <= header.last() {
                let chunk = chunks.next().ok_or_else(|| damaged(reached, "the event is missing"))??;
                if chunk.first != reached {
                    return Err(damaged(reached, format_args!("the log goes on with {}", chunk.first)));
                }
                reached = Position(reached.0 + count_records(&chunk.records, reached)?);
                records.extend_from_slice(&chunk.records);
            }
            let length = length_of(&records, header.first, u64::from(count))?;
            self.frame(&frame::restore(&header, &records[..length]))?;
            records.drain(..length);
        }
        let ends = self.head == segment.end() && records.is_empty() && chunks.next().is_none();
        if ends {
            Ok(())
        } else {
            Err(damaged(self.head.position.next(), "the segment does not end as it says"))
        }
    }

    fn unsealed(&mut self, layout: &Layout, base: Position, options: &Options) -> Result<(), ReadError> {
        let opened = Unsealed::open(layout, base, None, Arc::clone(&options.disk))?;
        let Some((segment, _)) = opened else {
            return self.starts_at(base, self.head);
        };
        self.starts_at(base, segment.before())?;
        for frame in segment.frames(base) {
            let (_, bytes) = frame?;
            self.frame(&bytes)?;
        }
        Ok(())
    }

    fn starts_at(&self, first: Position, before: Head) -> Result<(), ReadError> {
        let expected = self.head.position.next();
        if first != expected {
            Err(damaged(expected, "a segment is missing"))
        } else if before.hash != self.head.hash {
            Err(damaged(first, "the segment does not continue the chain of hashes"))
        } else {
            Ok(())
        }
    }

    /// Proves one frame as it was stored.
    fn frame(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let expected = self.head.position.next();
        let frame = Frame::parse(bytes, true).map_err(|bad| self.explain(bytes, expected, bad))?;
        check_follows(self.head, &frame.header)?;
        for record in frame.records() {
            let position = self.head.position.next();
            let record = record.map_err(|bad| damaged(position, bad))?;
            let event = record.event();
            let version = self.versions.entry(event.stream.clone()).or_default();
            if event.version != version.next() {
                return Err(damaged(
                    position,
                    format_args!("{} goes from version {version} to {}", event.stream, event.version),
                ));
            }
            *version = event.version;
            if let Some(blob) = record.blob() {
                self.blobs.load(position, blob)?;
            }
            self.head = Head { position, hash: self.head.hash, at: record.event().at };
        }
        self.head.hash = frame.header.hash;
        self.frames += 1;
        (self.each)(&frame);
        match self.anchor {
            Some(anchor) if anchor.position == self.head.position && anchor.hash != self.head.hash => {
                Err(damaged(anchor.position, "the log tells another history than its anchor vouches for"))
            }
            _ => Ok(()),
        }
    }

    /// A frame's hash says that something in it is wrong; its records' checksums may say what.
    fn explain(&self, bytes: &[u8], first: Position, bad: frame::BadFrame) -> ReadError {
        let wrong = Frame::parse(bytes, false).ok().and_then(|frame| {
            let intact = frame.records().take_while(Result::is_ok).count() as u64;
            (intact < u64::from(frame.header.count)).then(|| Position(first.0 + intact))
        });
        damaged(wrong.unwrap_or(first), bad)
    }
}

/// How many records `records` are, the first of which is that of `first`.
pub(crate) fn count_records(mut records: &[u8], first: Position) -> Result<u64, ReadError> {
    let mut count = 0;
    while !records.is_empty() {
        let position = Position(first.0 + count);
        records = &records[record::peek(records).map_err(|bad| damaged(position, bad))?.length..];
        count += 1;
    }
    Ok(count)
}

/// The bytes that the first `count` of `records` take, which begin with that of `first`.
pub(crate) fn length_of(records: &[u8], first: Position, count: u64) -> Result<usize, ReadError> {
    let mut length = 0;
    for position in first.0..first.0 + count {
        let record = record::peek(&records[length..]).map_err(|bad| damaged(Position(position), bad))?;
        length += record.length;
    }
    Ok(length)
}

impl From<ReadError> for VerifyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { position, reason } => Self::Broken(Break { position, reason }),
            ReadError::Storage(reason) => Self::Open(OpenError::Storage(reason)),
        }
    }
}
