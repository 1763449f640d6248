//! Refusals of the sequencer as errors of the surface.

use std::{borrow::Cow, time::Duration};

use openclaw_workflow::definition::Problem;

use crate::{
    definitions::Missing,
    rpc::{Error, error::DefinitionProblem},
    sequencer::{Refused, Rejection},
};

/// How long a caller should wait that met a full queue. The queue empties in far less; this spreads the callers.
const RETRY_AFTER: Duration = Duration::from_millis(100);

pub(super) fn refused(refused: Refused) -> Error {
    match refused {
        Refused::Rejected(rejection) => rejected(&rejection),
        Refused::Conflict { actual, .. } => Error::Conflict { actual },
        Refused::KeyReused => Error::KeyReused,
        Refused::Busy => Error::Busy { retry_after: RETRY_AFTER },
        Refused::Stopping => Error::Stopping,
        Refused::ReadOnly(reason) | Refused::Storage(reason) => {
            Error::ReadOnly { reason: reason.to_string() }
        }
        Refused::Unreadable(reason) => {
            tracing::error!(%reason, "a stream cannot be read");
            Error::Internal
        }
        Refused::Unheard => Error::Internal,
    }
}

fn rejected(rejection: &Rejection) -> Error {
    Error::Rejected { code: Cow::Borrowed(rejection.code()), reason: rejection.to_string() }
}

pub(super) fn missing(missing: Missing) -> Error {
    match missing {
        Missing::NotFound(id) => Error::NotFound { what: "workflow", id },
        Missing::Broken(reason) => {
            tracing::error!(%reason, "a registered definition does not load");
            Error::Internal
        }
        Missing::Unreadable(reason) => refused(reason),
    }
}

pub(super) fn invalid(problems: Vec<Problem>) -> Error {
    let problems = problems
        .into_iter()
        .map(|problem| DefinitionProblem {
            code: Cow::Borrowed(problem.code),
            path: problem.path,
            message: problem.message,
            suggestion: problem.suggestion,
            line: problem.line,
            column: problem.column,
        })
        .collect();
    Error::InvalidDefinition { problems }
}
