//! Status codes of gRPC (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>) and the HTTP status of each,
//! as `google.rpc.Code` gives them.

use openclaw_model::event::run::WorkflowError;
use openclaw_workflow::error;

use super::wire::Answer;

pub(super) const OK: u32 = 0;
pub(super) const UNAUTHENTICATED: u32 = 16;

const CODES: [(&str, u16); 17] = [
    ("OK", 200),
    ("CANCELLED", 499),
    ("UNKNOWN", 500),
    ("INVALID_ARGUMENT", 400),
    ("DEADLINE_EXCEEDED", 504),
    ("NOT_FOUND", 404),
    ("ALREADY_EXISTS", 409),
    ("PERMISSION_DENIED", 403),
    ("RESOURCE_EXHAUSTED", 429),
    ("FAILED_PRECONDITION", 400),
    ("ABORTED", 409),
    ("OUT_OF_RANGE", 400),
    ("UNIMPLEMENTED", 501),
    ("INTERNAL", 500),
    ("UNAVAILABLE", 503),
    ("DATA_LOSS", 500),
    ("UNAUTHENTICATED", 401),
];

/// Whether the call went well.
///
/// # Errors
/// A communication error with the code's name and what the service said.
pub(super) fn check(answer: &Answer, shown: &str) -> Result<(), WorkflowError> {
    if answer.code == OK {
        return Ok(());
    }
    let (name, status) = usize::try_from(answer.code)
        .ok()
        .and_then(|code| CODES.get(code).copied())
        .unwrap_or(("an unknown code", 500));
    let said = if answer.text.is_empty() { String::new() } else { format!(": {}", answer.text) };
    Err(error::communication(status, format!("{shown} answered {name}{said}")))
}
