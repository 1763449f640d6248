//! Gathers what belongs to a run, and the proof of each of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::StreamExt as _;
use openclaw_log::{Frame, Frames, record};
use openclaw_model::{Digest, Event, Position, RunId, StreamId, StreamKind, Version, event::AuditEvent};

use super::{Error, MAX_BYTES};
use crate::{
    checkpoint::Checkpoint,
    trail::{About, Trail, Why},
    tree,
};

/// What goes into a bundle.
pub(super) struct Collected {
    /// In order; the last one is the newest of all, the others are those that events are proven by.
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) events: Vec<Proven>,
    pub(super) blobs: BTreeMap<Digest, Arc<[u8]>>,
}

/// An event and its proof.
pub(super) struct Proven {
    pub(super) position: Position,
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) event_type: String,
    pub(super) why: Why,
    pub(super) record: Vec<u8>,
    /// Position of the checkpoint that it is proven by.
    pub(super) checkpoint: Position,
    pub(super) proof: Vec<Digest>,
}

pub(super) async fn collect<L: Frames>(log: &L, run: RunId) -> Result<Collected, Error> {
    let begins = log.read_stream(&StreamId::run(run), Version(1)).next().await.transpose()?;
    let begins =
        begins.and_then(|batch| batch.first().map(|event| event.position)).ok_or(Error::NoRun(run))?;
    let all = checkpoints(log).await?;
    let newest =
        *all.last().filter(|newest| newest.statement.position >= begins).ok_or(Error::NotCovered(run))?;
    let mut wanted = belonging(log, run, begins, newest.statement.position).await?;
    let mut collected = Collected { checkpoints: Vec::new(), events: Vec::new(), blobs: BTreeMap::new() };
    let mut bytes = 0;
    for checkpoint in all {
        let later = wanted.split_off(&checkpoint.statement.position.next());
        let here = std::mem::replace(&mut wanted, later);
        if !here.is_empty() {
            stretch(log, &checkpoint, &here, &mut collected, &mut bytes).await?;
        }
        if !here.is_empty() || checkpoint == newest {
            collected.checkpoints.push(checkpoint);
        }
    }
    Ok(collected)
}

/// The checkpoints of the log, oldest first.
async fn checkpoints<L: Frames>(log: &L) -> Result<Vec<Checkpoint>, Error> {
    let stream = StreamId::new(StreamKind::Audit, "main").expect("a constant name is right");
    let mut found = Vec::new();
    let mut batches = log.read_stream(&stream, Version(1));
    while let Some(batch) = batches.next().await {
        for event in batch?.iter() {
            if let Ok(Event::Audit(AuditEvent::Checkpoint(said))) = event.decode() {
                let read = Checkpoint::from_event(&said).map_err(|_| Error::Inconsistent(event.position))?;
                found.push(read);
            }
        }
    }
    Ok(found)
}

/// The positions that belong to the run, up to `through`.
async fn belonging<L: Frames>(
    log: &L,
    run: RunId,
    begins: Position,
    through: Position,
) -> Result<BTreeMap<Position, Why>, Error> {
    let mut trail = Trail::new(About::Run(run));
    let mut wanted = BTreeMap::new();
    let mut batches = log.read(begins);
    'all: while let Some(batch) = batches.next().await {
        for event in batch?.iter() {
            if event.position > through {
                break 'all;
            }
            if let Some(why) = trail.admit(event) {
                wanted.insert(event.position, why);
            }
        }
    }
    for stream in trail.earlier().streams() {
        let mut batches = log.read_stream(&stream, Version(1));
        while let Some(batch) = batches.next().await {
            for event in batch?.iter().filter(|event| event.position <= through) {
                if let Some(why) = trail.earlier().admit(event) {
                    wanted.entry(event.position).or_insert(why);
                }
            }
        }
    }
    Ok(wanted)
}

/// Takes what is wanted of the stretch that `checkpoint` covers.
async fn stretch<L: Frames>(
    log: &L,
    checkpoint: &Checkpoint,
    wanted: &BTreeMap<Position, Why>,
    collected: &mut Collected,
    bytes: &mut usize,
) -> Result<(), Error> {
    let said = checkpoint.statement;
    let mut leaves = Vec::new();
    let mut found = Vec::new();
    let mut frames = log.frames(said.after.next());
    while let Some(stored) = frames.next().await {
        let stored = stored?;
        let frame = Frame::parse(&stored, true).map_err(|_| Error::Inconsistent(said.after.next()))?;
        if frame.header.first > said.position {
            break;
        }
        let mut rest = frame.records;
        let mut position = frame.header.first;
        while !rest.is_empty() && position <= said.position {
            let peeked = record::peek(rest).map_err(|_| Error::Inconsistent(position))?;
            let (one, more) = rest.split_at(peeked.length);
            if position > said.after {
                leaves.push(tree::leaf(one));
                if let Some(why) = wanted.get(&position) {
                    found.push((position, *why, one.to_vec()));
                }
            }
            rest = more;
            position = position.next();
        }
    }
    if leaves.len() as u64 != said.count() || tree::root(&leaves) != said.records {
        return Err(Error::Inconsistent(said.after.next()));
    }
    let mut missing: BTreeSet<Position> = wanted.keys().copied().collect();
    for (position, why, bytes_of) in found {
        missing.remove(&position);
        let (read, _) = record::decode(&bytes_of).map_err(|_| Error::Inconsistent(position))?;
        if let Some(blob) = read.blob()
            && !collected.blobs.contains_key(&blob.digest)
        {
            let content = log.blob(position, blob)?;
            *bytes += content.len();
            collected.blobs.insert(blob.digest, content);
        }
        *bytes += bytes_of.len();
        if *bytes > MAX_BYTES {
            return Err(Error::TooLarge);
        }
        let index = usize::try_from(position.0 - said.after.0 - 1).expect("below the number of leaves");
        collected.events.push(Proven {
            position,
            stream: read.event().stream.clone(),
            version: read.event().version,
            event_type: read.event().event_type.clone().into_owned(),
            why,
            record: bytes_of,
            checkpoint: said.position,
            proof: tree::proof(&leaves, index),
        });
    }
    missing.first().map_or(Ok(()), |position| Err(Error::Inconsistent(*position)))
}
