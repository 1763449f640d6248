//! Where in a text the places of a document stand.
//!
//! The text is read a second time, and only when there is something to complain about, so that good documents pay
//! nothing. Cost: linear in the text with its aliases followed, within the limits of the first reading.
//!
//! Invariant: lines and columns count from 1, columns in characters.

mod json;
mod yaml;

use super::{
    problem::{Problem, code},
    text::{self, Format},
};

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
}

/// Where the two halves of an entry stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The key; none for the document as a whole and for items of arrays.
    pub key: Option<Mark>,
    /// The value. An alias is the value where it is used; what is within it stands where it was written.
    pub value: Mark,
    /// Whether the value is an object or an array.
    pub compound: bool,
}

impl Place {
    /// The half that names the place best: of an entry with many parts its key, else the value.
    #[must_use]
    pub fn best(&self) -> Mark {
        if self.compound { self.key.unwrap_or(self.value) } else { self.value }
    }
}

/// A document's text with the place of each value.
#[derive(Debug)]
pub struct Source {
    root: Located,
}

impl Source {
    /// Reads `text`, which has to be a document that was read before: none for a text that is not.
    #[must_use]
    pub fn read(text: &str, format: Format) -> Option<Self> {
        if text.len() > text::MAX_TEXT_BYTES {
            return None;
        }
        let root = if format.is_json(text) { json::read(text)? } else { yaml::read(text)? };
        Some(Self { root })
    }

    /// The place that the JSON pointer `path` names; none if there is no such place.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<Place> {
        let mut here = &self.root;
        let mut key = None;
        for step in steps(path) {
            (key, here) = here.child(&step)?;
        }
        let compound = !matches!(here.content, Content::Scalar);
        Some(Place { key, value: here.mark, compound })
    }

    /// The nearest place above `path` that exists, `path` included.
    fn nearest(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.place(path) {
                return place;
            }
            path = path.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    /// Gives `problem` its place, unless it has one.
    fn locate(&self, problem: &mut Problem) {
        if problem.line.is_some() {
            return;
        }
        let place = self.nearest(&problem.path);
        // What is wrong with these is that they are there, or what they are called.
        let by_key = matches!(problem.code, code::UNKNOWN_FIELD | code::DUPLICATE);
        let mark = if by_key { place.key.unwrap_or(place.value) } else { place.best() };
        problem.line = Some(mark.line);
        problem.column = Some(mark.column);
    }
}

/// Gives every one of `problems` that lacks it the line and column of what its path names in `text`.
pub(crate) fn locate(text: &str, format: Format, problems: &mut [Problem]) {
    if problems.iter().all(|problem| problem.line.is_some()) {
        return;
    }
    if let Some(source) = Source::read(text, format) {
        for problem in problems {
            source.locate(problem);
        }
    }
}

/// The steps of a JSON pointer.
fn steps(path: &str) -> impl Iterator<Item = String> {
    path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
}

/// A value and where it stands.
#[derive(Debug)]
struct Located {
    mark: Mark,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scalar,
    Items(Vec<Located>),
    Entries(Vec<Entry>),
}

#[derive(Debug)]
struct Entry {
    name: String,
    key: Mark,
    value: Located,
}

impl Located {
    fn child(&self, step: &str) -> Option<(Option<Mark>, &Self)> {
        match &self.content {
            Content::Scalar => None,
            Content::Items(items) => Some((None, items.get(step.parse::<usize>().ok()?)?)),
            // The last one is the one that counts where a format allows a name twice.
            Content::Entries(entries) => {
                let entry = entries.iter().rev().find(|entry| entry.name == step)?;
                Some((Some(entry.key), &entry.value))
            }
        }
    }
}

#[cfg(test)]
mod tests;
