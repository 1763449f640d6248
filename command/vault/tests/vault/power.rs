//! The power is cut before each operation of each change: the old file or the new one opens, and nothing that was said to be
//! stored is lost.

use super::common::*;
use openclaw_vault::{Conflict, Error, Mark, Passphrase, Standing, Vault, With};

type Change = fn(&mut Vault<Power>) -> Result<(), Error>;

fn all(vault: &Vault<Power>) -> Vec<(String, String)> {
    let names = vault.list().unwrap().into_iter().map(|entry| entry.name);
    names.map(|name| (name.to_string(), vault.reveal(&name).unwrap().0.expose().to_owned())).collect()
}

/// Cuts the power at every operation of `change`, with every fate of what was not on the disk. Says how many cuts there
/// were.
fn cut_everywhere(change: Change, passphrases: [Passphrase; 2]) -> u32 {
    for operations in 0.. {
        let power = Power::default();
        let (mut vault, _) = create(power.clone());
        put(&mut vault, "one", "first");
        put(&mut vault, "two", "second");
        let mark = put(&mut vault, "three", "third");
        let before = all(&vault);
        power.cut_after(operations);
        let changed = change(&mut vault);
        let finished = changed.is_ok();
        let after = finished.then(|| (vault.mark(), all(&vault)));
        for fate in FATES {
            reopen(&power.after(fate), mark, &before, after.as_ref(), &passphrases, (operations, fate));
        }
        if finished {
            return operations;
        }
        assert_eq!(power.done(), operations, "the cut was felt at once");
    }
    unreachable!("a change has an end")
}

fn reopen(
    disk: &Power,
    mark: Mark,
    before: &[(String, String)],
    after: Option<&(Mark, Vec<(String, String)>)>,
    passphrases: &[Passphrase; 2],
    at: (u32, Unsynced),
) {
    let mut vault = Vault::open(disk.clone(), Some(&mark)).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    let new = vault.standing() == Standing::Ahead;
    if after.is_some() {
        assert!(new, "{at:?}: it was said to be stored");
    }
    assert_eq!(vault.epoch(), mark.epoch + u64::from(new), "{at:?}");
    vault.unseal(With::Passphrase(&passphrases[usize::from(new)])).unwrap_or_else(|e| panic!("{at:?}: {e}"));
    match after {
        Some((mark, values)) => assert!(vault.mark() == *mark && all(&vault) == *values, "{at:?}"),
        None if !new => assert_eq!(all(&vault), before, "{at:?}"),
        None => assert!(all(&vault).len() + 1 >= before.len(), "{at:?}"),
    }
    vault.recorded();
    vault.put(&name("later"), "goes on", now()).unwrap_or_else(|error| panic!("{at:?}: {error}"));
}

#[test]
fn power_lost_while_a_credential_is_rotated_leaves_the_old_or_the_new_file() {
    let cuts = cut_everywhere(
        |vault| vault.rotate(&name("two"), "changed", now()).map(drop),
        [passphrase(), passphrase()],
    );
    assert_eq!(cuts, 8, "remove, name, bytes, sync, read, rename, sync, read");
}

#[test]
fn power_lost_while_the_key_is_rotated_leaves_the_old_or_the_new_file() {
    let cuts =
        cut_everywhere(|vault| vault.rotate_key(&passphrase()).map(drop), [passphrase(), passphrase()]);
    assert_eq!(cuts, 8);
}

#[test]
fn power_lost_while_the_passphrase_changes_leaves_the_old_or_the_new_one() {
    let new = || Passphrase::new("battery staple".into());
    let cuts = cut_everywhere(
        |vault| {
            let new = Passphrase::new("battery staple".into());
            vault.change_passphrase(With::Passphrase(&passphrase()), &new)
        },
        [passphrase(), new()],
    );
    assert_eq!(cuts, 8);
}

#[test]
fn power_lost_while_credentials_are_deleted_or_imported_leaves_the_old_or_the_new_file() {
    assert_eq!(cut_everywhere(|vault| vault.delete(&name("one")), [passphrase(), passphrase()]), 8);
    let import: Change = |vault| {
        let export = {
            let (mut other, _) = create(Power::default());
            put(&mut other, "two", "from elsewhere");
            put(&mut other, "four", "new");
            other.export(&passphrase()).unwrap()
        };
        vault.import(&export, &passphrase(), Conflict::Replace, now()).map(drop)
    };
    assert_eq!(cut_everywhere(import, [passphrase(), passphrase()]), 8);
}

#[test]
fn power_lost_while_a_vault_is_made_leaves_none_or_one_that_opens() {
    for operations in 0..12 {
        let power = Power::default();
        power.cut_after(operations);
        let made = Vault::create(power.clone(), &passphrase(), cost(), ID).is_ok();
        for fate in FATES {
            match Vault::open(power.after(fate), None) {
                Ok(mut vault) => {
                    assert_eq!(vault.standing(), Standing::Ahead);
                    vault.unseal(With::Passphrase(&passphrase())).unwrap();
                }
                Err(Error::NotInitialised) => assert!(!made, "{operations} {fate:?}"),
                Err(error) => panic!("{operations} {fate:?}: {error}"),
            }
        }
    }
}

#[test]
fn a_change_whose_end_is_unknown_stops_all_others_until_the_vault_is_opened_again() {
    let power = Power::default();
    let (mut vault, _) = create(power.clone());
    let mark = put(&mut vault, "one", "first");
    // Removing, name, bytes, sync, reading and renaming work; bringing the names to the disk does not.
    power.cut_after(6);
    assert!(matches!(vault.put(&name("one"), "second", now()), Err(Error::Uncertain { source: Some(_) })));
    power.cut_after(u32::MAX);
    assert!(matches!(vault.put(&name("one"), "third", now()), Err(Error::Uncertain { source: None })));
    drop(vault);
    let mut vault = Vault::open(power, Some(&mark)).unwrap();
    vault.unseal(With::Passphrase(&passphrase())).unwrap();
    assert_eq!(vault.standing(), Standing::Ahead);
    assert_eq!(vault.reveal(&name("one")).unwrap().0.expose(), "second");
}
