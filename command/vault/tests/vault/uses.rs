//! What a vault does for those who use it rightly, and where it keeps its file.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use super::common::*;
use openclaw_vault::{Conflict, Disk, Error, Name, Passphrase, Problem, RecoveryKey, Vault, With, format};

#[test]
fn what_is_put_in_comes_out_until_the_vault_is_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut vault, _) = create(disk(directory.path()));
    let first = vault.put(&name("token"), "s3cret", now()).unwrap();
    assert_eq!(first.version, 1);
    assert!(matches!(vault.put(&name("token"), "other", now()), Err(Error::Unrecorded)));
    vault.recorded();
    let (value, version) = vault.reveal(&name("token")).unwrap();
    assert_eq!((value.expose(), version), ("s3cret", 1));
    let second = vault.rotate(&name("token"), "other", now().plus_millis(5)).unwrap();
    vault.recorded();
    assert_eq!((second.version, second.created, second.changed), (2, now(), now().plus_millis(5)));
    assert_ne!(first.fingerprint, second.fingerprint);
    assert!(matches!(vault.rotate(&name("none"), "x", now()), Err(Error::Missing)));
    let mark = vault.mark();
    vault.seal();
    assert!(matches!(vault.reveal(&name("token")), Err(Error::Sealed)));
    assert!(matches!(vault.list(), Err(Error::Sealed)));
    assert!(matches!(vault.put(&name("token"), "x", now()), Err(Error::Sealed)));
    assert!(matches!(vault.delete(&name("token")), Err(Error::Sealed)));
    assert!(matches!(vault.export(&passphrase()), Err(Error::Sealed)));
    assert!(matches!(vault.keyed_digest(&[b"x"]), Err(Error::Sealed)));
    drop(vault);

    let mut vault = Vault::open(disk(directory.path()), Some(&mark)).unwrap();
    assert!(vault.is_sealed());
    vault.unseal(With::Passphrase(&passphrase())).unwrap();
    assert_eq!(vault.list().unwrap(), [second]);
    vault.delete(&name("token")).unwrap();
    vault.recorded();
    assert!(vault.is_empty());
    assert!(matches!(vault.reveal(&name("token")), Err(Error::Missing)));
    assert!(matches!(vault.delete(&name("token")), Err(Error::Missing)));
}

#[test]
fn nothing_of_a_value_is_in_the_file_or_in_what_can_be_printed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut vault, _) = create(disk(directory.path()));
    put(&mut vault, "token", "canary-of-the-vault");
    let bytes = fs::read(directory.path().join("vault/vault")).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
    let sealed = format::decode(&bytes).unwrap();
    let printed = format!("{vault:?} {sealed:?} {:?} {:?}", vault.list(), vault.reveal(&name("token")));
    assert!(!printed.contains("canary"), "{printed}");
    // Values of one to sixty bytes look alike from outside.
    put(&mut vault, "token", "x");
    assert_eq!(fs::read(directory.path().join("vault/vault")).unwrap().len(), bytes.len());
}

#[test]
fn a_fingerprint_knows_a_value_again_under_its_name_only() {
    let (mut vault, _) = create(Power::default());
    let first = vault.put(&name("a"), "same", now()).unwrap().fingerprint;
    vault.recorded();
    let again = vault.put(&name("a"), "same", now()).unwrap().fingerprint;
    vault.recorded();
    let other = vault.put(&name("b"), "same", now()).unwrap().fingerprint;
    vault.recorded();
    assert!(first == again && first != other);
    assert_eq!(first.to_string().len(), 16);
    vault.rotate_key(&passphrase()).unwrap();
    assert_ne!(vault.entry(&name("a")).unwrap().fingerprint, first, "the key is another");
    let (mut twin, _) = create(Power::default());
    assert_ne!(twin.put(&name("a"), "same", now()).unwrap().fingerprint, first, "keyed");
}

#[test]
fn rotating_the_key_keeps_values_and_ends_the_old_recovery_key() {
    let directory = tempfile::tempdir().unwrap();
    let (mut vault, old) = create(disk(directory.path()));
    put(&mut vault, "a", "one");
    put(&mut vault, "b", "two");
    assert!(matches!(vault.rotate_key(&Passphrase::new("not the one".into())), Err(Error::WrongPassphrase)));
    let new = vault.rotate_key(&passphrase()).unwrap();
    vault.recorded();
    let mark = vault.mark();
    drop(vault);
    let mut vault = Vault::open(disk(directory.path()), Some(&mark)).unwrap();
    assert_eq!(vault.key_generation(), 2);
    assert!(matches!(vault.unseal(With::RecoveryKey(&old)), Err(Error::WrongRecoveryKey)));
    let written = RecoveryKey::from_text(&new.to_text()).unwrap();
    vault.unseal(With::RecoveryKey(&written)).unwrap();
    assert_eq!(vault.reveal(&name("b")).unwrap().0.expose(), "two");
    assert_eq!(vault.entry(&name("a")).unwrap().version, 1);
}

#[test]
fn passphrase_and_recovery_key_can_each_be_replaced_with_the_other() {
    let (mut vault, recovery) = create(Power::default());
    put(&mut vault, "a", "one");
    let new = Passphrase::new("battery staple".into());
    let weak = Passphrase::new("seven77".into());
    assert!(matches!(
        vault.change_passphrase(With::RecoveryKey(&recovery), &weak),
        Err(Error::WeakPassphrase)
    ));
    vault.change_passphrase(With::RecoveryKey(&recovery), &new).unwrap();
    vault.recorded();
    assert!(matches!(vault.unseal(With::Passphrase(&passphrase())), Err(Error::WrongPassphrase)));
    let other = vault.new_recovery_key(With::Passphrase(&new)).unwrap();
    vault.recorded();
    vault.seal();
    assert!(matches!(vault.unseal(With::RecoveryKey(&recovery)), Err(Error::WrongRecoveryKey)));
    vault.unseal(With::RecoveryKey(&other)).unwrap();
    vault.unseal(With::Passphrase(&new)).unwrap();
    assert_eq!(vault.reveal(&name("a")).unwrap().0.expose(), "one");
}

#[test]
fn an_export_is_taken_in_wholly_and_keeps_or_replaces_what_is_there() {
    let (mut from, _) = create(Power::default());
    put(&mut from, "same", "equal");
    put(&mut from, "both", "theirs");
    put(&mut from, "new", "fresh");
    let away = Passphrase::new("for the journey".into());
    let export = from.export(&away).unwrap();
    for (conflict, expected) in [(Conflict::Keep, "ours"), (Conflict::Replace, "theirs")] {
        let (mut to, _) = create(Power::default());
        put(&mut to, "same", "equal");
        put(&mut to, "both", "ours");
        let epoch = to.epoch();
        assert!(matches!(to.import(&export, &passphrase(), conflict, now()), Err(Error::WrongPassphrase)));
        let import = to.import(&export, &away, conflict, now()).unwrap();
        to.recorded();
        assert_eq!(to.epoch(), epoch + 1, "one write");
        assert_eq!(to.reveal(&name("both")).unwrap().0.expose(), expected);
        assert_eq!(to.reveal(&name("new")).unwrap().0.expose(), "fresh");
        assert!(import.kept.contains(&name("same")) && !import.kept.contains(&name("new")));
        assert_eq!(import.taken.len(), if conflict == Conflict::Keep { 1 } else { 2 });
        let again = to.import(&export, &away, conflict, now()).unwrap();
        assert!(again.taken.is_empty() && to.epoch() == epoch + 1, "nothing to write");
    }
}

#[test]
fn no_nonce_is_used_twice() {
    let (mut vault, _) = create(Power::default());
    let mut seen = BTreeSet::new();
    for round in 0..300 {
        put(&mut vault, "a", "same value");
        if round % 50 == 0 {
            vault.rotate_key(&passphrase()).unwrap();
            vault.recorded();
        }
        let files = openclaw_vault::Files::read(vault_files(&vault), "vault").unwrap().unwrap();
        let name = files.windows(9).position(|window| window == b"default/a").unwrap();
        let nonce = files[name + 9 + 32..name + 9 + 44].to_vec();
        assert!(seen.insert(nonce), "round {round}");
    }
}

fn vault_files(vault: &Vault<Power>) -> &Power {
    vault.files()
}

#[test]
fn only_one_has_the_vault_and_no_update_of_a_hundred_rounds_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (vault, _) = create(disk(directory.path()));
    assert!(matches!(Vault::open(disk(directory.path()), Some(&vault.mark())), Err(Error::InUse)));
    let mark = std::sync::Mutex::new(vault.mark());
    drop(vault);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (mark, path) = (&mark, directory.path());
            scope.spawn(move || {
                for round in 0..25 {
                    loop {
                        // What the log knows may be older than the file by the time it is opened: read it under the lock.
                        let known = mark.lock().unwrap();
                        match Vault::open(disk(path), Some(&known)) {
                            Ok(mut vault) => {
                                drop(known);
                                vault.unseal(With::Passphrase(&passphrase())).unwrap();
                                vault.put(&name(&format!("w{writer}-{round}")), "x", now()).unwrap();
                                *mark.lock().unwrap() = vault.mark();
                                break;
                            }
                            Err(Error::InUse) => drop(known),
                            Err(error) => panic!("{error}"),
                        }
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    let mark = *mark.lock().unwrap();
    let mut vault = Vault::open(disk(directory.path()), Some(&mark)).unwrap();
    vault.unseal(With::Passphrase(&passphrase())).unwrap();
    assert_eq!((vault.len(), vault.epoch()), (100, 101));
}

#[test]
fn the_file_is_its_owners_alone_and_any_other_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut vault, _) = create(disk(directory.path()));
    let mark = put(&mut vault, "a", "one");
    drop(vault);
    let folder = directory.path().join("vault");
    let file = folder.join("vault");
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert!(!folder.join("vault.next").exists());

    let open = || Vault::open(Disk::open(&folder)?, Some(&mark)).map(drop);
    let chmod =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open().unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
        chmod(&file, mode);
        let refused = open();
        assert!(
            matches!(refused, Err(Error::Untrusted { problem: Problem::Mode(found), .. }) if found == mode),
            "{refused:?}"
        );
    }
    chmod(&file, 0o600);
    chmod(&folder, 0o750);
    assert!(matches!(open(), Err(Error::Untrusted { problem: Problem::Mode(0o750), .. })));
    chmod(&folder, 0o700);

    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert!(matches!(open(), Err(Error::Untrusted { problem: Problem::Kind, .. })));
    fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        &file,
        rustix::fs::Mode::RWXU & rustix::fs::Mode::from_bits_truncate(0o600),
    )
    .unwrap();
    assert!(
        matches!(open(), Err(Error::Untrusted { problem: Problem::Kind, .. })),
        "and nobody waits for it"
    );
    fs::remove_file(&file).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    open().unwrap();
    let link = directory.path().join("link");
    symlink(&folder, &link).unwrap();
    assert!(matches!(Disk::open(&link), Err(Error::Untrusted { problem: Problem::Kind, .. })));
    if rustix::process::geteuid().is_root() {
        rustix::fs::chown(&file, Some(rustix::fs::Uid::from_raw(65534)), None).unwrap();
        assert!(matches!(
            open(),
            Err(Error::Untrusted { problem: Problem::Owner { found: 65534, own: 0 }, .. })
        ));
    }
}

#[test]
fn a_vault_is_made_once_and_with_a_passphrase_worth_the_name() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Vault::open(disk(directory.path()), None), Err(Error::NotInitialised)));
    let weak = Vault::create(disk(directory.path()), &Passphrase::new("seven77".into()), cost(), ID);
    assert!(matches!(weak, Err(Error::WeakPassphrase)));
    drop(create(disk(directory.path())));
    let again = Vault::create(disk(directory.path()), &passphrase(), cost(), ID);
    assert!(matches!(again, Err(Error::AlreadyInitialised)));
}

#[test]
fn names_and_values_have_limits() {
    let (mut vault, _) = create(Power::default());
    for (namespace, name) in [("", "a"), ("A", "a"), ("a", ""), ("a", "b/c"), ("a", "../b"), ("a/b", "c")] {
        assert!(matches!(Name::new(namespace, name), Err(Error::BadName)), "{namespace} {name}");
    }
    let longest = "x".repeat(format::MAX_VALUE);
    vault.put(&name("a"), &longest, now()).unwrap();
    vault.recorded();
    assert_eq!(vault.reveal(&name("a")).unwrap().0.expose(), longest);
    assert!(matches!(vault.put(&name("a"), &format!("{longest}x"), now()), Err(Error::TooMuch(_))));
    vault.put(&name("a"), "", now()).unwrap();
    assert_eq!(vault.reveal(&name("a")).unwrap().0.expose(), "");
}
