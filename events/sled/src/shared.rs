//! What the writer, the sealer and all readers of one log share.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak},
    time::Duration,
};

use lru::LruCache;
use openclaw_log::{Health, ReadError, live::Live};
use openclaw_model::Position;
use tokio::time::Instant;

use crate::{
    blobs::Blobs,
    heads::Heads,
    layout::{Layout, Span},
    metrics::Metrics,
    options::Options,
    sealed::Sealed,
    unsealed::Unsealed,
};

/// The segments at one moment.
///
/// Invariant: together they cover the log without a gap. For a moment, while a segment changes from unsealed to
/// sealed, it is in both lists; then the unsealed one is to be read, since its index is complete whatever the stream
/// heads know already.
#[derive(Clone, Default)]
pub(crate) struct Segments {
    pub(crate) sealed: Vec<Span>,
    /// The last one is written.
    pub(crate) unsealed: Vec<Arc<Unsealed>>,
}

/// One segment, opened.
pub(crate) enum Segment {
    Sealed(Arc<Sealed>),
    Unsealed(Arc<Unsealed>),
}

pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) options: Options,
    pub(crate) live: Arc<Live>,
    pub(crate) blobs: Blobs,
    pub(crate) metrics: Metrics,
    /// None once the log is closed.
    heads: RwLock<Option<Arc<Heads>>>,
    segments: RwLock<Arc<Segments>>,
    opened: Mutex<OpenSegments>,
    read_only: OnceLock<Arc<str>>,
}

/// Sealed segments that are open. Two handles of one sled database cannot exist, so every open one is known here,
/// also when only a reader still holds it.
struct OpenSegments {
    kept: LruCache<Position, Kept>,
    known: HashMap<Position, Weak<Sealed>>,
}

struct Kept {
    segment: Arc<Sealed>,
    used: Instant,
}

impl Shared {
    pub(crate) fn new(
        layout: Layout,
        options: Options,
        live: Live,
        heads: Heads,
        segments: Segments,
    ) -> Self {
        let open_segments = NonZeroUsize::new(options.open_segments).unwrap_or(NonZeroUsize::MIN);
        let metrics = Metrics::new();
        metrics.sealed_segments.set(segments.sealed.len() as f64);
        metrics.read_only.set(0.0);
        Self {
            blobs: Blobs::new(layout.clone(), Arc::clone(&options.disk)),
            layout,
            options,
            live: Arc::new(live),
            metrics,
            heads: RwLock::new(Some(Arc::new(heads))),
            segments: RwLock::new(Arc::new(segments)),
            opened: Mutex::new(OpenSegments { kept: LruCache::new(open_segments), known: HashMap::new() }),
            read_only: OnceLock::new(),
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.read_only.get().map_or(Health::Writable, |reason| Health::ReadOnly(Arc::clone(reason)))
    }

    /// Takes no more appends, for the first reason that is given. Only a restart undoes it: after a failed fsync
    /// nobody knows what is on disk until it is read again.
    pub(crate) fn make_read_only(&self, reason: &str) -> Arc<str> {
        if self.read_only.set(reason.into()).is_ok() {
            self.metrics.read_only.set(1.0);
            tracing::error!(code = "OC-LOG-002", reason, "the log takes no more appends");
        }
        Arc::clone(self.read_only.get().expect("just set"))
    }

    pub(crate) fn heads(&self) -> Result<Arc<Heads>, ReadError> {
        self.heads.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    pub(crate) fn segments(&self) -> Arc<Segments> {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change_segments(&self, change: impl FnOnce(&mut Segments)) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut segments));
        self.metrics.sealed_segments.set(segments.sealed.len() as f64);
        self.metrics.sealer_queue.set(segments.unsealed.len().saturating_sub(1) as f64);
    }

    /// The segment that holds `position`.
    pub(crate) fn segment_at(&self, position: Position) -> Result<Segment, ReadError> {
        let segments = self.segments();
        if let Some(unsealed) = segments.unsealed.iter().rev().find(|segment| segment.base() <= position) {
            return Ok(Segment::Unsealed(Arc::clone(unsealed)));
        }
        match segments.sealed.partition_point(|span| span.first <= position).checked_sub(1) {
            Some(index) => self.open_sealed(segments.sealed[index]).map(Segment::Sealed),
            None => Err(closed()),
        }
    }

    /// The sealed segment that starts at `first`.
    pub(crate) fn sealed_at(&self, first: Position) -> Result<Arc<Sealed>, ReadError> {
        let segments = self.segments();
        let span = segments.sealed.iter().rev().find(|span| span.first == first);
        let missing = || crate::error::damaged(first, "the index names a sealed segment that is not there");
        self.open_sealed(*span.ok_or_else(missing)?)
    }

    /// Opens a sealed segment, or takes one that is open. Others wait meanwhile.
    pub(crate) fn open_sealed(&self, span: Span) -> Result<Arc<Sealed>, ReadError> {
        let mut opened = self.opened();
        let used = Instant::now();
        if let Some(kept) = opened.kept.get_mut(&span.first) {
            kept.used = used;
            return Ok(Arc::clone(&kept.segment));
        }
        let segment = match opened.known.get(&span.first).and_then(Weak::upgrade) {
            Some(segment) => segment,
            None => {
                let path = self.layout.sealed(span);
                Arc::new(Sealed::open(&path, span, Arc::clone(&self.options.disk))?)
            }
        };
        opened.known.retain(|_, segment| segment.strong_count() > 0);
        opened.known.insert(span.first, Arc::downgrade(&segment));
        opened.kept.push(span.first, Kept { segment: Arc::clone(&segment), used });
        Ok(segment)
    }

    /// Closes a sealed segment that was read to its end: a scan of the whole log shall not leave it in memory.
    pub(crate) fn close_sealed(&self, span: Span) {
        self.opened().kept.pop(&span.first);
    }

    /// Closes sealed segments that nobody has used for `idle`: each keeps what was read of it in memory.
    pub(crate) fn close_idle(&self, idle: Duration) {
        let mut opened = self.opened();
        while opened.kept.peek_lru().is_some_and(|(_, oldest)| oldest.used.elapsed() >= idle) {
            opened.kept.pop_lru();
        }
    }

    /// Lets go of everything, so that the files can be opened again.
    pub(crate) fn close(&self) -> Vec<Arc<Unsealed>> {
        self.live.close();
        let mut unsealed = Vec::new();
        self.change_segments(|segments| {
            unsealed = std::mem::take(&mut segments.unsealed);
            segments.sealed.clear();
        });
        self.opened().kept.clear();
        *self.heads.write().unwrap_or_else(PoisonError::into_inner) = None;
        unsealed
    }

    fn opened(&self) -> MutexGuard<'_, OpenSegments> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What readers get after the log was closed.
pub(crate) fn closed() -> ReadError {
    ReadError::Storage("the log was closed".into())
}
