//! Problems, told with the line in which they are.

use openclaw_workflow::definition::{Problem, Severity};

use super::source::Source;

/// The most characters that are shown of a line.
const WIDTH: usize = 100;

/// A problem with the line it is in and a caret below the place.
pub(in crate::cli) fn tell(source: &Source, problem: &Problem) -> String {
    let severity = match problem.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = format!("{severity} {}: {}\n", problem.code, problem.message);
    let path = if problem.path.is_empty() { "/" } else { &problem.path };
    match (problem.line, problem.column) {
        (Some(line), Some(column)) => {
            text.push_str(&format!("  --> {}:{line}:{column} ({path})\n", source.name));
            if let Some(shown) = source.line(line) {
                let (shown, caret) = window(shown, column);
                let margin = line.to_string().len();
                text.push_str(&format!(" {:margin$} |\n {line} | {shown}\n", ""));
                text.push_str(&format!(" {:margin$} | {:caret$}^\n", "", ""));
            }
        }
        _ => text.push_str(&format!("  --> {} ({path})\n", source.name)),
    }
    if let Some(suggestion) = &problem.suggestion {
        text.push_str(&format!("  = {suggestion}\n"));
    }
    text
}

/// The part of a line around `column`, and how many characters of it are before that column.
fn window(line: &str, column: u64) -> (String, usize) {
    let characters: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let at = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX).min(characters.len());
    let from = if characters.len() <= WIDTH { 0 } else { at.saturating_sub(WIDTH / 2) };
    let to = (from + WIDTH).min(characters.len());
    let mut shown = String::new();
    let mut before = at - from;
    if from > 0 {
        shown.push_str("...");
        before += 3;
    }
    shown.extend(&characters[from..to]);
    if to < characters.len() {
        shown.push_str("...");
    }
    (shown.trim_end().to_owned(), before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_place() {
        assert_eq!(window("do:\tx", 5), ("do: x".into(), 4));
        assert_eq!(window("", 1), (String::new(), 0));
        let long = format!("{}X{}", "ä".repeat(300), "b".repeat(300));
        let (shown, before) = window(&long, 301);
        assert_eq!(shown.chars().nth(before), Some('X'), "{shown}");
        assert!(shown.chars().count() <= WIDTH + 6);
    }
}
