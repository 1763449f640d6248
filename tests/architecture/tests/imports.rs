//! Who may import whom. A forbidden edge fails with both names.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Of our own crates, what each may depend on. A crate that is not here is not allowed at all.
const MAY: &[(&str, &[&str])] = &[
    ("openclaw-model", &[]),
    ("openclaw-log", &["openclaw-model"]),
    ("openclaw-sled", &["openclaw-model", "openclaw-log"]),
    ("openclaw-audit", &["openclaw-model", "openclaw-log"]),
    ("openclaw-core", &["openclaw-model"]),
    ("openclaw-workflow", &["openclaw-model", "openclaw-core"]),
    ("openclaw-ports", &["openclaw-model", "openclaw-core"]),
    ("openclaw-sandbox", &["openclaw-model", "openclaw-ports"]),
    ("openclaw-vault", &["openclaw-model", "openclaw-ports"]),
    ("openclaw-egress", &["openclaw-model", "openclaw-ports"]),
    (
        "openclaw-gateway",
        &["openclaw-model", "openclaw-log", "openclaw-core", "openclaw-workflow", "openclaw-ports"],
    ),
    (
        "openclaw-runtime",
        &[
            "openclaw-model",
            "openclaw-log",
            "openclaw-core",
            "openclaw-workflow",
            "openclaw-ports",
            "openclaw-gateway",
            "openclaw-egress",
        ],
    ),
    ("openclaw-projection", &["openclaw-model", "openclaw-log", "openclaw-core"]),
    ("openclaw-query", &["openclaw-model", "openclaw-log", "openclaw-projection"]),
    ("openclaw-client", &["openclaw-model"]),
];

/// These compose or test the house and may depend on all of it.
const ANY: &[&str] =
    &["openclaw-server", "openclaw-suite", "openclaw-bench", "openclaw-fuzz", "openclaw-architecture-tests"];

/// Cores decide; they have no business with the world.
const PURE: &[&str] = &["openclaw-model", "openclaw-core", "openclaw-workflow"];
const WORLDLY: &[&str] = &[
    "tokio",
    "futures-util",
    "reqwest",
    "axum",
    "hyper",
    "sled",
    "sqlx",
    "rustix",
    "rand",
    "getrandom",
    "tempfile",
];

fn own_crates() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo describes this workspace");
    metadata
        .packages
        .iter()
        .map(|package| {
            let normal = package.dependencies.iter().filter(|edge| edge.kind == DependencyKind::Normal);
            (package.name.to_string(), normal.map(|edge| edge.name.clone()).collect())
        })
        .collect()
}

#[test]
fn crates_import_only_what_the_house_allows() {
    let crates = own_crates();
    let mut forbidden = Vec::new();
    for (name, edges) in &crates {
        if ANY.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY.iter().find(|(known, _)| known == name) else {
            forbidden.push(format!("{name} has no place in the import table"));
            continue;
        };
        let own = edges.iter().filter(|edge| crates.contains_key(*edge));
        forbidden.extend(
            own.filter(|edge| !allowed.contains(&edge.as_str())).map(|edge| format!("{name} -> {edge}")),
        );
    }
    assert!(forbidden.is_empty(), "forbidden imports: {forbidden:#?}");
}

#[test]
fn pure_crates_import_nothing_that_reaches_the_world() {
    let crates = own_crates();
    let mut forbidden = Vec::new();
    for name in PURE {
        let edges = &crates[*name];
        let worldly = edges.iter().filter(|edge| WORLDLY.contains(&edge.as_str()));
        forbidden.extend(worldly.map(|edge| format!("{name} -> {edge}")));
    }
    assert!(forbidden.is_empty(), "impure imports: {forbidden:#?}");
}

#[test]
fn the_import_table_names_no_crate_that_is_gone() {
    let crates = own_crates();
    let gone: Vec<_> =
        MAY.iter().map(|(name, _)| name).chain(ANY).filter(|name| !crates.contains_key(**name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}
