//! Why an expression gave no value.

use std::fmt;

/// The longest part of an expression that an error quotes, in characters.
const MAX_QUOTED: usize = 200;

/// Why an expression gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EvaluationError {
    /// In words, with the code of the failure and the expression.
    pub reason: String,
}

/// The kinds of failure; each has a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `OC-WF-040`: jq raised an error, for example for a value of the wrong type.
    Jq,
    /// `OC-WF-041`: it took longer than allowed and was stopped.
    TimedOut,
    /// `OC-WF-042`: it needed more memory or stack than allowed, and its worker died.
    OutOfMemory,
    /// `OC-WF-043`: its input or result is larger or deeper than allowed.
    TooLarge,
    /// `OC-WF-044`: its result is no JSON: not a number, an infinite number, a key that is no text.
    NotJson,
    /// `OC-WF-045`: it needs a worker process, and there is none or it cannot be started.
    NoWorker,
    /// `OC-WF-046`: it names a variable that has no value here.
    UnknownVariable,
}

const ALL: [Failure; 7] = [
    Failure::Jq,
    Failure::TimedOut,
    Failure::OutOfMemory,
    Failure::TooLarge,
    Failure::NotJson,
    Failure::NoWorker,
    Failure::UnknownVariable,
];

impl Failure {
    /// The code, as in the error pages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Jq => "OC-WF-040",
            Self::TimedOut => "OC-WF-041",
            Self::OutOfMemory => "OC-WF-042",
            Self::TooLarge => "OC-WF-043",
            Self::NotJson => "OC-WF-044",
            Self::NoWorker => "OC-WF-045",
            Self::UnknownVariable => "OC-WF-046",
        }
    }
}

impl EvaluationError {
    /// An error of the kind `failure`.
    #[must_use]
    pub fn new(failure: Failure, message: impl fmt::Display) -> Self {
        Self { reason: format!("{}: {message}", failure.code()) }
    }

    /// What kind of failure it is; none if it did not come from an evaluation.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        ALL.into_iter().find(|failure| self.reason.starts_with(failure.code()))
    }

    /// The same, naming the expression.
    #[must_use]
    pub fn in_expression(mut self, program: &str) -> Self {
        let quoted: String = program.trim().chars().take(MAX_QUOTED).collect();
        let cut = if quoted.len() < program.trim().len() { "..." } else { "" };
        self.reason.push_str(&format!(" (in `{quoted}{cut}`)"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_kind_and_quotes_little() {
        let error = EvaluationError::new(Failure::TimedOut, "stopped").in_expression(&"é".repeat(500));
        assert_eq!(error.failure(), Some(Failure::TimedOut));
        assert_eq!(error.reason.chars().filter(|c| *c == 'é').count(), MAX_QUOTED);
        assert_eq!(EvaluationError { reason: "no array".into() }.failure(), None);
    }
}
