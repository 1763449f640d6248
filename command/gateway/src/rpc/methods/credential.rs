//! `credential.set`, `credential.rotate`, `credential.delete` and `credential.list`. Values come in and never come out.

use openclaw_model::{
    Position, Timestamp,
    access::{Need, is_namespace},
};
use openclaw_ports::secrets::is_name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, EXAMPLE_POSITION, Guard, Kind, secret::Secret};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::Error,
};

/// Longest value, in bytes.
const MAX_VALUE: usize = 64 << 10;

/// What all changes of credentials may be refused with.
macro_rules! vault_errors {
    () => {
        &[
            Kind::REJECTED,
            Kind::LIMITED,
            Kind::FORBIDDEN,
            Kind::KEY_REUSED,
            Kind::READ_ONLY,
            Kind::BUSY,
            Kind::STOPPING,
        ]
    };
}
pub(super) use vault_errors;

/// A change that is guarded by a key alone: uses of a credential change the version of its stream, too.
macro_rules! keyed {
    () => {
        fn guard(&self) -> Option<Guard<'_>> {
            Some(Guard { key: self.idempotency_key.as_ref(), expected: ExpectedVersion::Any })
        }
    };
}

/// Parameters that give a credential a value.
macro_rules! valued {
    ($(#[$doc:meta])* $name:ident = $method:literal, $rename:literal, $summary:literal) => {
        $(#[$doc])*
        /// The value is no part of what a repetition under one key is compared by, because nothing of it may stand in the
        /// log: a repetition with another value gets the first answer.
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[schemars(rename = $rename)]
        pub struct $name {
            /// Name in the namespace.
            pub name: String,
            /// The value: a text, or a JSON object as text whose fields are used by `$secrets.NAME.FIELD`. At most 64 KiB.
            pub value: Secret,
            /// Namespace; the caller's own, or `default`, if not given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub namespace: Option<String>,
            /// See [`IdempotencyKey`].
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub idempotency_key: Option<IdempotencyKey>,
        }

        impl Call for $name {
            const NAME: &'static str = $method;
            const SUMMARY: &'static str = $summary;
            const NEED: Need = Need::Operate;
            const ERRORS: &'static [Kind] = vault_errors!();
            const NOT_CONTENT: &'static [&'static str] = &["idempotencyKey", "value"];
            type Answer = Stored;

            keyed!();

            fn check(&self) -> Result<(), Error> {
                named(self.namespace.as_deref(), &self.name)?;
                if self.value.bytes() > MAX_VALUE {
                    return Err(Error::invalid("value", format!("is longer than {MAX_VALUE} bytes")));
                }
                Ok(())
            }

            fn example() -> (Self, Stored) {
                let call = Self {
                    namespace: None,
                    name: "payments-api".into(),
                    value: Secret::example(),
                    idempotency_key: None,
                };
                let answer = Stored {
                    namespace: "default".into(),
                    name: "payments-api".into(),
                    version: 1,
                    fingerprint: "6f1ed002ab559585".into(),
                    position: EXAMPLE_POSITION,
                };
                (call, answer)
            }
        }
    };
}

valued! {
    /// Puts a credential into the vault, in place of the value that it has. The answer comes when the value has been
    /// written, read back and decrypted.
    Set = "credential.set", "CredentialSet", "Puts a credential into the vault."
}

valued! {
    /// Gives a credential that is there another value. What uses it from now on uses the new one.
    Rotate = "credential.rotate", "CredentialRotate", "Gives a credential another value."
}

/// A value is in the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CredentialStored")]
pub struct Stored {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Version of the value.
    pub version: u64,
    /// Tells values of this credential apart.
    pub fingerprint: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
}

/// Takes a credential out of the vault.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "CredentialDelete")]
pub struct Delete {
    /// Name in the namespace.
    pub name: String,
    /// Namespace; the caller's own, or `default`, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A credential is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CredentialDeleted")]
pub struct Deleted {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
}

impl Call for Delete {
    const NAME: &'static str = "credential.delete";
    const SUMMARY: &'static str = "Takes a credential out of the vault.";
    const NEED: Need = Need::Operate;
    const ERRORS: &'static [Kind] = vault_errors!();
    type Answer = Deleted;

    keyed!();

    fn check(&self) -> Result<(), Error> {
        named(self.namespace.as_deref(), &self.name)
    }

    fn example() -> (Self, Deleted) {
        let name = "payments-api".to_owned();
        let call = Self { namespace: None, name: name.clone(), idempotency_key: None };
        (call, Deleted { namespace: "default".into(), name, position: EXAMPLE_POSITION })
    }
}

/// Lists the credentials of the namespaces that the caller looks after. The vault has to be unsealed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "CredentialList")]
pub struct List {
    /// Only those of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// All of a credential but its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Version of the value: 1, and one more with each.
    pub version: u64,
    /// Tells values of this credential apart. It changes when the vault's key is rotated.
    pub fingerprint: String,
    /// When it was put in.
    #[schemars(with = "String")]
    pub created: Timestamp,
    /// When it got this value.
    #[schemars(with = "String")]
    pub changed: Timestamp,
}

/// Credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CredentialsListed")]
pub struct Listed {
    /// By namespace and name.
    pub credentials: Vec<Credential>,
}

impl Call for List {
    const NAME: &'static str = "credential.list";
    const SUMMARY: &'static str = "Lists credentials, without their values.";
    const NEED: Need = Need::Operate;
    const ERRORS: &'static [Kind] = &[Kind::REJECTED];
    type Answer = Listed;

    fn check(&self) -> Result<(), Error> {
        self.namespace.as_deref().map_or(Ok(()), namespace)
    }

    fn example() -> (Self, Listed) {
        let at = Timestamp::from_millis(1_764_000_000_000);
        let credential = Credential {
            namespace: "default".into(),
            name: "payments-api".into(),
            version: 2,
            fingerprint: "6f1ed002ab559585".into(),
            created: at,
            changed: at,
        };
        (Self { namespace: None }, Listed { credentials: vec![credential] })
    }
}

fn namespace(text: &str) -> Result<(), Error> {
    if is_namespace(text) { Ok(()) } else { Err(Error::invalid("namespace", "is no namespace")) }
}

fn named(given: Option<&str>, name: &str) -> Result<(), Error> {
    given.map_or(Ok(()), namespace)?;
    if is_name(name) {
        Ok(())
    } else {
        Err(Error::invalid(
            "name",
            "has letters, digits, '_', '-' and '.', at most 128, and begins with none of the last two",
        ))
    }
}
