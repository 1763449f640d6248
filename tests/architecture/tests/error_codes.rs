//! Every code that the source can give has an entry in the error pages, and no entry is about a code that is gone.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two levels deep")
        .to_owned()
}

/// Codes look like `OC-LOG-001`.
fn codes(text: &str) -> BTreeSet<String> {
    text.match_indices("OC-")
        .filter_map(|(at, _)| {
            let rest = &text[at + 3..];
            let family = rest.chars().take_while(char::is_ascii_uppercase).count();
            let number = rest.get(family + 1..family + 4)?;
            let whole = family > 0
                && rest.as_bytes()[family] == b'-'
                && number.bytes().all(|byte| byte.is_ascii_digit());
            whole.then(|| text[at..at + 3 + family + 4].to_owned())
        })
        .collect()
}

fn in_sources(under: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(under).expect("a readable directory").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if name != "target" && name != "tests" && name != ".git" {
                in_sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            found.extend(codes(&fs::read_to_string(&path).expect("UTF-8")));
        }
    }
}

#[test]
fn every_code_has_an_entry_and_every_entry_a_code() {
    let mut given = BTreeSet::new();
    in_sources(&root(), &mut given);
    assert!(given.len() > 60, "the sources were not found");
    let page = fs::read_to_string(root().join("ops/docs/errors.md")).expect("the error pages");
    let described: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next().map(str::to_owned))
        .filter(|word| word.starts_with("OC-"))
        .collect();
    let missing: Vec<_> = given.difference(&described).collect();
    let gone: Vec<_> = described.difference(&given).collect();
    assert!(missing.is_empty() && gone.is_empty(), "without an entry: {missing:?}; without a code: {gone:?}");
}
