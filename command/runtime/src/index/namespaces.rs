//! Names of namespaces as small numbers: there are as many runs as wait, and few namespaces.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// Names that were met, each with its number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub(crate) struct Namespaces {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Namespaces {
    /// The number of a name; a new name gets the next one.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let number = u32::try_from(self.names.len())
            .expect("namespaces fit into memory, so there are fewer than 2^32");
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// The number of a name that was met.
    pub(crate) fn known(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a number that [`Self::number`] gave.
    pub(crate) fn name(&self, number: u32) -> Arc<str> {
        self.names.get(number as usize).cloned().unwrap_or_else(|| "".into())
    }
}

impl From<Vec<String>> for Namespaces {
    fn from(names: Vec<String>) -> Self {
        let mut all = Self::default();
        for name in names {
            all.number(&name);
        }
        all
    }
}

impl From<Namespaces> for Vec<String> {
    fn from(all: Namespaces) -> Self {
        all.names.iter().map(|name| name.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_what_they_are_through_the_file() {
        let mut all = Namespaces::default();
        assert_eq!((all.number("a"), all.number("b"), all.number("a")), (0, 1, 0));
        let text = serde_json::to_string(&all).unwrap();
        let again: Namespaces = serde_json::from_str(&text).unwrap();
        assert_eq!((again.known("b"), again.known("c"), &*again.name(1)), (Some(1), None, "b"));
    }
}
