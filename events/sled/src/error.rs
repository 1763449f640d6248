//! Why a log does not open or does not verify. Every variant has a page under its code.

use std::{io, path::PathBuf, sync::Arc};

use openclaw_log::ReadError;
use openclaw_model::Position;

/// Why the log did not open. Nothing was changed, apart from leftovers of an interrupted start or seal.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the log open. `OC-LOG-005`.
    #[error("the log in {} is in use by another process", dir.display())]
    Locked {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The log ends before what it once acknowledged. `OC-LOG-006`.
    #[error("acknowledged history is missing: the log ends at position {end}, but {anchor} was acknowledged")]
    HistoryMissing {
        /// The last position that is there.
        end: Position,
        /// The last position that the anchor vouches for.
        anchor: Position,
    },
    /// The anchor is missing or unreadable although there is a log, so nothing vouches for its end. `OC-LOG-007`.
    #[error("the anchor {} is missing or unreadable, the end of the log cannot be trusted", path.display())]
    AnchorLost {
        /// The anchor's file.
        path: PathBuf,
    },
    /// The stored bytes are not what was written. `OC-LOG-001`.
    #[error("the log is damaged at position {position}: {reason}")]
    Damaged {
        /// The first position that cannot be trusted.
        position: Position,
        /// What is wrong.
        reason: Arc<str>,
    },
    /// The files could not be read or written. `OC-LOG-008`.
    #[error("the log's storage failed: {0}")]
    Storage(Arc<str>),
}

impl OpenError {
    /// The code of its page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "OC-LOG-005",
            Self::HistoryMissing { .. } => "OC-LOG-006",
            Self::AnchorLost { .. } => "OC-LOG-007",
            Self::Damaged { .. } => "OC-LOG-001",
            Self::Storage(_) => "OC-LOG-008",
        }
    }

    pub(crate) fn io(doing: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Storage(format!("{doing}: {error}").into())
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { position, reason } => Self::Damaged { position, reason },
            ReadError::Storage(reason) => Self::Storage(reason),
        }
    }
}

/// Why a log could not be verified to its end.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The chain is broken. `OC-LOG-001`.
    #[error(transparent)]
    Broken(#[from] Break),
    /// The log could not be walked: it is in use, or its files cannot be read.
    #[error(transparent)]
    Open(OpenError),
}

impl VerifyError {
    /// The code of its page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Broken(_) => "OC-LOG-001",
            Self::Open(error) => error.code(),
        }
    }
}

/// The first place where the log is not what was written. Everything before it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is broken at position {position}: {reason}")]
pub struct Break {
    /// The first position that cannot be trusted.
    pub position: Position,
    /// What is wrong.
    pub reason: Arc<str>,
}

impl From<OpenError> for VerifyError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged { position, reason } => Self::Broken(Break { position, reason }),
            OpenError::HistoryMissing { end, anchor } => Self::Broken(Break {
                position: end.next(),
                reason: format!("history is missing from here to {anchor}, which was acknowledged").into(),
            }),
            other => Self::Open(other),
        }
    }
}

/// Shorthand for a read that met other bytes than were written.
pub(crate) fn damaged(position: Position, reason: impl std::fmt::Display) -> ReadError {
    ReadError::Damaged { position, reason: reason.to_string().into() }
}
