//! Signs the head of the log.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use openclaw_audit::{Checkpoint, SecretKey, Statement, tree};
use openclaw_core::journal;
use openclaw_gateway::{
    Sequencer,
    sequencer::{Expected, Refused, Submission},
};
use openclaw_log::{Frame, Frames, ReadError, record};
use openclaw_model::{
    Actor, CommandDigest, CommandId, Digest, Event, Position, StreamId, StreamKind, Version,
    envelope::Causality,
    event::{AuditEvent, audit::AuditExported},
};
use openclaw_ports::{
    Clock, Ids, SigningKeys,
    signing::{NoKey, Seed},
};
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    file::{self, Lines, TrustFile},
    metrics,
};
use crate::config;

/// How often it is looked whether enough has happened.
const LOOK: Duration = Duration::from_secs(1);
/// Events of `audit/main` that are read at once, from its end, to find the newest checkpoint.
const WINDOW: u64 = 256;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no key. `OC-AUD-005`.
    #[error("[OC-AUD-005] no checkpoint is signed: {0}")]
    NoKey(#[from] NoKey),
    /// The file of checkpoints lies in the data directory or cannot be written. `OC-AUD-006`.
    #[error("[OC-AUD-006] the file of checkpoints cannot be used: {0}")]
    File(String),
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(#[from] ReadError),
    /// The log is not as it should be.
    #[error("the log is damaged at position {0}; verify it")]
    Damaged(Position),
    /// The log does not take the checkpoint.
    #[error("the checkpoint cannot be recorded: {0}")]
    Refused(#[from] Refused),
}

impl Error {
    const fn reason(&self) -> &'static str {
        match self {
            Self::NoKey(NoKey::Sealed) => "sealed",
            Self::NoKey(_) => "no_key",
            Self::File(_) => "file",
            Self::Log(_) | Self::Damaged(_) => "log",
            Self::Refused(_) => "refused",
        }
    }
}

/// What it is made of.
pub(crate) struct Parts<L> {
    pub(crate) log: Arc<L>,
    pub(crate) sequencer: Sequencer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) keys: Arc<dyn SigningKeys>,
}

/// Signs the head of one log. There is one for each server.
pub(crate) struct Signer<L> {
    parts: Parts<L>,
    interval: Duration,
    positions: u64,
    state: Mutex<State>,
}

struct State {
    /// What the newest checkpoint covers.
    covered: Position,
    /// Where the newest checkpoint itself stands.
    own: Position,
    /// Hash of the first frame; none for an empty log.
    log: Option<Digest>,
    signed: Instant,
    file: Option<Lines>,
    trust: TrustFile,
    /// What was said last, so that it is said once.
    said: Option<String>,
}

impl<L: Frames> Signer<L> {
    /// Finds out what is signed already.
    ///
    /// # Errors
    /// When the log cannot be read, or the configured file cannot be used.
    pub(crate) async fn open(
        parts: Parts<L>,
        config: &config::Audit,
        data: &std::path::Path,
    ) -> Result<Self, Error> {
        metrics::describe();
        let newest = newest(&*parts.log).await?;
        let file = match &config.checkpoints_file {
            Some(path) => Some(Lines::new(file::keep_outside(path, data).map_err(Error::File)?)),
            None => None,
        };
        let trust = TrustFile::open(trust_path(data)).map_err(|error| Error::File(error.to_string()))?;
        let state = State {
            covered: newest.map_or(Position::START, |(_, newest)| newest.statement.position),
            own: newest.map_or(Position::START, |(own, _)| own),
            log: newest.map(|(_, newest)| newest.statement.log),
            signed: Instant::now(),
            file,
            trust,
            said: None,
        };
        if let (Some(file), Some((_, newest))) = (&state.file, newest) {
            // Died between the log and the file, or the file is a new one.
            let kept = if file.path().exists() {
                file::kept(file.path()).map_err(|error| Error::File(error.to_string()))?
            } else {
                file::Kept::default()
            };
            if !kept.checkpoints.contains(&newest) {
                write(file, &newest)?;
            }
        }
        Ok(Self { parts, interval: config.interval.0, positions: config.positions, state: Mutex::new(state) })
    }

    /// Signs whenever enough has happened, until `stop`. What goes wrong is logged and counted, and tried again.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = interval(LOOK.min(self.interval.max(Duration::from_millis(50))));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.sign_if_due().await;
        }
    }

    async fn sign_if_due(&self) {
        let head = self.parts.log.head().position;
        let due = {
            let state = self.state.lock().await;
            metrics::standing(state.covered.0, head.0);
            state.is_new(head)
                && (state.signed.elapsed() >= self.interval || head.0 - state.covered.0 >= self.positions)
        };
        if due && let Err(error) = self.sign().await {
            self.complain(&error).await;
        }
    }

    /// Says what is wrong, once.
    pub(crate) async fn complain(&self, error: &Error) {
        metrics::failed(error.reason());
        let text = error.to_string();
        let mut state = self.state.lock().await;
        // Not at every look: it stays wrong for as long as nobody does anything about it.
        state.signed = Instant::now();
        if state.said.as_deref() != Some(&text) {
            match error {
                Error::NoKey(NoKey::Sealed | NoKey::NotConfigured) => tracing::warn!("{text}"),
                _ => tracing::error!("{text}"),
            }
            state.said = Some(text);
        }
    }

    /// Signs the head, if anything has happened since it was signed last. Answers the newest checkpoint that was signed by
    /// this call.
    ///
    /// # Errors
    /// See [`Error`]; after [`Error::File`] the checkpoint is in the log, and not in the file.
    pub(crate) async fn sign(&self) -> Result<Option<Checkpoint>, Error> {
        let mut state = self.state.lock().await;
        let head = self.parts.log.head().position;
        if !state.is_new(head) {
            return Ok(None);
        }
        let key = self.key().await?;
        let statement = self.statement(&state).await?;
        let checkpoint = statement.sign(&key);
        if state
            .trust
            .note(checkpoint.key, statement.signed_at)
            .map_err(|error| Error::File(error.to_string()))?
        {
            let (id, key) = (checkpoint.key.id(), checkpoint.key);
            tracing::info!(%id, %key, "checkpoints are signed with a new key; keep its public half where this server cannot write");
        }
        let event = AuditEvent::Checkpoint(checkpoint.to_event());
        state.own = self.record(Actor::RUNTIME, event).await?;
        (state.covered, state.log) = (statement.position, Some(statement.log));
        (state.signed, state.said) = (Instant::now(), None);
        metrics::signed();
        metrics::standing(statement.position.0, state.own.0);
        if let Some(file) = &state.file {
            write(file, &checkpoint)?;
        }
        Ok(Some(checkpoint))
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// [`Error::NoKey`].
    pub(crate) async fn key(&self) -> Result<SecretKey, Error> {
        let keys = Arc::clone(&self.parts.keys);
        let seed = spawn_blocking(move || keys.audit_seed()).await;
        let Seed(seed) = seed.unwrap_or_else(|error| Err(NoKey::Unusable(error.to_string())))?;
        Ok(SecretKey::from_seed(&seed))
    }

    /// Records that somebody took a copy of history.
    ///
    /// # Errors
    /// When the log does not take it; then no copy is to be given out.
    pub(crate) async fn exported(&self, actor: Actor, what: String, through: Position) -> Result<(), Error> {
        self.record(actor, AuditEvent::Exported(AuditExported { what, through })).await?;
        Ok(())
    }

    /// What is to be said about the log as it is now.
    async fn statement(&self, state: &State) -> Result<Statement, Error> {
        let mut leaves = Vec::new();
        let mut end = None;
        let mut log = state.log;
        let mut frames = self.parts.log.frames(state.covered.next());
        while let Some(stored) = frames.next().await {
            let stored = stored?;
            let frame = Frame::parse(&stored, true).map_err(|_| Error::Damaged(state.covered.next()))?;
            log.get_or_insert(frame.header.hash);
            let mut rest = frame.records;
            let mut position = frame.header.first;
            while !rest.is_empty() {
                let length = record::peek(rest).map_err(|_| Error::Damaged(position))?.length;
                let (one, more) = rest.split_at(length);
                if position > state.covered {
                    leaves.push(tree::leaf(one));
                }
                (rest, position) = (more, position.next());
            }
            end = Some((frame.header.last(), frame.header.hash));
        }
        let (position, hash) = end.ok_or(Error::Damaged(state.covered.next()))?;
        let log = log.ok_or(Error::Damaged(state.covered.next()))?;
        if leaves.len() as u64 != position.0 - state.covered.0 {
            return Err(Error::Damaged(state.covered.next()));
        }
        let signed_at = self.parts.clock.now();
        Ok(Statement { log, position, hash, after: state.covered, records: tree::root(&leaves), signed_at })
    }

    async fn record(&self, actor: Actor, event: AuditEvent) -> Result<Position, Error> {
        let id = self.parts.ids.next();
        let submission = Submission {
            stream: main(),
            command: journal::Command::Audit(event).into(),
            id: CommandId(*id.as_bytes()),
            digest: CommandDigest(*id.as_bytes()),
            keyed: false,
            expected: Expected::Any,
            actor,
            causality: Causality::default(),
        };
        Ok(self.parts.sequencer.submit_patiently(submission).await?.position)
    }
}

impl State {
    /// Whether anything has happened that is not signed; a checkpoint alone is nothing new.
    const fn is_new(&self, head: Position) -> bool {
        let nothing = head.0 == self.covered.0 || (head.0 == self.own.0 && self.own.0 == self.covered.0 + 1);
        !nothing
    }
}

/// The file of public keys in a data directory.
pub(crate) fn trust_path(data: &std::path::Path) -> PathBuf {
    data.join("audit-keys")
}

fn main() -> StreamId {
    StreamId::new(StreamKind::Audit, "main").expect("a constant name is right")
}

fn write(file: &Lines, checkpoint: &Checkpoint) -> Result<(), Error> {
    let failed = |error: io::Error| Error::File(format!("{}: {error}", file.path().display()));
    file.append(&checkpoint.to_line()).map_err(failed)
}

/// The newest checkpoint of the log, and where it stands.
async fn newest<L: Frames>(log: &L) -> Result<Option<(Position, Checkpoint)>, Error> {
    let Some(head) = log.stream_head(&main())? else { return Ok(None) };
    let mut last = head.version.0;
    while last > 0 {
        let first = last.saturating_sub(WINDOW) + 1;
        let mut found = None;
        let mut batches = log.read_stream(&main(), Version(first));
        'window: while let Some(batch) = batches.next().await {
            for event in batch?.iter() {
                if event.version.0 > last {
                    break 'window;
                }
                if let Ok(Event::Audit(AuditEvent::Checkpoint(said))) = event.decode() {
                    let read = Checkpoint::from_event(&said).map_err(|_| Error::Damaged(event.position))?;
                    found = Some((event.position, read));
                }
            }
        }
        if found.is_some() {
            return Ok(found);
        }
        last = first - 1;
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
