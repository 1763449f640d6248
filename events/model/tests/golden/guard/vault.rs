//! The vault.

use openclaw_model::{
    Digest, Event,
    event::{VaultEvent, vault::*},
};

pub(crate) const TYPES: &[&str] = &[
    "vault.created",
    "vault.saved",
    "vault.key_rotated",
    "vault.passphrase_changed",
    "vault.recovery_key_changed",
    "vault.imported",
    "vault.exported",
    "vault.unsealed",
    "vault.sealed",
    "vault.refused",
];

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let saved = |epoch: u64| VaultSaved {
        vault: "0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a11".into(),
        epoch,
        manifest: Digest([u8::try_from(epoch).unwrap_or_default(); 32]),
    };
    let refused =
        VaultRefused { code: "OC-VLT-002".into(), reason: "the passphrase does not open the vault".into() };
    [
        VaultEvent::Created(saved(1)),
        VaultEvent::Saved(saved(2)),
        VaultEvent::KeyRotated(saved(3)),
        VaultEvent::PassphraseChanged(saved(4)),
        VaultEvent::RecoveryKeyChanged(saved(5)),
        VaultEvent::Imported(saved(6)),
        VaultEvent::Exported(VaultExported { credentials: 3 }),
        VaultEvent::Unsealed(VaultUnsealed { with: "passphrase".into(), epoch: 6 }),
        VaultEvent::Sealed(VaultSealed {}),
        VaultEvent::Refused(refused),
    ]
    .map(|event| ("", Event::from(event)))
    .to_vec()
}
