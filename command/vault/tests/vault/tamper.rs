//! What somebody does to the file behind the vault's back.

use std::fs;

use super::common::*;
use openclaw_vault::{Error, Mark, Vault, With, format};

const HEADER: usize = 256;

/// A vault with three entries in a directory, sealed, and what the log knows.
fn three() -> (tempfile::TempDir, Mark, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let (mut vault, _) = create(disk(directory.path()));
    put(&mut vault, "alpha", "first value");
    put(&mut vault, "beta", "second value");
    let mark = put(&mut vault, "gamma", "third value");
    let bytes = fs::read(directory.path().join("vault/vault")).unwrap();
    (directory, mark, bytes)
}

/// Opens bytes as a vault, as if the log knew exactly these bytes, or what `mark` says.
fn unsealed(bytes: &[u8], mark: Option<Mark>) -> Result<Vault<Power>, Error> {
    let power = Power::default();
    openclaw_vault::Files::create(&power, "vault", bytes).unwrap();
    let known = format::decode(bytes).map(|_| mark.unwrap_or_else(|| of(bytes)));
    let mut vault = Vault::open(power, Some(&known.unwrap_or_else(|_| of(bytes))))?;
    vault.unseal(With::Passphrase(&passphrase()))?;
    Ok(vault)
}

/// The mark that bytes themselves claim.
fn of(bytes: &[u8]) -> Mark {
    use sha2::Digest as _;
    let field = |at: usize| bytes.get(at..at + 8).map_or([0; 8], |field| field.try_into().unwrap());
    let vault = bytes.get(56..72).map_or([0; 16], |field| field.try_into().unwrap());
    Mark {
        vault: uuid::Uuid::from_bytes(vault),
        epoch: u64::from_le_bytes(field(72)),
        manifest: sha2::Sha256::digest(bytes).into(),
    }
}

/// Makes the checksums fit again, as an attacker does.
fn mend(bytes: &mut [u8]) {
    let header = crc32fast::hash(&bytes[..HEADER]).to_le_bytes();
    bytes[HEADER..HEADER + 4].copy_from_slice(&header);
    let end = bytes.len() - 4;
    let body = crc32fast::hash(&bytes[HEADER + 4..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&body);
}

fn at(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).unwrap()
}

#[test]
fn a_flip_of_any_bit_is_damage_and_gives_out_nothing() {
    let (_directory, mark, bytes) = three();
    assert!(unsealed(&bytes, Some(mark)).is_ok());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let error = unsealed(&flipped, Some(mark)).expect_err("a flip is noticed");
            assert!(matches!(error, Error::Damaged(_)), "byte {at} bit {bit}: {error}");
        }
    }
}

#[test]
fn a_byte_changed_by_somebody_who_mends_the_checksums_is_found_out_too() {
    let (_directory, mark, bytes) = three();
    for at in (0..bytes.len() - 4).filter(|at| !(HEADER..HEADER + 4).contains(at)) {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            mend(&mut changed);
            // Even if the log were made to know these bytes.
            let error = unsealed(&changed, None).expect_err("a change is noticed");
            let told = match &error {
                Error::Damaged(_) | Error::TamperedFile | Error::TamperedEntry | Error::Foreign => true,
                // Salt, costs and wrapped key belong to the passphrase.
                Error::WrongPassphrase => (10..184).contains(&at),
                _ => false,
            };
            assert!(told, "byte {at}: {error}");
            let text = format!("{error} {error:?}");
            for secret in ["value", "alpha", "beta", "gamma"] {
                assert!(!text.contains(secret), "byte {at}: {text}");
            }
            // The log knows the genuine one.
            assert!(unsealed(&changed, Some(mark)).is_err(), "byte {at}");
        }
    }
}

#[test]
fn cut_and_longer_files_are_damage() {
    let (_directory, mark, bytes) = three();
    for length in 0..bytes.len() {
        assert!(matches!(unsealed(&bytes[..length], Some(mark)), Err(Error::Damaged(_))), "{length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(unsealed(&longer, Some(mark)), Err(Error::Damaged(_))));
}

#[test]
fn a_file_decodes_to_what_it_was_encoded_from_and_a_newer_format_is_named() {
    let (_directory, _, bytes) = three();
    assert_eq!(format::encode(&format::decode(&bytes).unwrap()), bytes);
    let mut newer = bytes;
    newer[8] = 2;
    mend(&mut newer);
    assert_eq!(format::decode(&newer), Err(format::Damage::Newer(2)));
}

#[test]
fn costs_that_would_exhaust_the_server_are_refused_before_anything_is_allocated() {
    let (_directory, _, bytes) = three();
    for (at, value) in [(12, (1 << 20) + 1), (12, u32::MAX), (16, 11), (20, 9), (12, 0)] {
        let mut greedy = bytes.clone();
        greedy[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        mend(&mut greedy);
        assert_eq!(format::decode(&greedy), Err(format::Damage::Cost), "{at} {value}");
    }
}

#[test]
fn a_wrong_passphrase_is_told_apart_from_damage() {
    let (directory, mark, _) = three();
    let mut vault = Vault::open(disk(directory.path()), Some(&mark)).unwrap();
    let wrong = openclaw_vault::Passphrase::new("incorrect horse".into());
    assert!(matches!(vault.unseal(With::Passphrase(&wrong)), Err(Error::WrongPassphrase)));
    assert!(vault.is_sealed());
    vault.unseal(With::Passphrase(&passphrase())).unwrap();
    assert!(matches!(vault.unseal(With::Passphrase(&wrong)), Err(Error::WrongPassphrase)));
    assert!(!vault.is_sealed(), "a wrong attempt seals nothing");
}

#[test]
fn entries_swapped_between_names_are_found_out() {
    let (_directory, _, bytes) = three();
    // `alpha` and `gamma` are of the same length, and so are their entries.
    let (one, other) = (at(&bytes, b"default/alpha"), at(&bytes, b"default/gamma"));
    let rest = 13..at(&bytes, b"default/beta") - 2 - one;
    let mut swapped = bytes.clone();
    swapped[one..][rest.clone()].copy_from_slice(&bytes[other..][rest.clone()]);
    swapped[other..][rest.clone()].copy_from_slice(&bytes[one..][rest]);
    assert_ne!(swapped, bytes);
    mend(&mut swapped);
    assert!(matches!(unsealed(&swapped, None), Err(Error::TamperedEntry)));
}

#[test]
fn a_renamed_entry_is_found_out() {
    let (_directory, _, bytes) = three();
    let mut renamed = bytes.clone();
    let name = at(&bytes, b"default/gamma");
    renamed[name..name + 13].copy_from_slice(b"default/gammb");
    mend(&mut renamed);
    assert!(matches!(unsealed(&renamed, None), Err(Error::TamperedEntry)));
}

#[test]
fn a_deleted_entry_and_one_put_back_are_told_apart_from_a_changed_one() {
    let (_directory, _, bytes) = three();
    let (beta, gamma) = (at(&bytes, b"default/beta") - 2, at(&bytes, b"default/gamma") - 2);
    let mut deleted = [&bytes[..beta], &bytes[gamma..]].concat();
    deleted[244..248].copy_from_slice(&2_u32.to_le_bytes());
    let body = (deleted.len() - HEADER - 4 - 32 - 4) as u64;
    deleted[248..256].copy_from_slice(&body.to_le_bytes());
    mend(&mut deleted);
    assert!(matches!(unsealed(&deleted, None), Err(Error::TamperedFile)));

    let directory = tempfile::tempdir().unwrap();
    let (mut vault, _) = create(disk(directory.path()));
    put(&mut vault, "alpha", "old");
    let file = directory.path().join("vault/vault");
    let old = fs::read(&file).unwrap();
    let mark = put(&mut vault, "alpha", "new");
    let new = fs::read(&file).unwrap();
    let entry = at(&old, b"default/alpha");
    assert_eq!(old.len(), new.len());
    let mut back = new.clone();
    back[entry..old.len() - 36].copy_from_slice(&old[entry..old.len() - 36]);
    mend(&mut back);
    assert!(
        matches!(unsealed(&back, None), Err(Error::TamperedFile)),
        "it decrypts, and is not what was saved"
    );
    assert!(matches!(unsealed(&back, Some(mark)), Err(Error::Foreign)));
    assert!(matches!(unsealed(&old, Some(mark)), Err(Error::RolledBack { found: 2, expected: 3 })));
}

#[test]
fn a_file_that_the_log_does_not_know_is_refused() {
    let (_directory, mark, bytes) = three();
    let foreign = Mark { vault: uuid::Uuid::from_u128(7), ..mark };
    let error = unsealed(&bytes, Some(foreign)).unwrap_err();
    assert!(matches!(error, Error::Foreign), "{error}");
    let ahead = Mark { epoch: mark.epoch - 2, ..mark };
    assert!(matches!(unsealed(&bytes, Some(ahead)), Err(Error::Foreign)), "more than one write ahead");
    let other = Mark { epoch: mark.epoch - 1, manifest: [7; 32], ..mark };
    assert!(matches!(unsealed(&bytes, Some(other)), Err(Error::Foreign)), "one ahead of another file");
    let power = Power::default();
    openclaw_vault::Files::create(&power, "vault", &bytes).unwrap();
    assert!(matches!(Vault::open(power, None), Err(Error::Foreign)), "the log knows none");
    let gone = Vault::open(Power::default(), Some(&mark)).unwrap_err();
    assert!(matches!(gone, Error::Gone { expected: 4 }), "{gone}");
}

#[test]
fn an_export_is_no_vault_and_a_vault_is_no_export() {
    let (directory, mark, bytes) = three();
    let mut vault = Vault::open(disk(directory.path()), Some(&mark)).unwrap();
    vault.unseal(With::Passphrase(&passphrase())).unwrap();
    let export = vault.export(&passphrase()).unwrap();
    assert!(matches!(unsealed(&export, None), Err(Error::Foreign)));
    let taken = vault.import(&bytes, &passphrase(), openclaw_vault::Conflict::Replace, now());
    assert!(matches!(taken, Err(Error::Foreign)));
    let mut dressed = export;
    dressed[10] = 1;
    mend(&mut dressed);
    assert!(matches!(unsealed(&dressed, None), Err(Error::WrongPassphrase)), "its kind is bound to its key");
}
