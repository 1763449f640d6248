//! `vault.*`: making, opening and closing the vault, its keys, and copies of it.

use openclaw_model::{Position, access::Need};
use openclaw_ports::vault::With;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Call, EXAMPLE_POSITION, Kind,
    credential::{Credential, vault_errors},
    secret::Secret,
};
use crate::rpc::error::Error;

/// Longest passphrase, in bytes.
const MAX_PASSPHRASE: usize = 4_096;

/// Declares parameters of secrets and plain fields, and the call.
macro_rules! vault_call {
    ($(#[$doc:meta])* $name:ident = $method:literal, $rename:literal, $summary:literal => $answer:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $example:expr,)*
    } check $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[schemars(rename = $rename)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Call for $name {
            const NAME: &'static str = $method;
            const SUMMARY: &'static str = $summary;
            const NEED: Need = Need::Operate;
            const ERRORS: &'static [Kind] = vault_errors!();
            type Answer = $answer;

            fn check(&self) -> Result<(), Error> {
                let check: fn(&Self) -> Result<(), Error> = $check;
                check(self)
            }

            fn example() -> (Self, $answer) {
                (Self { $($field: $example,)* }, $answer::example())
            }
        }
    };
}

vault_call! {
    /// Says how the vault is.
    Status = "vault.status", "VaultStatus", "Says how the vault is." => Standing {} check |_| Ok(())
}

vault_call! {
    /// Makes the vault. The answer holds its recovery key, which is shown only now: write it down.
    Init = "vault.init", "VaultInit", "Makes the vault." => Made {
        /// The passphrase, at least 8 characters.
        passphrase: Secret = Secret::example(),
    } check |call| short("passphrase", &call.passphrase)
}

vault_call! {
    /// Makes the credentials of the vault usable. Give the passphrase or the recovery key. One attempt is made at a time;
    /// after five wrong ones within a minute there is a pause, which grows.
    Unseal = "vault.unseal", "VaultUnseal", "Makes the credentials of the vault usable." => Standing {
        /// The passphrase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret> = Some(Secret::example()),
        /// The recovery key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovery_key: Option<Secret> = None,
    } check |call| one(&call.passphrase, &call.recovery_key)
}

vault_call! {
    /// Forgets the key of the vault: no credential can be used until it is unsealed.
    Seal = "vault.seal", "VaultSeal", "Forgets the key of the vault." => Standing {} check |_| Ok(())
}

vault_call! {
    /// Gives the vault another key and encrypts everything anew, while it is in use. The answer holds the new recovery key;
    /// the old one opens nothing any more. Fingerprints change.
    RotateKey = "vault.rotate_key", "VaultRotateKey", "Gives the vault another key." => Made {
        /// The passphrase.
        passphrase: Secret = Secret::example(),
    } check |call| short("passphrase", &call.passphrase)
}

vault_call! {
    /// Sets another passphrase. Give the old one or the recovery key.
    ChangePassphrase = "vault.change_passphrase", "VaultChangePassphrase", "Sets another passphrase." => Recorded {
        /// The new passphrase, at least 8 characters.
        new_passphrase: Secret = Secret::example(),
        /// The old passphrase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret> = Some(Secret::example()),
        /// The recovery key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovery_key: Option<Secret> = None,
    } check |call| {
        one(&call.passphrase, &call.recovery_key)?;
        short("newPassphrase", &call.new_passphrase)
    }
}

vault_call! {
    /// Makes another recovery key; the old one opens nothing any more. Give the passphrase or the old one.
    NewRecoveryKey = "vault.new_recovery_key", "VaultNewRecoveryKey", "Makes another recovery key." => Made {
        /// The passphrase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret> = Some(Secret::example()),
        /// The recovery key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovery_key: Option<Secret> = None,
    } check |call| one(&call.passphrase, &call.recovery_key)
}

vault_call! {
    /// Gives out a copy of all credentials, encrypted with a passphrase of its own.
    Export = "vault.export", "VaultExport", "Gives out an encrypted copy of all credentials." => Copy {
        /// The passphrase of the copy, at least 8 characters.
        passphrase: Secret = Secret::example(),
    } check |call| short("passphrase", &call.passphrase)
}

vault_call! {
    /// Takes in the credentials of a copy that `vault.export` gave out, all or nothing.
    Import = "vault.import", "VaultImport", "Takes in the credentials of a copy." => Imported {
        /// The copy, in base 64.
        file: String = "T0NWQVVMVBo=".into(),
        /// Its passphrase.
        passphrase: Secret = Secret::example(),
        /// Whether values of the same name are replaced; they stay otherwise.
        #[serde(default)]
        replace: bool = false,
    } check |call| short("passphrase", &call.passphrase)
}

/// How the vault is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VaultStanding")]
pub struct Standing {
    /// `absent`, `sealed`, `unsealed` or `refused`.
    pub state: String,
    /// Why its file is refused, with a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// How often its file was written.
    pub epoch: u64,
    /// How many credentials there are.
    pub credentials: u64,
    /// How many keys it had.
    pub key_generation: u64,
}

impl Standing {
    fn example() -> Self {
        Self {
            state: "unsealed".into(),
            reason: None,
            vault: Some("0192f0c1-7000-7000-8000-000000000001".into()),
            epoch: 7,
            credentials: 3,
            key_generation: 1,
        }
    }
}

/// There is a new recovery key. It is shown only now.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VaultMade")]
pub struct Made {
    /// The recovery key, to be written down and kept elsewhere.
    pub recovery_key: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.recovery_key);
    }
}

impl Made {
    fn example() -> Self {
        let groups = ["0000000"; 8];
        Self { recovery_key: groups.join("-"), position: EXAMPLE_POSITION }
    }
}

/// It is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VaultRecorded")]
pub struct Recorded {
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
}

impl Recorded {
    fn example() -> Self {
        Self { position: EXAMPLE_POSITION }
    }
}

/// A copy of the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VaultCopy")]
pub struct Copy {
    /// The copy, in base 64.
    pub file: String,
    /// How many credentials are in it.
    pub credentials: u64,
}

impl Copy {
    fn example() -> Self {
        Self { file: "T0NWQVVMVBo=".into(), credentials: 3 }
    }
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VaultImported")]
pub struct Imported {
    /// What was taken in.
    pub taken: Vec<Credential>,
    /// What stayed as it was, as `NAMESPACE/NAME`.
    pub kept: Vec<String>,
    /// Log position of the command's last event; of the log if there was nothing to do.
    #[schemars(with = "u64")]
    pub position: Position,
}

impl Imported {
    fn example() -> Self {
        Self { taken: Vec::new(), kept: vec!["default/payments-api".into()], position: EXAMPLE_POSITION }
    }
}

/// What was given to open the vault with.
pub(crate) fn with(passphrase: Option<Secret>, recovery_key: Option<Secret>) -> Option<With> {
    match (passphrase, recovery_key) {
        (Some(passphrase), None) => Some(With::Passphrase(passphrase.into_revealed())),
        (None, Some(key)) => Some(With::RecoveryKey(key.into_revealed())),
        _ => None,
    }
}

fn one(passphrase: &Option<Secret>, recovery_key: &Option<Secret>) -> Result<(), Error> {
    match (passphrase, recovery_key) {
        (Some(one), None) => short("passphrase", one),
        (None, Some(one)) => short("recoveryKey", one),
        _ => Err(Error::invalid("passphrase", "or recoveryKey has to be given, and not both")),
    }
}

fn short(field: &'static str, secret: &Secret) -> Result<(), Error> {
    if secret.bytes() > MAX_PASSPHRASE {
        return Err(Error::invalid(field, format!("is longer than {MAX_PASSPHRASE} bytes")));
    }
    Ok(())
}
