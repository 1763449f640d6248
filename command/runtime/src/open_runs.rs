//! Which runs have not ended: an index over the log, so that a start need not read all of it.
//!
//! The index is derived. Its file is a cache of the fold up to a position: when it is missing, unreadable or ahead of
//! the log, everything is read again.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use futures_util::StreamExt;
use openclaw_log::{EventLog, ReadError};
use openclaw_model::{Event, Position, Recorded, RunId, event::run::RunEvent};
use serde::{Deserialize, Serialize};

/// Positions after which the file is written again.
const STRIDE: u64 = 8_192;

/// Runs that have not ended, as of a position.
#[derive(Debug)]
pub struct OpenRuns {
    path: PathBuf,
    position: Position,
    saved: Position,
    runs: BTreeSet<RunId>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    position: Position,
    runs: BTreeSet<RunId>,
}

impl OpenRuns {
    /// Brings the index in the file at `path` up to the head of `log`. Cost: reads what was appended since the file
    /// was written, at most some thousand events unless it is missing.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn load<L: EventLog>(log: &L, path: &Path) -> Result<Self, ReadError> {
        let head = log.head().position;
        let saved = fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok())
            .filter(|saved| saved.position <= head)
            .unwrap_or(Saved { position: Position::START, runs: BTreeSet::new() });
        let mut open =
            Self { path: path.to_owned(), position: saved.position, saved: saved.position, runs: saved.runs };
        let mut history = log.read(open.position.next());
        while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                open.read(recorded);
            }
        }
        Ok(open)
    }

    /// The runs.
    #[must_use]
    pub fn runs(&self) -> &BTreeSet<RunId> {
        &self.runs
    }

    fn read(&mut self, recorded: &Recorded) {
        self.position = recorded.position;
        let Some(run) = recorded.stream.as_run() else { return };
        match &*recorded.event_type {
            "run.started" => self.runs.insert(run),
            "run.completed" | "run.faulted" | "run.cancelled" => self.runs.remove(&run),
            _ => false,
        };
    }

    /// Folds in the durable events of one command, of which the last stands at `position`.
    pub(crate) fn follow(&mut self, run: Option<RunId>, position: Position, events: &[Event]) {
        self.position = position;
        let Some(run) = run else { return };
        for event in events {
            match event {
                Event::Run(RunEvent::Started(_)) => self.runs.insert(run),
                Event::Run(RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_)) => {
                    self.runs.remove(&run)
                }
                _ => false,
            };
        }
    }

    /// Whether the file has fallen so far behind that it should be written.
    pub(crate) fn is_stale(&self) -> bool {
        self.position.0 - self.saved.0 >= STRIDE
    }

    /// Writes the file, whole or not at all. Not synced: after a power cut an older one, or none, serves as well.
    ///
    /// # Errors
    /// When the file cannot be written; the index goes on without it.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        let bytes = serde_json::to_vec(&Saved { position: self.position, runs: self.runs.clone() })?;
        let temporary = self.path.with_extension("new");
        fs::File::create(&temporary)?.write_all(&bytes)?;
        fs::rename(&temporary, &self.path)?;
        self.saved = self.position;
        Ok(())
    }
}
