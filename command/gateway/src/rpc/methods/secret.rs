//! Texts that come in and never go out.

use std::{borrow::Cow, fmt};

use openclaw_ports::secrets::Revealed;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

/// A value, passphrase or key on its way in. It is printed nowhere, and stands for nothing when a command is digested: a
/// hash of it would let a value be guessed from the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Revealed);

/// What is written in its place.
const PLACE: &str = "(secret)";

impl Secret {
    /// For an example.
    pub(super) fn example() -> Self {
        Self(Revealed::new(PLACE.into()))
    }

    /// Its length, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.expose().len()
    }

    /// The text.
    #[must_use]
    pub fn into_revealed(self) -> Revealed {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(PLACE)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of a value, because an error that serde makes quotes what it found: a number may be a PIN.
        match Value::deserialize(deserializer) {
            Ok(Value::String(text)) => Ok(Self(Revealed::new(text))),
            _ => Err(D::Error::custom("expected a string")),
        }
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", "writeOnly": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_never_written() {
        let secret: Secret = serde_json::from_str("\"canary\"").unwrap();
        assert_eq!(
            format!("{secret:?} {}", serde_json::to_string(&secret).unwrap()),
            "Secret(..) \"(secret)\""
        );
        assert_eq!(secret.into_revealed().expose(), "canary");
    }

    #[test]
    fn what_is_no_text_is_refused_without_being_quoted() {
        for wrong in ["271828", "[\"canary\"]", "{\"canary\":1}", "null", "1.5"] {
            let error = serde_json::from_str::<Secret>(wrong).unwrap_err().to_string();
            assert!(error.starts_with("expected a string") && !error.contains("canary"), "{error}");
            assert!(!error.contains("271828"), "{error}");
        }
    }
}
