//! Everything that is linked has a licence that we accept. The list is that of `deny.toml`, which `cargo deny` reads;
//! this test needs no other tool and no network.

use std::{collections::BTreeSet, fs, path::Path};

use cargo_metadata::MetadataCommand;

fn accepted() -> BTreeSet<String> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two levels deep");
    let text = fs::read_to_string(root.join("deny.toml")).expect("deny.toml");
    let list = text
        .split_once("allow = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("a list of licences")
        .0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met with the accepted licences. Alternatives bind weaker than conjunctions.
fn is_met(expression: &str, accepted: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = any(&tokens, accepted);
    assert!(rest.is_empty(), "{expression:?} is no licence expression");
    met
}

fn any<'a>(tokens: &'a [&'a str], accepted: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = all(tokens, accepted);
    while let ["OR", more @ ..] = rest {
        let (other, left) = all(more, accepted);
        (met, rest) = (met | other, left);
    }
    (met, rest)
}

fn all<'a>(tokens: &'a [&'a str], accepted: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = one(tokens, accepted);
    while let ["AND", more @ ..] = rest {
        let (other, left) = one(more, accepted);
        (met, rest) = (met & other, left);
    }
    (met, rest)
}

fn one<'a>(tokens: &'a [&'a str], accepted: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    match tokens {
        ["(", inner @ ..] => {
            let (met, rest) = any(inner, accepted);
            (met, rest.strip_prefix(&[")"]).expect("a closing parenthesis"))
        }
        [licence, "WITH", exception, rest @ ..] => {
            (accepted.contains(&format!("{licence} WITH {exception}")), rest)
        }
        [licence, rest @ ..] => (accepted.contains(*licence), rest),
        [] => panic!("a licence is missing"),
    }
}

#[test]
fn every_dependency_has_an_accepted_licence() {
    let accepted = accepted();
    let metadata = MetadataCommand::new()
        .other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()])
        .exec()
        .expect("cargo describes the dependencies");
    let used = metadata.resolve.as_ref().expect("cargo resolves the dependencies");
    let used: BTreeSet<_> = used.nodes.iter().map(|node| &node.id).collect();
    assert!(used.len() > 200, "the dependencies were not found");
    let refused: Vec<_> = metadata
        .packages
        .iter()
        .filter(|package| used.contains(&package.id))
        .filter(|package| !package.license.as_deref().is_some_and(|licence| is_met(licence, &accepted)))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let accepted = BTreeSet::from(["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()]);
    for met in
        ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND MIT", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(is_met(met, &accepted), "{met}");
    }
    for unmet in ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 OR MIT AND GPL-2.0", "Apache-2.0"] {
        assert!(!is_met(unmet, &accepted), "{unmet}");
    }
}
