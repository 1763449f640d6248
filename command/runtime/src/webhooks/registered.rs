//! Which webhooks there are: an index over the log, so that a start need not read all of it.
//!
//! The index is derived. Its file is a cache of the fold up to a position: when it is missing, unreadable or ahead of the
//! log, everything is read again.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use futures_util::StreamExt;
use openclaw_model::{Position, StreamKind};
use serde::{Deserialize, Serialize};

use super::{EventLog, ReadError, Recorded};

/// Positions after which the file is written again.
const STRIDE: u64 = 8_192;

/// Names of the webhooks, as of a position.
#[derive(Debug)]
pub struct Registered {
    path: PathBuf,
    saved: Position,
    now: Saved,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Saved {
    position: Position,
    webhooks: BTreeSet<String>,
}

impl Registered {
    /// Brings the index in the file at `path` up to the head of `log`. Cost: reads what was appended since the file was
    /// written, at most some thousand events unless it is missing.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn load<L: EventLog>(log: &L, path: &Path) -> Result<Self, ReadError> {
        let head = log.head().position;
        let now = fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok())
            .filter(|saved| saved.position <= head)
            .unwrap_or_default();
        let mut registered = Self { path: path.to_owned(), saved: now.position, now };
        let mut history = log.read(registered.now.position.next());
        while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                registered.follow(recorded);
            }
        }
        Ok(registered)
    }

    pub(super) fn position(&self) -> Position {
        self.now.position
    }

    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.now.webhooks
    }

    /// Folds an event in, and writes the file when it has fallen far behind.
    pub(super) fn follow(&mut self, recorded: &Recorded) {
        if recorded.position <= self.now.position {
            return;
        }
        self.now.position = recorded.position;
        if recorded.stream.kind() == StreamKind::Webhook {
            match &*recorded.event_type {
                "webhook.registered" => self.now.webhooks.insert(recorded.stream.name().to_owned()),
                "webhook.removed" => self.now.webhooks.remove(recorded.stream.name()),
                _ => false,
            };
        }
        if self.now.position.0 - self.saved.0 >= STRIDE {
            self.save_or_warn();
        }
    }

    pub(super) fn save_or_warn(&mut self) {
        // Whatever came of it, not again for every event.
        self.saved = self.now.position;
        if let Err(error) = self.save() {
            tracing::warn!(%error, "the index of webhooks was not saved; the next start reads the log instead");
        }
    }

    /// Whole or not at all. Not synced: after a power cut an older one, or none, serves as well.
    fn save(&self) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        fs::File::create(&temporary)?.write_all(&serde_json::to_vec(&self.now)?)?;
        fs::rename(&temporary, &self.path)
    }
}
