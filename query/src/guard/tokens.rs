//! A lexer that only counts. It runs before the parser, whose time and stack grow with tokens and nesting.

use async_graphql::ServerError;

use super::{MAX_ALIASES, MAX_DIRECTIVES, MAX_NESTING, MAX_TOKENS};
use crate::fault::Code;

/// Checks the counts of `query`.
///
/// # Errors
/// With the code of the first limit that is passed.
pub(super) fn check(query: &str) -> Result<(), ServerError> {
    let (mut tokens, mut directives, mut aliases) = (0, 0, 0);
    let (mut nesting, mut arguments) = (0_usize, 0_usize);
    let mut rest = query.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = skip_while(after, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => skip_string(rest),
            byte if is_word(byte) => skip_while(rest, is_word),
            _ => after,
        };
        tokens += 1;
        match first {
            b'{' | b'[' | b'(' => nesting += 1,
            b'}' | b']' | b')' => nesting = nesting.saturating_sub(1),
            b'@' => directives += 1,
            // Outside of arguments and variable definitions, a colon follows an alias.
            b':' if arguments == 0 => aliases += 1,
            _ => {}
        }
        match first {
            b'(' => arguments += 1,
            b')' => arguments = arguments.saturating_sub(1),
            _ => {}
        }
        let passed = [
            (tokens > MAX_TOKENS, Code::TooManyTokens, MAX_TOKENS, "tokens"),
            (nesting > MAX_NESTING, Code::TooDeep, MAX_NESTING, "levels of brackets"),
            (directives > MAX_DIRECTIVES, Code::TooManyDirectives, MAX_DIRECTIVES, "directives"),
            (aliases > MAX_ALIASES, Code::TooManyAliases, MAX_ALIASES, "aliases"),
        ];
        if let Some((_, code, limit, what)) = passed.into_iter().find(|(passed, ..)| *passed) {
            return Err(code.server_error(format!("the document has more than {limit} {what}")));
        }
    }
    Ok(())
}

/// Names and numbers; bytes above ASCII too, so that the parser gets to refuse them.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+') || byte >= 0x80
}

fn skip_while(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> &[u8] {
    let length = bytes.iter().position(|byte| !wanted(*byte)).unwrap_or(bytes.len());
    &bytes[length..]
}

/// What follows the string or block string that `bytes` begin with. An unfinished one reaches to the end.
fn skip_string(bytes: &[u8]) -> &[u8] {
    let block = bytes.starts_with(b"\"\"\"");
    let mut rest = &bytes[if block { 3 } else { 1 }..];
    while let Some((&first, after)) = rest.split_first() {
        if block && rest.starts_with(b"\\\"\"\"") {
            rest = &rest[4..];
        } else if block && rest.starts_with(b"\"\"\"") {
            return &rest[3..];
        } else if !block && first == b'\\' {
            rest = after.get(1..).unwrap_or_default();
        } else if !block && first == b'"' {
            return after;
        } else {
            rest = after;
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(query: &str) -> String {
        check(query).map_or_else(|mut error| crate::fault::code_of(&mut error), |()| "ok".to_owned())
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        let fields = |count: usize| format!("{{{}}}", "a ".repeat(count));
        assert_eq!(code(&fields(MAX_TOKENS - 2)), "ok");
        assert_eq!(code(&fields(MAX_TOKENS - 1)), "TOO_MANY_TOKENS");
        let nested = |depth: usize| "{a".repeat(depth) + &"}".repeat(depth);
        assert_eq!(code(&nested(MAX_NESTING)), "ok");
        assert_eq!(code(&nested(MAX_NESTING + 1)), "TOO_DEEP");
        let aliases = |count: usize| format!("{{{}}}", "x: a ".repeat(count));
        assert_eq!(code(&aliases(MAX_ALIASES)), "ok");
        assert_eq!(code(&aliases(MAX_ALIASES + 1)), "TOO_MANY_ALIASES");
        let directives = |count: usize| format!("{{ a {} }}", "@x ".repeat(count));
        assert_eq!(code(&directives(MAX_DIRECTIVES)), "ok");
        assert_eq!(code(&directives(MAX_DIRECTIVES + 1)), "TOO_MANY_DIRECTIVES");
    }

    #[test]
    fn what_stands_in_strings_comments_and_arguments_is_not_counted() {
        let inside = "@{[(:".repeat(400);
        assert_eq!(code(&format!("{{ a(b: \"{inside}\") }}")), "ok");
        assert_eq!(code(&format!("{{ a(b: \"\"\"{inside} \\\"\"\" {inside}\"\"\") }}")), "ok");
        assert_eq!(code(&format!("{{ a }} # {inside}")), "ok");
        assert_eq!(code(&format!("{{ a(b: {{{}}}) }}", "c: 1 ".repeat(100))), "ok");
        assert_eq!(code(&format!("{{ a(b: \"\\\"{inside}")), "ok", "an unfinished string is one token");
    }
}
