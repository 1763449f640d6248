//! Reading the outline of jq text: where `${ ... }` ends, how deep brackets nest, how many tokens there are.
//!
//! The jq parser recurses, so the outline is taken first, without recursion; what is too deep never reaches the
//! parser.

use super::limits::{MAX_PROGRAM_BYTES, MAX_PROGRAM_NESTING, MAX_PROGRAM_TOKENS};

/// The outline of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    /// A rough count of tokens; never less than the parser's recursion.
    pub(super) tokens: usize,
    /// Where the closing brace stands, if one closes what was never opened.
    pub(super) end: Option<usize>,
}

/// Why there is no outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("brackets nest deeper than {MAX_PROGRAM_NESTING}")]
    Deep,
    #[error("it has more than {MAX_PROGRAM_TOKENS} tokens")]
    Tokens,
    #[error("it is longer than {MAX_PROGRAM_BYTES} bytes")]
    Long,
    #[error("`{found}` closes nothing that is open")]
    Unexpected { found: char, offset: usize },
    #[error("`{open}` is never closed")]
    Open { open: char, offset: usize },
}

impl Error {
    /// Byte offset of the place, when there is one.
    pub(super) const fn offset(&self) -> Option<usize> {
        match self {
            Self::Deep | Self::Tokens | Self::Long => None,
            Self::Unexpected { offset, .. } | Self::Open { offset, .. } => Some(*offset),
        }
    }
}

/// Takes the outline of `text`, which ends where it ends or at a `}` that closes nothing in it.
pub(super) fn outline(text: &str) -> Result<Outline, Error> {
    let bytes = text.as_bytes();
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut tokens = 0;
    let mut in_word = false;
    let mut at = 0;
    while at < bytes.len() {
        if at > MAX_PROGRAM_BYTES {
            return Err(Error::Long);
        }
        let byte = bytes[at];
        if open.last().is_some_and(|(kind, _)| *kind == b'"') {
            at = string_byte(bytes, at, &mut open);
            tokens += usize::from(matches!(byte, b'\\'));
        } else {
            let word = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
            let goes_on = byte.is_ascii_whitespace() || (word && in_word);
            tokens += usize::from(!goes_on);
            in_word = word;
            match byte {
                b'"' | b'(' | b'[' | b'{' => open.push((byte, at)),
                b'}' if open.is_empty() => return Ok(Outline { tokens, end: Some(at) }),
                b')' | b']' | b'}' => close(byte, at, &mut open)?,
                b'#' => at = comment_end(bytes, at),
                _ => {}
            }
            at += 1;
        }
        if open.len() > MAX_PROGRAM_NESTING {
            return Err(Error::Deep);
        }
        if tokens > MAX_PROGRAM_TOKENS {
            return Err(Error::Tokens);
        }
    }
    match open.last() {
        Some((kind, offset)) => Err(Error::Open { open: char::from(*kind), offset: *offset }),
        None => Ok(Outline { tokens, end: None }),
    }
}

/// Handles one byte inside a string and gives the next position. `\(` goes on as jq text until its `)`.
fn string_byte(bytes: &[u8], at: usize, open: &mut Vec<(u8, usize)>) -> usize {
    match (bytes[at], bytes.get(at + 1)) {
        (b'"', _) => {
            open.pop();
            at + 1
        }
        (b'\\', Some(b'(')) => {
            open.push((b'(', at + 1));
            at + 2
        }
        (b'\\', Some(_)) => at + 2,
        _ => at + 1,
    }
}

fn close(found: u8, offset: usize, open: &mut Vec<(u8, usize)>) -> Result<(), Error> {
    let wanted = match found {
        b')' => b'(',
        b']' => b'[',
        _ => b'{',
    };
    match open.pop() {
        Some((kind, _)) if kind == wanted => Ok(()),
        _ => Err(Error::Unexpected { found: char::from(found), offset }),
    }
}

/// The last byte of the comment that starts at `at`; a line that ends with an odd number of backslashes goes on.
fn comment_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        if bytes[at] == b'\n' {
            let line = bytes[..at].strip_suffix(b"\r").unwrap_or(&bytes[..at]);
            if line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 {
                return at;
            }
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Option<usize> {
        outline(text).unwrap().end
    }

    #[test]
    fn the_end_of_an_expression_is_the_brace_that_closes_nothing() {
        assert_eq!(end(" .a } tail"), Some(4));
        assert_eq!(end(" {a: {b: 1}} } tail"), Some(13));
        assert_eq!(end(r#" "}" } "#), Some(5));
        assert_eq!(end(r#" "\"}" } "#), Some(7));
        assert_eq!(end(r#" "\({a: "}"})" } "#), Some(15));
        assert_eq!(end(" . # }\n }"), Some(8));
        assert_eq!(end(".a"), None);
    }

    #[test]
    fn unbalanced_brackets_name_their_place() {
        assert_eq!(outline("[1"), Err(Error::Open { open: '[', offset: 0 }));
        assert_eq!(outline("(1]"), Err(Error::Unexpected { found: ']', offset: 2 }));
        assert_eq!(outline(r#""a"#), Err(Error::Open { open: '"', offset: 0 }));
    }

    #[test]
    fn brackets_in_strings_do_not_hide_depth() {
        let hidden = format!("{} \")))))\" {}", "(".repeat(60), "(".repeat(10));
        assert_eq!(outline(&hidden), Err(Error::Deep));
        assert_eq!(outline(&"-".repeat(MAX_PROGRAM_TOKENS + 1)), Err(Error::Tokens));
        assert_eq!(outline(&format!("\"{}\"", "x".repeat(MAX_PROGRAM_BYTES))), Err(Error::Long));
    }
}
