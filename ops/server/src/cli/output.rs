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
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// An error with everything that led to it, each part once.
pub(super) fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let part = match cause.downcast_ref::<openclaw_client::RpcError>() {
            Some(refusal) => refusal.explain(),
            None => cause.to_string(),
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
}
