//! Why the projector stopped.

use std::sync::Arc;

use openclaw_log::ReadError;
use openclaw_model::Position;

/// Why the projector stopped. It stays stopped until the process is started again or a rebuild succeeds; what was
/// shown before stays readable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// An event cannot be read, or contradicts the history of its stream. `OC-PRJ-001`.
    #[error("[OC-PRJ-001] event at position {position} cannot be shown: {reason}")]
    Poison {
        /// The event.
        position: Position,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// The file of the read model could not be written or read. `OC-PRJ-002`.
    #[error("[OC-PRJ-002] the read model failed after position {position}: {reason}")]
    Storage {
        /// The newest event whose rows are committed.
        position: Position,
        /// What SQLite or the file system said.
        reason: Arc<str>,
    },
    /// The log could not be read. `OC-PRJ-003`.
    #[error("[OC-PRJ-003] the log could not be read after position {position}: {reason}")]
    Log {
        /// The newest event that was read.
        position: Position,
        /// What the log said.
        reason: Arc<str>,
    },
    /// A newly built read model did not pass its checks and was thrown away. `OC-PRJ-004`.
    #[error("[OC-PRJ-004] the new read model failed its checks at position {position}: {reason}")]
    Verification {
        /// How far it was built.
        position: Position,
        /// Which check failed.
        reason: Arc<str>,
    },
}

impl Failure {
    pub(crate) fn storage(position: Position, error: &dyn std::error::Error) -> Self {
        Self::Storage { position, reason: error.to_string().into() }
    }

    pub(crate) fn log(position: Position, error: &ReadError) -> Self {
        Self::Log { position, reason: error.to_string().into() }
    }

    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Poison { .. } => "OC-PRJ-001",
            Self::Storage { .. } => "OC-PRJ-002",
            Self::Log { .. } => "OC-PRJ-003",
            Self::Verification { .. } => "OC-PRJ-004",
        }
    }

    /// The position the failure is about; the variants say which that is.
    #[must_use]
    pub const fn position(&self) -> Position {
        match self {
            Self::Poison { position, .. }
            | Self::Storage { position, .. }
            | Self::Log { position, .. }
            | Self::Verification { position, .. } => *position,
        }
    }
}
