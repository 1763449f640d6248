//! A recorder that keeps what it is told in memory, and fails when it is told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use openclaw_egress::{Connection, Ended, Origin, Recorder, Recording, Refused};

/// What is kept.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Opened(Connection),
    Denied(Origin, Refused),
    Closed(Ended),
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    entries: Mutex<Vec<Entry>>,
    broken: AtomicBool,
}

impl Kept {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on nothing can be recorded.
    pub(crate) fn break_down(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    fn keep(&self, entry: Entry) -> Recording<'_> {
        Box::pin(async move {
            if self.broken.load(Ordering::Relaxed) {
                return Err("the disk is full".into());
            }
            self.entries.lock().unwrap().push(entry);
            Ok(())
        })
    }
}

impl Recorder for Kept {
    fn opened<'a>(&'a self, connection: &'a Connection) -> Recording<'a> {
        self.keep(Entry::Opened(connection.clone()))
    }

    fn denied<'a>(&'a self, origin: Origin, refused: &'a Refused) -> Recording<'a> {
        self.keep(Entry::Denied(origin, refused.clone()))
    }

    fn closed<'a>(&'a self, ended: &'a Ended) -> Recording<'a> {
        self.keep(Entry::Closed(*ended))
    }
}
