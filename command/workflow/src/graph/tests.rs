use std::{
    fs,
    path::{Path, PathBuf},
};

use super::*;
use crate::definition::{Format, load};

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/graph/golden")
}

/// Examples of the specification, whose charts lie here and whose documents lie in `OPENCLAW_SPEC_DIR`.
const EXAMPLES: [&str; 7] = [
    "conditional-task",
    "for",
    "fork",
    "listen-to-any-forever-foreach",
    "raise-reusable",
    "switch-then-string",
    "try-catch-retry-inline",
];

/// Draws `text` and compares with the chart in `beside`. `UPDATE_GOLDEN=1` writes it instead.
#[expect(clippy::disallowed_methods, reason = "golden files are written on request")]
fn compare(text: &str, beside: &Path) {
    let definition =
        load(text, Format::Yaml).unwrap_or_else(|problems| panic!("{}: {problems:#?}", beside.display()));
    let chart = mermaid(&definition);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(beside, &chart).expect("the chart can be written");
    }
    let expected = fs::read_to_string(beside).unwrap_or_default();
    assert_eq!(chart, expected, "{}", beside.display());
}

#[test]
fn a_document_with_everything_is_drawn_as_it_was_looked_at() {
    let path = golden().join("everything.yaml");
    compare(&fs::read_to_string(&path).expect("the document is there"), &path.with_extension("mmd"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the reference data lies outside the repository")]
fn examples_of_the_specification_are_drawn_as_they_were_looked_at() {
    let Some(directory) = std::env::var_os("OPENCLAW_SPEC_DIR").map(PathBuf::from) else { return };
    for name in EXAMPLES {
        let document = directory.join("examples").join(format!("{name}.yaml"));
        let text = fs::read_to_string(document).expect("the example is there");
        compare(&text, &golden().join(format!("{name}.mmd")));
    }
}

#[test]
fn every_edge_leads_from_a_node_to_a_node() {
    let text = fs::read_to_string(golden().join("everything.yaml")).expect("the document is there");
    let chart = mermaid(&load(&text, Format::Yaml).expect("the document loads"));
    let declared = |id: &str| {
        chart.lines().map(str::trim_start).any(|line| {
            let rest = line.strip_prefix("subgraph ").unwrap_or(line);
            rest.strip_prefix(id).is_some_and(|rest| rest.starts_with(['[', '{', '(', '>']))
        })
    };
    let edges: Vec<&str> = chart.lines().filter(|line| line.contains("->")).collect();
    assert!(edges.len() > 20, "{chart}");
    for edge in edges {
        let words: Vec<&str> = edge.split_whitespace().collect();
        let (from, to) = (words[0], words[words.len() - 1]);
        assert!(declared(from) && declared(to), "{edge}\n{chart}");
    }
}
