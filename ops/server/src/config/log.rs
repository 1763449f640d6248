//! `[log]`: how the event log is kept.

use serde::{Deserialize, Serialize};

/// How the event log is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// A segment is closed at this size, in bytes. Default 32 MiB.
    pub(crate) segment_bytes: u64,
    /// A segment is closed at this many events. Default 65536.
    pub(crate) segment_events: u32,
    /// Sealed segments that are kept open for reading. Default 16.
    pub(crate) open_segments: usize,
    /// With less free disk space than this, in bytes, commands are refused. Default 64 MiB.
    pub(crate) min_free_bytes: u64,
    /// Disk space, in bytes, that is set aside so that a start on a full disk works. Default 16 MiB.
    pub(crate) reserve_bytes: u64,
    /// zstd level for sealed segments, 1 (fast) to 19 (small). Default 1.
    pub(crate) compression: i32,
}

impl Default for Log {
    fn default() -> Self {
        let openclaw_sled::Options {
            segment_bytes,
            segment_events,
            open_segments,
            min_free_bytes,
            reserve_bytes,
            compression,
            ..
        } = openclaw_sled::Options::default();
        Self { segment_bytes, segment_events, open_segments, min_free_bytes, reserve_bytes, compression }
    }
}

impl Log {
    /// As the log wants it.
    #[must_use]
    pub(crate) fn options(&self) -> openclaw_sled::Options {
        openclaw_sled::Options {
            segment_bytes: self.segment_bytes,
            segment_events: self.segment_events,
            open_segments: self.open_segments,
            min_free_bytes: self.min_free_bytes,
            reserve_bytes: self.reserve_bytes,
            compression: self.compression,
            ..openclaw_sled::Options::default()
        }
    }
}
