//! Writing for people and for programs.

use std::io::{self, Write};

/// One line of data on standard output, at once.
///
/// # Errors
/// When nobody reads it any more.
pub(super) fn data(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// One line for a person, on standard error. If it cannot be written there is nobody to tell.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// An error with everything that led to it, each part once.
pub(super) fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let part = match cause.downcast_ref::<openclaw_client::Error>() {
            Some(openclaw_client::Error::Rpc(refusal)) => refusal.explain(),
            _ => cause.to_string(),
        };
        if !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_but_nothing_twice() {
        let error = anyhow::Error::new(io::Error::other("disk on fire")).context("cannot start");
        assert_eq!(explain(&error), "cannot start: disk on fire");
        assert_eq!(explain(&error.context("cannot start: disk on fire")), "cannot start: disk on fire");
    }

    #[test]
    fn a_refused_document_is_told_with_every_problem() {
        let refusal = openclaw_client::RpcError {
            code: -32602,
            message: "Invalid params".into(),
            data: serde_json::json!({ "code": "OC-WF-002", "problems": [
                { "code": "OC-WF-002", "path": "/document", "message": "is missing" },
            ] }),
        };
        let error = anyhow::Error::new(openclaw_client::Error::from(refusal));
        assert!(explain(&error).contains("OC-WF-002 at /document: is missing"), "{}", explain(&error));
    }
}
