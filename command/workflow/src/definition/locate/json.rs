//! JSON with marks. `serde_json` keeps none, so its text is walked here once more; it is known to be JSON.

use super::{Content, Entry, Located, Mark};
use crate::definition::text::MAX_DEPTH;

/// Reads `text`; none if it is no JSON or nests too deep.
pub(super) fn read(text: &str) -> Option<Located> {
    let mut walk = Walk { rest: text, mark: Mark { line: 1, column: 1 } };
    let root = walk.value(0)?;
    walk.space();
    walk.rest.is_empty().then_some(root)
}

struct Walk<'t> {
    rest: &'t str,
    mark: Mark,
}

impl<'t> Walk<'t> {
    /// Goes past `bytes` of the text, which end between two characters.
    fn pass(&mut self, bytes: usize) -> &'t str {
        let (passed, rest) = self.rest.split_at(bytes);
        for character in passed.chars() {
            if character == '\n' {
                self.mark = Mark { line: self.mark.line + 1, column: 1 };
            } else {
                self.mark.column += 1;
            }
        }
        self.rest = rest;
        passed
    }

    fn space(&mut self) {
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.pass(blank);
    }

    /// Goes past `token` and the blanks before it, if it is next.
    fn take(&mut self, token: char) -> bool {
        self.space();
        let found = self.rest.starts_with(token);
        if found {
            self.pass(token.len_utf8());
        }
        found
    }

    fn value(&mut self, depth: usize) -> Option<Located> {
        self.space();
        let mark = self.mark;
        let content = match self.rest.as_bytes().first()? {
            _ if depth > MAX_DEPTH => return None,
            b'{' => Content::Entries(self.entries(depth)?),
            b'[' => Content::Items(self.items(depth)?),
            b'"' => {
                self.string()?;
                Content::Scalar
            }
            _ => {
                let end = self.rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(self.rest.len());
                self.pass(end);
                Content::Scalar
            }
        };
        Some(Located { mark, content })
    }

    fn items(&mut self, depth: usize) -> Option<Vec<Located>> {
        let mut items = Vec::new();
        self.take('[');
        if self.take(']') {
            return Some(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.take(',') {
                return self.take(']').then_some(items);
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        self.take('{');
        if self.take('}') {
            return Some(entries);
        }
        loop {
            self.space();
            let key = self.mark;
            let name = serde_json::from_str(self.string()?).ok()?;
            if !self.take(':') {
                return None;
            }
            entries.push(Entry { name, key, value: self.value(depth + 1)? });
            if !self.take(',') {
                return self.take('}').then_some(entries);
            }
        }
    }

    /// A string with its quotes, as written.
    fn string(&mut self) -> Option<&'t str> {
        let bytes = self.rest.as_bytes();
        if bytes.first() != Some(&b'"') {
            return None;
        }
        let mut at = 1;
        loop {
            match bytes.get(at)? {
                b'"' => return Some(self.pass(at + 1)),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }
}
