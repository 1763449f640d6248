//! YAML with marks, from the reader that read the document.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{Content, Entry, Located, Mark};
use crate::definition::text;

/// Reads `text`; none if it is no YAML within the limits.
pub(super) fn read(text: &str) -> Option<Located> {
    let marked: Spanned<Marked> = serde_saphyr::from_str_with_options(text, text::yaml_options()).ok()?;
    Some(located(marked, false))
}

/// A value as the reader marks it.
enum Marked {
    Scalar,
    Items(Vec<Spanned<Marked>>),
    Entries(Vec<(Spanned<String>, Spanned<Marked>)>),
}

/// `within` says that an alias led here, so that the place where it is used says nothing more.
fn located(marked: Spanned<Marked>, within: bool) -> Located {
    let mark = |referenced: Location, defined: Location, within: bool| {
        let location = if within { defined } else { referenced };
        Mark { line: location.line(), column: location.column() }
    };
    let inside = within || marked.referenced != marked.defined;
    let content = match marked.value {
        Marked::Scalar => Content::Scalar,
        Marked::Items(items) => Content::Items(items.into_iter().map(|item| located(item, inside)).collect()),
        Marked::Entries(entries) => {
            let entry = |(key, value): (Spanned<String>, Spanned<Marked>)| Entry {
                key: mark(key.referenced, key.defined, inside),
                name: key.value,
                value: located(value, inside),
            };
            Content::Entries(entries.into_iter().map(entry).collect())
        }
    };
    Located { mark: mark(marked.referenced, marked.defined, within), content }
}

impl<'de> Deserialize<'de> for Marked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kinds)
    }
}

struct Kinds;

impl<'de> Visitor<'de> for Kinds {
    type Value = Marked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_none<E>(self) -> Result<Marked, E> {
        Ok(Marked::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Marked, D::Error> {
        Marked::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Marked, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Marked::Items(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Marked, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Marked::Entries(entries))
    }
}
