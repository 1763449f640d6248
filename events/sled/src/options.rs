//! What can be set. The defaults are measured (FACTS/storage.md); only `min_free_bytes` is an operator's business.

use std::{fmt, sync::Arc};

use crate::disk::{Disk, OsDisk};

/// How a log is kept.
#[derive(Clone)]
pub struct Options {
    /// A segment is closed when its frames reach this many bytes. Default 16 MiB: what
    /// sled keeps of the active segment in memory, and what has to be read after a crash, is at most this.
    pub segment_bytes: u64,
    /// A segment is closed when it holds this many events. Default 32,768.
    pub segment_events: u32,
    /// Sealed segments that are kept open for random reads. Default 16; opening one costs some milliseconds.
    pub open_segments: usize,
    /// With less free space than this the log becomes read-only, while starting and reading still work. Default
    /// 64 MiB.
    pub min_free_bytes: u64,
    /// Space that is set aside so that a start on a full disk works. Default 16 MiB.
    pub reserve_bytes: u64,
    /// Level of zstd compression of sealed segments. Default 1.
    pub compression: i32,
    /// The durability steps; [`OsDisk`] but in tests.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            segment_events: 32_768,
            open_segments: 16,
            min_free_bytes: 64 << 20,
            reserve_bytes: 16 << 20,
            compression: 1,
            disk: Arc::new(OsDisk),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("segment_events", &self.segment_events)
            .field("open_segments", &self.open_segments)
            .field("min_free_bytes", &self.min_free_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}
