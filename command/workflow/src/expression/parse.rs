//! From text to a checked program: it parses, every function and label it names exists, and its free variables are
//! known.

use jaq_core::load::{Lexer, Parser, lex, parse};

use super::{
    library,
    resolve::{self, Facts},
    scan,
};
use crate::suggest;

/// Programs up to this size are parsed on the caller's stack; the parser recurses at most once per token.
const INLINE_TOKENS: usize = 64;
/// Stack for parsing larger programs: the most tokens there may be, at less than 16 KiB of stack for each.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Why text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong: the syntax, or something the program names.
    pub kind: ParseErrorKind,
    /// In words.
    pub message: String,
    /// Byte offset into the program.
    pub offset: Option<usize>,
    /// The function that does not exist.
    pub(super) missing: Option<String>,
}

/// What is wrong with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// It is no jq, or larger than allowed.
    Syntax,
    /// It calls a function that does not exist or is refused.
    Function,
}

impl ParseError {
    pub(super) fn syntax(message: impl Into<String>, offset: Option<usize>) -> Self {
        Self { kind: ParseErrorKind::Syntax, message: message.into(), offset, missing: None }
    }

    /// What may have been meant. Cost: a comparison with every function there is.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        let names = library::names().iter().map(|(name, _)| *name);
        suggest::nearest(self.missing.as_deref()?, names).map(|near| format!("did you mean `{near}`?"))
    }
}

/// Parses and checks `program`.
pub(super) fn check(program: &str) -> Result<Facts, ParseError> {
    let outline =
        scan::outline(program).map_err(|error| ParseError::syntax(error.to_string(), error.offset()))?;
    if let Some(offset) = outline.end {
        return Err(ParseError::syntax("`}` closes nothing that is open", Some(offset)));
    }
    if outline.tokens <= INLINE_TOKENS && program.len() <= 4 * INLINE_TOKENS {
        return parse_and_resolve(program);
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || parse_and_resolve(program))
            .map_err(|error| ParseError::syntax(format!("there is no memory to parse it: {error}"), None))?
            .join()
            .unwrap_or_else(|_| Err(ParseError::syntax("the jq parser gave up on it", None)))
    })
}

fn parse_and_resolve(program: &str) -> Result<Facts, ParseError> {
    let offset = |part: &str| {
        let start = (part.as_ptr() as usize).checked_sub(program.as_ptr() as usize)?;
        (start <= program.len()).then_some(start)
    };
    if program.trim().is_empty() {
        return Err(ParseError::syntax("the expression is empty", Some(0)));
    }
    let tokens = Lexer::new(program).lex().map_err(|errors| {
        errors.into_iter().next().map_or_else(
            || ParseError::syntax("it has no tokens", None),
            |(expected, rest)| lexical(&expected, rest, offset(rest)),
        )
    })?;
    let term = Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        errors.into_iter().next().map_or_else(
            || ParseError::syntax("it is no jq expression", None),
            |(expected, found)| grammatical(&expected, found, offset),
        )
    })?;
    resolve::facts(&term)
}

fn lexical(expected: &lex::Expect<&str>, rest: &str, offset: Option<usize>) -> ParseError {
    let message = match rest.chars().next() {
        Some(found) => format!("expected {}, found `{found}`", expected.as_str()),
        None => format!("expected {}, found the end", expected.as_str()),
    };
    ParseError::syntax(message, offset)
}

fn grammatical(
    expected: &parse::Expect<&str>,
    found: Option<&lex::Token<&str>>,
    offset: impl Fn(&str) -> Option<usize>,
) -> ParseError {
    let expected = expected.as_str();
    let expected = if expected == "nothing" { "the end" } else { expected };
    match found {
        Some(token) => {
            let shown: String = token.as_str().chars().take(20).collect();
            ParseError::syntax(format!("expected {expected}, found `{shown}`"), offset(token.as_str()))
        }
        None => ParseError::syntax(format!("expected {expected}, found the end"), None),
    }
}
