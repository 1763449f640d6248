//! One pass over a message before it is read into types: is it JSON, is it shallow enough, is every key unique.
//!
//! Invariant: recursion is bounded by the depth limit, so no input can exhaust the stack. A key that stands twice
//! in an object is refused, because two readers of such an object may disagree about its value.

use std::{borrow::Cow, cell::RefCell, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Why a message is not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not JSON.
    Syntax,
    /// It is nested deeper than the limit.
    TooDeep,
    /// An object has this key twice.
    Duplicate(String),
}

/// Checks `text`. Cost: linear in its length.
pub(super) fn check(text: &str, max_depth: usize) -> Result<(), Fault> {
    let fault = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let walked = Walk { left: max_depth, fault: &fault }.deserialize(&mut reader).and_then(|()| reader.end());
    match walked {
        Ok(()) => Ok(()),
        Err(_) => Err(fault.into_inner().unwrap_or(Fault::Syntax)),
    }
}

/// Visits one value and everything below it. `fault` carries the reason past serde's error type.
#[derive(Clone, Copy)]
struct Walk<'a> {
    left: usize,
    fault: &'a RefCell<Option<Fault>>,
}

impl Walk<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(self.refuse(Fault::TooDeep)),
        }
    }

    fn refuse<E: serde::de::Error>(self, fault: Fault) -> E {
        *self.fault.borrow_mut() = Some(fault);
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(Key(key)) = entries.next_key_seed(KeySeed)? {
            if seen.contains(&key) {
                return Err(self.refuse(Fault::Duplicate(key.into_owned())));
            }
            seen.insert(key);
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A key, borrowed from the message where it has no escapes.
struct Key<'de>(Cow<'de, str>);

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_json_and_names_what_is_wrong_with_the_rest() {
        assert_eq!(check(r#" {"a":[1,-2.5e3,"x",null,true,{"b":{}}]} "#, 64), Ok(()));
        for bad in ["", "{", "[1,]", "{\"a\":1,}", "nul", "1 2", "\u{a0}1", "\"\\ud800\"", "{\"a\" 1}", "'a'"]
        {
            assert_eq!(check(bad, 64), Err(Fault::Syntax), "{bad:?}");
        }
        assert_eq!(check(r#"{"a":{"k":1,"\u006b":2}}"#, 64), Err(Fault::Duplicate("k".to_owned())));
    }

    #[test]
    fn depth_is_counted_exactly_and_never_costs_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&nested(64), 64), Ok(()));
        assert_eq!(check(&nested(65), 64), Err(Fault::TooDeep));
        assert_eq!(check(&"[".repeat(1_000_000), 64), Err(Fault::TooDeep));
        assert_eq!(check(&"{\"a\":".repeat(200_000), 64), Err(Fault::TooDeep));
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_serde_json_on_syntax(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,40}") {
            let ours = check(&text, 64);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            if ours.is_ok() { prop_assert!(theirs.is_ok()); }
            if ours == Err(Fault::Syntax) { prop_assert!(theirs.is_err()); }
        }
    }
}
