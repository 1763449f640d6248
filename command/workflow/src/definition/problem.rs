//! What is wrong with a document, and where.

use std::fmt;

use serde::Serialize;

/// The most problems that are reported of one document.
pub const MAX_PROBLEMS: usize = 100;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It has to be corrected.
    Error,
    /// It deserves a look, and may be meant or come right before a run.
    Warning,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `OC-WF-...`; each has a page.
    pub code: &'static str,
    /// JSON pointer to the place in the document; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Line in the text, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the text, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

impl Problem {
    /// How much it matters. Every problem of loading is an error.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.code {
            code::SECRET_MISSING => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "{} at {path}", self.code)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, " (line {line}, column {column})")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// The codes.
pub(crate) mod code {
    /// The text is larger than allowed.
    pub(crate) const TOO_LONG: &str = "OC-WF-001";
    /// The text is no YAML or JSON.
    pub(crate) const SYNTAX: &str = "OC-WF-002";
    /// The document nests deeper than allowed.
    pub(crate) const TOO_DEEP: &str = "OC-WF-003";
    /// Aliases, or sheer number, make the YAML larger than allowed.
    pub(crate) const TOO_LARGE: &str = "OC-WF-004";
    /// There are more tasks than allowed.
    pub(crate) const TOO_MANY_TASKS: &str = "OC-WF-005";
    /// A field that does not exist here.
    pub(crate) const UNKNOWN_FIELD: &str = "OC-WF-010";
    /// A field that has to be here.
    pub(crate) const MISSING_FIELD: &str = "OC-WF-011";
    /// A value of the wrong type.
    pub(crate) const WRONG_TYPE: &str = "OC-WF-012";
    /// A value of the right type that is not allowed.
    pub(crate) const BAD_VALUE: &str = "OC-WF-013";
    /// Part of the language, but not carried out by this version.
    pub(crate) const UNSUPPORTED: &str = "OC-WF-020";
    /// A name that nothing in `use` has.
    pub(crate) const UNKNOWN_REFERENCE: &str = "OC-WF-021";
    /// Something there may be one of.
    pub(crate) const DUPLICATE: &str = "OC-WF-022";
    /// A JSON Schema that cannot be used.
    pub(crate) const SCHEMA: &str = "OC-WF-023";
    /// A function that calls itself.
    pub(crate) const RECURSION: &str = "OC-WF-024";
    /// A file that the document refers to and that cannot be read.
    pub(crate) const RESOURCE: &str = "OC-WF-025";
    /// A schema or a script from a web address, which could change under a run.
    pub(crate) const MUTABLE: &str = "OC-WF-026";
    /// A flow directive to a task that is not in the scope.
    pub(crate) const NO_TARGET: &str = "OC-WF-030";
    /// A task that can only go to itself, for ever.
    pub(crate) const ENDLESS: &str = "OC-WF-031";
    /// An expression that is no jq.
    pub(crate) const EXPRESSION: &str = "OC-WF-032";
    /// A jq function that does not exist or is not allowed.
    pub(crate) const FUNCTION: &str = "OC-WF-033";
    /// A variable that does not exist here.
    pub(crate) const VARIABLE: &str = "OC-WF-034";
    /// A task that nothing leads to. Found by a check, not when loading.
    pub(crate) const UNREACHABLE: &str = "OC-WF-050";
    /// Data that cannot satisfy the schema it meets. Found by a check, not when loading.
    pub(crate) const MISFIT: &str = "OC-WF-051";
    /// A secret that is used and not listed.
    pub(crate) const SECRET_NOT_LISTED: &str = "OC-WF-052";
    /// A secret that is listed and does not exist. Found by a check, where the secrets are known.
    pub(crate) const SECRET_MISSING: &str = "OC-WF-053";
    /// A scenario that says what cannot be.
    pub(crate) const SCENARIO: &str = "OC-WF-060";
}
