//! Every kept input, and seeded mutations of them, through every target. A failure prints the input.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use openclaw_fuzz::{Mutator, TARGETS};

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(&directory)
        .expect("every target has a corpus")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    // Mutations depend on the order.
    paths.sort();
    assert!(!paths.is_empty(), "the corpus of {name} is empty");
    paths.iter().map(|path| fs::read(path).expect("a readable file")).collect()
}

fn attempt(name: &str, run: fn(&[u8]), bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| run(bytes))).is_err() {
        panic!("{name} fails on {}", bytes.escape_ascii());
    }
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    let kept = corpus(name);
    for bytes in &kept {
        attempt(name, target.run, bytes);
    }
    let mut mutator = Mutator::new(0x6f70_656e);
    let mut last = kept[0].clone();
    for round in 0..target.mutations as usize {
        let input = &kept[round % kept.len()];
        let other = &kept[(round / kept.len() + 1) % kept.len()];
        // Every other time the last mutation is mutated again, so that inputs drift away from what is kept.
        let base = if round % 2 == 0 { input } else { &last };
        let bytes = mutator.mutate(base, other);
        attempt(name, target.run, &bytes);
        last = bytes;
    }
}

/// One test for each target, so that they run side by side.
macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replays! {
    rpc cloudevents graphql graphql_ws cursor workflow_yaml workflow_json expression template frame record sealed event
    sandbox vault destination handle
}

#[test]
fn every_target_is_replayed_here_and_run_by_libfuzzer() {
    let targets: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(targets, REPLAYED);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("cargo-fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the targets of libFuzzer");
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "libFuzzer does not run {target}");
    }
}
