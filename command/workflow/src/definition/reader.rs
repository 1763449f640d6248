//! Walking a document: where we are, what was found wrong so far, and readers for plain values.
//!
//! A reader reports what is wrong and gives nothing; the caller goes on with the rest, so that one reading finds all
//! problems.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    problem::{MAX_PROBLEMS, Problem, code},
    resource::Resources,
};
use crate::suggest;

/// A place in the document.
#[derive(Clone, Debug)]
pub(crate) struct Node<'d> {
    pub(crate) value: &'d Value,
    pub(crate) path: String,
}

impl<'d> Node<'d> {
    /// The place `key` below this one.
    pub(crate) fn child(&self, key: &str, value: &'d Value) -> Self {
        Self { value, path: join(&self.path, key) }
    }

    /// The items of an array; none if it is something else.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let items = self.value.as_array()?;
        Some(items.iter().enumerate().map(|(index, item)| self.child(&index.to_string(), item)).collect())
    }
}

/// The JSON pointer `path` and one more step.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = key.replace('~', "~0").replace('/', "~1");
    format!("{path}/{key}")
}

/// An object of the document whose fields are known.
pub(crate) struct Fields<'d> {
    pub(crate) path: String,
    map: &'d Map<String, Value>,
}

impl<'d> Fields<'d> {
    /// The field `name`, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<Node<'d>> {
        self.map.get(name).map(|value| Node { value, path: join(&self.path, name) })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }
}

/// The state of one reading.
pub(crate) struct Reader<'d> {
    /// The whole document.
    pub(crate) root: &'d Value,
    /// Whether texts without `${ }` are expressions too.
    pub(crate) loose: bool,
    /// Variables of loops and caught errors around the place.
    pub(crate) variables: Vec<String>,
    /// Functions that are being read, to find those that call themselves.
    pub(crate) functions: Vec<String>,
    /// Whether calls of functions are left alone, while functions are checked one by one.
    pub(crate) shallow: bool,
    /// Whether extensions are left alone, while tasks of extensions are read.
    pub(crate) plain: bool,
    /// Where the texts of files come from.
    pub(crate) resources: &'d dyn Resources,
    /// Texts of the files that were read, by their URI.
    pub(crate) texts: BTreeMap<String, String>,
    /// Tasks that may still be read.
    pub(crate) tasks_left: usize,
    /// Bytes of task definitions that may still be kept.
    pub(crate) bytes_left: usize,
    exhausted: bool,
    problems: Vec<Problem>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(root: &'d Value, resources: &'d dyn Resources, tasks: usize, bytes: usize) -> Self {
        Self {
            root,
            loose: false,
            variables: Vec::new(),
            functions: Vec::new(),
            shallow: false,
            plain: false,
            resources,
            texts: BTreeMap::new(),
            tasks_left: tasks,
            bytes_left: bytes,
            exhausted: false,
            problems: Vec::new(),
        }
    }

    /// What was found wrong, in the order of the document as it was read.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whether no more problems are reported, so that nothing is gained by reading on.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Reports a problem.
    pub(crate) fn report(&mut self, code: &'static str, path: &str, message: impl Into<String>) {
        self.advise(code, path, message, None);
    }

    /// Reports a problem with advice. One and the same problem is reported once, also if its place is read again as a
    /// function is called again.
    pub(crate) fn advise(
        &mut self,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let problem = Problem {
            code,
            path: path.to_owned(),
            message: message.into(),
            suggestion,
            line: None,
            column: None,
        };
        if !self.is_full() && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Reports what this version does not carry out.
    pub(crate) fn unsupported(&mut self, path: &str, what: &str) {
        self.report(code::UNSUPPORTED, path, format!("{what} is not supported by this version"));
    }

    pub(crate) fn wrong_type(&mut self, node: &Node<'_>, expected: &str) {
        let found = match node.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.report(code::WRONG_TYPE, &node.path, format!("expected {expected}, found {found}"));
    }

    /// An object with no other fields than `known`.
    pub(crate) fn object(&mut self, node: &Node<'d>, known: &[&str]) -> Option<Fields<'d>> {
        let map = self.map(node)?;
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = suggest::nearest(name, known.iter().copied());
            let suggestion = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let path = join(&node.path, name);
            self.advise(
                code::UNKNOWN_FIELD,
                &path,
                format!("there is no field `{name}` here"),
                Some(suggestion),
            );
        }
        Some(Fields { path: node.path.clone(), map })
    }

    /// An object whose fields have names of the author's choice.
    pub(crate) fn map(&mut self, node: &Node<'d>) -> Option<&'d Map<String, Value>> {
        let map = node.value.as_object();
        if map.is_none() {
            self.wrong_type(node, "an object");
        }
        map
    }

    /// A field that has to be there.
    pub(crate) fn required(&mut self, fields: &Fields<'d>, name: &str) -> Option<Node<'d>> {
        let node = fields.get(name);
        if node.is_none() {
            self.report(code::MISSING_FIELD, &fields.path, format!("the field `{name}` is missing"));
        }
        node
    }

    pub(crate) fn text(&mut self, node: &Node<'d>) -> Option<&'d str> {
        let text = node.value.as_str();
        if text.is_none() {
            self.wrong_type(node, "a text");
        }
        text
    }

    pub(crate) fn boolean(&mut self, node: &Node<'d>) -> Option<bool> {
        let value = node.value.as_bool();
        if value.is_none() {
            self.wrong_type(node, "true or false");
        }
        value
    }

    /// The items of an array.
    pub(crate) fn array(&mut self, node: &Node<'d>) -> Option<Vec<Node<'d>>> {
        let items = node.items();
        if items.is_none() {
            self.wrong_type(node, "an array");
        }
        items
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node<'d>, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let near =
            suggest::nearest(text, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let message = format!("`{}` is none of {}", excerpt(text), known.join(", "));
        self.advise(code::BAD_VALUE, &node.path, message, near);
        None
    }

    /// The source of a task, kept for `$task.definition`.
    pub(crate) fn source(&mut self, node: &Node<'d>) -> Option<Arc<Value>> {
        self.charge(node).then(|| Arc::new(node.value.clone()))
    }

    /// Counts what is kept or read once more. What is too much is reported, and nothing more is read.
    pub(crate) fn charge(&mut self, node: &Node<'d>) -> bool {
        let left = super::text::weight(node.value, self.bytes_left);
        self.bytes_left = left.unwrap_or(0);
        if left.is_none() {
            self.exhaust("the tasks, with what they use counted at each use, are larger than allowed");
        }
        left.is_some()
    }

    /// Counts the text of a file that is read once more.
    pub(crate) fn charge_text(&mut self, bytes: usize) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(0);
        if left.is_none() {
            self.exhaust("the files that are referred to, counted at each use, are larger than allowed");
        }
        left.is_some()
    }

    /// Counts one more task.
    pub(crate) fn count_task(&mut self) -> bool {
        let left = self.tasks_left.checked_sub(1);
        self.tasks_left = left.unwrap_or(0);
        if left.is_none() {
            self.exhaust("there are too many tasks, those of functions counted at each call");
        }
        left.is_some() && !self.exhausted && !self.is_full()
    }

    /// Reports, once, that the document asks for more than is allowed. No more tasks are read.
    fn exhaust(&mut self, message: &str) {
        if !self.exhausted {
            self.report(code::TOO_MANY_TASKS, "", message);
            self.exhausted = true;
        }
    }
}

/// The beginning of `text`, for a message.
pub(crate) fn excerpt(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    if start.len() < text.len() { format!("{start}...") } else { start }
}
