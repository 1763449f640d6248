//! Labels that are legal whatever they say.

use serde_json::Value;

/// The longest part of a label, in characters.
const LONGEST: usize = 48;

/// A quoted label of several lines.
pub(super) fn lines(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| escape(&shorten(&line))).collect();
    format!("\"{}\"", lines.join("<br/>"))
}

/// A quoted label of one line.
pub(super) fn line(text: &str) -> String {
    lines([text.to_owned()])
}

/// A value in a few words.
pub(super) fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key} {}", brief(value)));
            entries.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 3).chain("...".chars()).collect()
}

/// Writes everything that Mermaid, or the HTML it makes, could take for syntax as a numeric entity.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Letters, digits and blanks of every script; and what is harmless within quotes.
            c if c.is_alphanumeric() || " .,:/-_+=()'?!*".contains(c) => escaped.push(c),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push_str(&format!("#{};", u32::from(c))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_label_is_syntax() {
        assert_eq!(
            line("a \"b\" <c> #d; `e` {f} [g] \\n"),
            "\"a #34;b#34; #60;c#62; #35;d#59; #96;e#96; #123;f#125; #91;g#93; #92;n\""
        );
        assert_eq!(line("größe 大"), "\"größe 大\"");
        assert_eq!(line(&"x".repeat(60)), format!("\"{}...\"", "x".repeat(45)));
    }
}
