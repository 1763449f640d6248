//! Secrets: texts that are used without being seen.
//!
//! A workflow only ever holds *handles*: texts that name a value (`$secrets.NAME.field` evaluates to one). The value is
//! put in when a request is sent, by [`expose`], and is in no event, log line, error or process environment.
//!
//! Invariant: nothing that comes from outside can hold a handle: what effects bring in goes through [`defang`].

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
};

use openclaw_model::{RunId, TaskId};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Opens a handle: a private-use character, which no text has by accident.
const OPEN: char = '\u{E000}';
/// Closes a handle.
const CLOSE: char = '\u{E001}';
/// What follows the opening character.
const PREFIX: &str = "openclaw-secret:";
/// [`OPEN`] and [`CLOSE`] where a URI template has encoded them.
const ENCODED_OPEN: &str = "%EE%80%80";
const ENCODED_CLOSE: &str = "%EE%80%81";
/// Longest name of a secret, in bytes.
const MAX_NAME: usize = 128;

/// What a secret is called: letters, digits, `_`, `-` and `.`, beginning with none of the last two, at most 128.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(known) && !name.starts_with(['-', '.'])
}

/// Names a value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle {
    /// Name of the secret.
    pub name: String,
    /// JSON pointer (RFC 6901) into it; empty for a secret that is a text.
    pub pointer: String,
}

impl Handle {
    /// Reads what stands between the two private-use characters.
    fn parse(inner: &str) -> Option<Self> {
        let rest = inner.strip_prefix(PREFIX)?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (name, pointer) = rest.split_at(end);
        is_name(name).then(|| Self { name: name.to_owned(), pointer: pointer.to_owned() })
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPEN}{PREFIX}{}{}{CLOSE}", self.name, self.pointer)
    }
}

/// The value behind a handle. Its memory is overwritten when it is dropped; it cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed(Zeroizing<String>);

impl Revealed {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value. For the moment at which it is sent, and no other.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revealed(..)")
    }
}

/// Why a value cannot be had. Values are in none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such secret, or it has no such field. `OC-SEC-001`.
    #[error("OC-SEC-001: there is no secret {0}")]
    Missing(String),
    /// The workflow does not list the secret, so that it may not use it. `OC-SEC-002`.
    #[error("OC-SEC-002: the workflow does not list the secret {0} in use.secrets")]
    NotListed(String),
    /// It is there and cannot be used. `OC-SEC-003`.
    #[error("OC-SEC-003: the secret {name} cannot be used: {reason}")]
    Unusable {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// The vault is sealed, and the secret is nowhere else. `OC-SEC-005`.
    #[error("OC-SEC-005: the vault is sealed, so that the secret {0} cannot be used")]
    Sealed(String),
    /// Its use could not be recorded, so that it was not handed out. `OC-SEC-006`.
    #[error("OC-SEC-006: the use of the secret {name} cannot be recorded, so it is not used: {reason}")]
    Unrecorded {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
}

/// What a secret is used for. It is recorded before the value is handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// In a line, for example `call: http POST https://api.example.com/pay`; no query, no fragment, no value.
    pub purpose: String,
    /// By which run.
    pub run: Option<RunId>,
    /// By which task of it.
    pub task: Option<TaskId>,
    /// Key of the effect.
    pub effect: Option<String>,
}

/// Values by handle, or why there is none.
pub type Opened = BTreeMap<Handle, Result<Revealed, Error>>;

/// Values on their way.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Opened> + Send + 'a>>;

/// Keeps secrets, each in a namespace.
pub trait Secrets: Send + Sync + 'static {
    /// Names of all secrets of a namespace, for checks of documents.
    fn names(&self, namespace: &str) -> BTreeSet<String>;

    /// The shape of a secret, see [`shape_of`].
    ///
    /// # Errors
    /// If there is none that can be used.
    fn shape(&self, namespace: &str, name: &str) -> Result<Value, Error>;

    /// The values behind `handles`, for `usage`, which is durable when this returns: a value whose use cannot be recorded is
    /// not handed out. Every handle has its answer.
    fn open<'a>(&'a self, namespace: &'a str, handles: BTreeSet<Handle>, usage: Use) -> Opening<'a>;
}

/// No secrets at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn names(&self, _: &str) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn shape(&self, _: &str, name: &str) -> Result<Value, Error> {
        Err(Error::Missing(name.to_owned()))
    }

    fn open<'a>(&'a self, _: &'a str, handles: BTreeSet<Handle>, _: Use) -> Opening<'a> {
        let missing = |handle: Handle| {
            let error = Error::Missing(handle.name.clone());
            (handle, Err(error))
        };
        Box::pin(async move { handles.into_iter().map(missing).collect() })
    }
}

/// Every handle in the texts of `value`, encoded for a URI or not. What is no whole handle is left out: [`expose`] refuses it.
#[must_use]
pub fn handles_in(value: &Value) -> BTreeSet<Handle> {
    fn collect(value: &Value, found: &mut BTreeSet<Handle>) {
        match value {
            Value::String(text) => look(text, found),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(fields) => fields.iter().for_each(|(name, field)| {
                look(name, found);
                collect(field, found);
            }),
            _ => {}
        }
    }
    fn look(text: &str, found: &mut BTreeSet<Handle>) {
        if has_handle(text) {
            let mut note = |handle: &Handle| {
                found.insert(handle.clone());
                Ok(Revealed::new(String::new()))
            };
            let _ = expose(text, &mut note, |value| value.into());
        }
    }
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

/// `secret` with a handle in place of every text, number and truth value, which is all that expressions see of it.
#[must_use]
pub fn shape_of(name: &str, secret: &Value) -> Value {
    fn shape(name: &str, pointer: &str, value: &Value) -> Value {
        match value {
            Value::Null => Value::Null,
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| shape(name, &format!("{pointer}/{index}"), item))
                .collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(field, value)| {
                    let escaped = field.replace('~', "~0").replace('/', "~1");
                    (field.clone(), shape(name, &format!("{pointer}/{escaped}"), value))
                })
                .collect::<Map<_, _>>()
                .into(),
            _ => Handle { name: name.to_owned(), pointer: pointer.to_owned() }.to_string().into(),
        }
    }
    shape(name, "", secret)
}

/// The value at `pointer` of `secret` as text; none if there is none, or it is no single value.
#[must_use]
pub fn value_at(secret: &Value, pointer: &str) -> Option<Revealed> {
    match secret.pointer(pointer)? {
        Value::String(text) => Some(Revealed::new(text.clone())),
        other @ (Value::Number(_) | Value::Bool(_)) => Some(Revealed::new(other.to_string())),
        _ => None,
    }
}

/// Whether `text` holds a handle, encoded for a URI or not.
#[must_use]
pub fn has_handle(text: &str) -> bool {
    text.contains(OPEN) || text.contains(ENCODED_OPEN)
}

/// `text` with the value of each handle in its place, after `encode` has made it fit there. Handles that a URI template
/// has encoded are found too.
///
/// # Errors
/// Those of `reveal`; a handle that is none any more is [`Error::Missing`].
pub fn expose(
    text: &str,
    reveal: &mut dyn FnMut(&Handle) -> Result<Revealed, Error>,
    encode: fn(&str) -> Cow<'_, str>,
) -> Result<Zeroizing<String>, Error> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some(at) = first(rest.find(OPEN), rest.find(ENCODED_OPEN)) {
        out.push_str(&rest[..at]);
        let plain = rest[at..].starts_with(OPEN);
        let (open, close): (&str, &str) =
            if plain { ("\u{E000}", "\u{E001}") } else { (ENCODED_OPEN, ENCODED_CLOSE) };
        let after = &rest[at + open.len()..];
        let broken = || Error::Missing("that a broken handle names".into());
        let (inner, tail) = after.split_once(close).ok_or_else(broken)?;
        let inner = if plain { inner.into() } else { percent_decode_str(inner).decode_utf8_lossy() };
        let handle = Handle::parse(&inner).ok_or_else(broken)?;
        out.push_str(&encode(reveal(&handle)?.expose()));
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn first(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}

/// The handle that `text` begins with, and the rest; the first is empty if it begins with none.
#[must_use]
pub fn leading(text: &str) -> (&str, &str) {
    let end = text.starts_with(OPEN).then(|| text.find(CLOSE)).flatten();
    text.split_at(end.map_or(0, |end| end + CLOSE.len_utf8()))
}

/// Takes away from data of the world what would make it a handle. Otherwise a server could answer with a handle, and be
/// told the value in the next request.
pub fn defang(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(harmless) = harmless(text) {
                *text = harmless;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(defang),
        Value::Object(fields) => {
            fields.values_mut().for_each(defang);
            if fields.keys().any(|key| has_handle(key)) {
                let renamed = std::mem::take(fields).into_iter();
                *fields = renamed.map(|(key, value)| (harmless(&key).into_owned(), value)).collect();
            }
        }
        _ => {}
    }
}

/// [`defang`] for one text.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if has_handle(text) {
        text.replace(OPEN, "\u{FFFD}").replace(ENCODED_OPEN, "%EF%BF%BD").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret() -> Value {
        json!({ "user": "ada", "a/b~c": { "list": [1, true, null] } })
    }

    fn reveal(handle: &Handle) -> Result<Revealed, Error> {
        if handle.name != "known" {
            return Err(Error::Missing(handle.name.clone()));
        }
        value_at(&secret(), &handle.pointer).ok_or_else(|| Error::Missing(handle.name.clone()))
    }

    fn exposed(text: &str) -> Result<String, Error> {
        expose(text, &mut reveal, |value| value.into()).map(|text| text.to_string())
    }

    #[test]
    fn every_value_of_a_shape_leads_back_to_the_value_of_the_secret() {
        let shape = shape_of("known", &secret());
        let text = |pointer| shape.pointer(pointer).and_then(Value::as_str).unwrap();
        assert_eq!(exposed(text("/user")).unwrap(), "ada");
        assert_eq!(exposed(&format!("x{}y{}", text("/user"), text("/a~1b~0c/list/0"))).unwrap(), "xaday1");
        assert_eq!(exposed(text("/a~1b~0c/list/1")).unwrap(), "true");
        assert_eq!(shape.pointer("/a~1b~0c/list/2"), Some(&Value::Null));
        assert!(!shape.to_string().contains("ada"));
    }

    #[test]
    fn a_text_is_a_secret_too() {
        let shape = shape_of("known", &json!("pass"));
        assert_eq!(shape, json!("\u{E000}openclaw-secret:known\u{E001}"));
        assert_eq!(value_at(&json!("pass"), "").unwrap().expose(), "pass");
    }

    #[test]
    fn handles_that_a_uri_template_encoded_are_found_and_values_are_made_to_fit() {
        let url = "http://h/%EE%80%80openclaw-secret%3Aknown%2Fuser%EE%80%81?x=\u{E000}openclaw-secret:known/user\u{E001}";
        let shout: fn(&str) -> Cow<'_, str> = |value| value.to_uppercase().into();
        assert_eq!(expose(url, &mut reveal, shout).unwrap().as_str(), "http://h/ADA?x=ADA");
    }

    #[test]
    fn every_handle_in_a_value_is_found_wherever_it_stands() {
        let handle = |pointer: &str| Handle { name: "known".into(), pointer: pointer.into() };
        let quoted = handle("/a\"b\\c");
        let value = json!({
            "url": "http://h/%EE%80%80openclaw-secret%3Aknown%2Fuser%EE%80%81",
            "list": [quoted.to_string(), format!("{}{}", handle("/x"), handle("/y")), 7],
            handle("/key").to_string(): null,
            "broken": "\u{E000}openclaw-secret:known/user",
        });
        let expected = ["/user", "/a\"b\\c", "/x", "/y", "/key"].map(handle);
        assert_eq!(handles_in(&value), BTreeSet::from(expected));
    }

    #[test]
    fn what_names_no_secret_is_refused() {
        let handle = Handle { name: "other".into(), pointer: String::new() }.to_string();
        assert_eq!(exposed(&handle), Err(Error::Missing("other".into())));
        for broken in [
            "\u{E000}openclaw-secret:known/user",
            "\u{E000}x\u{E001}",
            "\u{E000}openclaw-secret:../x\u{E001}",
        ] {
            assert!(exposed(broken).is_err(), "{broken}");
        }
        assert_eq!(exposed("nothing \u{E001} here").unwrap(), "nothing \u{E001} here");
    }

    #[test]
    fn data_of_the_world_cannot_hold_a_handle() {
        let handle = Handle { name: "known".into(), pointer: "/user".into() }.to_string();
        let encoded = "%EE%80%80openclaw-secret%3Aknown%EE%80%81";
        let mut data = json!({ "a": [handle, encoded], handle.clone(): { "b": 1 }, "c": "fine" });
        defang(&mut data);
        assert!(!has_handle(&data.to_string()), "{data}");
        assert_eq!(data["c"], "fine");
        assert_eq!(data.as_object().unwrap().len(), 3);
    }

    #[test]
    fn names_can_be_file_names() {
        for (name, good) in
            [("my-token_2.x", true), ("", false), (".hidden", false), ("-x", false), ("a/b", false)]
        {
            assert_eq!(is_name(name), good, "{name:?}");
        }
        assert!(!is_name(&"x".repeat(129)));
    }

    #[test]
    fn a_value_is_not_printed() {
        assert_eq!(format!("{:?}", Revealed::new("s3cret".into())), "Revealed(..)");
    }
}
