//! The moment at which handles become values, and back: what comes in is made harmless and must not repeat a value.

use std::{borrow::Cow, collections::BTreeMap};

use openclaw_model::event::run::WorkflowError;
use openclaw_ports::{
    EffectOutcome,
    secrets::{self, Error, Handle, Opened, Revealed},
};
use openclaw_workflow::error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

/// Values that are shorter are not looked for in answers: they would be found in everything.
const LEAST_CONCEALED: usize = 6;

/// Everything but the unreserved characters of RFC 3986.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// For an effect without secrets.
static NOTHING: Opened = BTreeMap::new();

/// Reveals the secrets of one effect, and remembers which, so that none is repeated in its outcome.
pub struct Exposure<'a> {
    /// What was opened for it, and recorded as used; any other handle is refused.
    opened: &'a Opened,
    revealed: Vec<(Handle, Revealed)>,
}

impl<'a> Exposure<'a> {
    /// Reveals what is `opened`, and nothing else.
    #[must_use]
    pub fn of(opened: &'a Opened) -> Self {
        Self { opened, revealed: Vec::new() }
    }

    /// For an effect without secrets: any handle is refused.
    #[must_use]
    pub fn nothing() -> Exposure<'static> {
        Exposure::of(&NOTHING)
    }

    /// Which values were revealed.
    pub(crate) fn into_revealed(self) -> Vec<(Handle, Revealed)> {
        self.revealed
    }

    /// Conceals these values in the outcome, too.
    pub(crate) fn having(mut self, revealed: &[(Handle, Revealed)]) -> Self {
        self.revealed.extend_from_slice(revealed);
        self
    }

    /// `text` with values in place of handles.
    ///
    /// # Errors
    /// An authorization error for a secret that does not exist, is not listed, or cannot be used.
    pub(crate) fn text(&mut self, text: &str) -> Result<Zeroizing<String>, WorkflowError> {
        self.encoded(text, |value| value.into())
    }

    /// As [`Exposure::text`], for a form: values are percent-encoded.
    pub(crate) fn form(&mut self, text: &str) -> Result<Zeroizing<String>, WorkflowError> {
        self.encoded(text, |value| utf8_percent_encode(value, RESERVED).into())
    }

    /// As [`Exposure::form`], for a URL. What it begins with is not encoded: the URL itself may be the secret.
    pub(crate) fn url(&mut self, text: &str) -> Result<Zeroizing<String>, WorkflowError> {
        let (first, rest) = secrets::leading(text);
        let mut url = self.text(first)?;
        url.push_str(&self.form(rest)?);
        Ok(url)
    }

    fn encoded(
        &mut self,
        text: &str,
        encode: fn(&str) -> Cow<'_, str>,
    ) -> Result<Zeroizing<String>, WorkflowError> {
        let Self { opened, revealed } = self;
        let mut reveal = |handle: &Handle| {
            let found = opened.get(handle).ok_or_else(|| Error::NotListed(handle.name.clone()))?;
            let value = found.clone()?;
            if !revealed.iter().any(|(known, _)| known == handle) {
                revealed.push((handle.clone(), value.clone()));
            }
            Ok(value)
        };
        secrets::expose(text, &mut reveal, encode)
            .map_err(|problem| error::authorization(problem.to_string()))
    }

    /// `value` with values in place of the handles in its texts.
    pub(crate) fn json(&mut self, value: &Value) -> Result<Value, WorkflowError> {
        Ok(match value {
            Value::String(text) if secrets::has_handle(text) => self.text(text)?.as_str().into(),
            Value::Array(items) => {
                items.iter().map(|item| self.json(item)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((name.clone(), self.json(value)?)));
                Value::Object(fields.collect::<Result<_, WorkflowError>>()?)
            }
            other => other.clone(),
        })
    }

    /// What came of the effect, without handles that it did not have a right to, and without the values that were
    /// sent. A value that comes back changed, for example encoded, is not recognised.
    pub(crate) fn outcome(&self, outcome: EffectOutcome) -> EffectOutcome {
        match outcome {
            Ok(mut value) => {
                secrets::defang(&mut value);
                if !self.revealed.is_empty() {
                    self.conceal(&mut value);
                }
                Ok(value)
            }
            Err(mut error) => {
                for text in [&mut error.title, &mut error.detail, &mut error.instance].into_iter().flatten() {
                    *text = self.concealed(&secrets::harmless(text));
                }
                Err(error)
            }
        }
    }

    fn conceal(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.concealed(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.conceal(item)),
            Value::Object(fields) => {
                let old = std::mem::take(fields);
                fields.extend(old.into_iter().map(|(name, mut value)| {
                    self.conceal(&mut value);
                    (self.concealed(&name), value)
                }));
            }
            _ => {}
        }
    }

    /// `text` with a note in place of each value that was revealed.
    pub(crate) fn concealed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (handle, value) in &self.revealed {
            let (plain, note) = (value.expose(), format!("(secret {})", handle.name));
            if plain.len() >= LEAST_CONCEALED {
                if text.contains(plain) {
                    text = text.replace(plain, &note);
                }
                let encoded = utf8_percent_encode(plain, RESERVED).to_string();
                if text.contains(&encoded) {
                    text = text.replace(&encoded, &note);
                }
            }
        }
        text
    }
}

/// `text` with the name of the secret in place of each handle, for people.
pub(crate) fn masked(text: &str) -> String {
    let mut reveal = |handle: &Handle| Ok(Revealed::new(format!("(secret {})", handle.name)));
    match secrets::expose(text, &mut reveal, |name| name.into()) {
        Ok(masked) => masked.to_string(),
        Err(_) => secrets::harmless(text).into_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Secrets in memory.
    #[derive(Default)]
    pub(crate) struct Vault(pub(crate) BTreeMap<String, Value>);

    impl Vault {
        pub(crate) fn of(name: &str, secret: Value) -> Self {
            Self(BTreeMap::from([(name.to_owned(), secret)]))
        }

        pub(crate) fn listed(&self) -> BTreeSet<String> {
            self.0.keys().cloned().collect()
        }
    }

    impl Exposure<'static> {
        /// Reveals what is in `vault` and `listed`.
        pub(crate) fn new(vault: &Vault, listed: &BTreeSet<String>) -> Self {
            let mut opened = Opened::new();
            for name in listed {
                let Some(secret) = vault.0.get(name) else {
                    let handle = Handle { name: name.clone(), pointer: String::new() };
                    opened.insert(handle, Err(Error::Missing(name.clone())));
                    continue;
                };
                for handle in secrets::handles_in(&secrets::shape_of(name, secret)) {
                    let value = secrets::value_at(secret, &handle.pointer).expect("a shape leads to values");
                    opened.insert(handle, Ok(value));
                }
            }
            // For the length of a test.
            Self::of(Box::leak(Box::new(opened)))
        }
    }

    pub(crate) fn handle(name: &str, pointer: &str) -> String {
        Handle { name: name.into(), pointer: pointer.into() }.to_string()
    }

    #[test]
    fn values_go_out_and_do_not_come_back() {
        let vault = Vault::of("token", json!({ "text": "s3cret/value" }));
        let listed = vault.listed();
        let mut exposure = Exposure::new(&vault, &listed);
        let handle = handle("token", "/text");
        assert_eq!(
            exposure.url(&format!("{handle}/{handle}")).unwrap().as_str(),
            "s3cret/value/s3cret%2Fvalue"
        );
        assert_eq!(exposure.json(&json!({ "a": [handle, 1] })).unwrap(), json!({ "a": ["s3cret/value", 1] }));
        assert_eq!(exposure.url(&format!("http://h/{handle}")).unwrap().as_str(), "http://h/s3cret%2Fvalue");
        let echoed =
            json!({ "echo": ["got s3cret/value", "s3cret%2Fvalue"], "s3cret/value": handle, "n": 7 });
        let outcome = exposure.outcome(Ok(echoed)).unwrap();
        assert_eq!(outcome["echo"], json!(["got (secret token)", "(secret token)"]));
        assert!(!outcome.to_string().contains("s3cret") && !secrets::has_handle(&outcome.to_string()));
        let error = exposure.outcome(Err(error::runtime("no s3cret/value".into()))).unwrap_err();
        assert_eq!(error.detail.as_deref(), Some("no (secret token)"));
        assert_eq!(masked(&handle), "(secret token)");
    }

    #[test]
    fn only_what_the_workflow_lists_is_revealed() {
        let vault = Vault::of("token", json!("s3cret"));
        let error = Exposure::new(&vault, &BTreeSet::new()).text(&handle("token", "")).unwrap_err();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (403, Some("authorization")));
        assert!(error.detail.unwrap().starts_with("OC-SEC-002"));
        let listed = BTreeSet::from(["gone".to_owned()]);
        let error = Exposure::new(&vault, &listed).text(&handle("gone", "")).unwrap_err();
        assert!(error.status == 403 && error.detail.unwrap().starts_with("OC-SEC-001"));
        assert_eq!(Exposure::nothing().text(&handle("token", "")).unwrap_err().status, 403);
    }
}
