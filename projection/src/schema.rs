//! The SQL of the read model and the digest that names its shape.

use std::sync::LazyLock;

/// Raised whenever the code in `views/` or `store/` gives other rows for the same events.
const VIEW_VERSION: u16 = 3;

const MIGRATIONS: [&str; 10] = [
    include_str!("../../migrations/status.sql"),
    include_str!("../../migrations/audit.sql"),
    include_str!("../../migrations/run.sql"),
    include_str!("../../migrations/session.sql"),
    include_str!("../../migrations/workflow.sql"),
    include_str!("../../migrations/approval.sql"),
    include_str!("../../migrations/schedule.sql"),
    include_str!("../../migrations/webhook.sql"),
    include_str!("../../migrations/published.sql"),
    include_str!("../../migrations/policy.sql"),
];

/// Names the shape of a read model: eight hexadecimal digits of its tables, four of the code that fills them.
///
/// A file with the same tables but other code can be read while its successor is built; one with other tables
/// cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest(String);

impl Digest {
    /// The shape that this program reads and writes.
    pub(crate) fn current() -> Self {
        static CURRENT: LazyLock<Digest> = LazyLock::new(|| {
            let tables = blake3::hash(MIGRATIONS.concat().as_bytes()).to_hex();
            let code = blake3::hash(&VIEW_VERSION.to_be_bytes()).to_hex();
            Digest(format!("{}{}", &tables[..8], &code[..4]))
        });
        CURRENT.clone()
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a file of this shape has the tables that the queries of this program name.
    pub(crate) fn is_readable(&self) -> bool {
        self.0[..8] == Self::current().0[..8]
    }
}

/// The statements that make the tables.
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    statements().filter(|statement| !is_index(statement))
}

/// The statements that make the indexes; a build runs them after it has loaded the rows.
pub(crate) fn indexes() -> impl Iterator<Item = &'static str> {
    statements().filter(|statement| is_index(statement))
}

fn statements() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().flat_map(|text| text.split(";\n")).map(str::trim).filter(|text| !text.is_empty())
}

fn is_index(statement: &str) -> bool {
    // A statement begins with the comments above it.
    statement
        .lines()
        .find(|line| !line.is_empty() && !line.starts_with("--"))
        .is_some_and(|line| line.starts_with("CREATE INDEX") || line.starts_with("CREATE UNIQUE INDEX"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_a_table_an_index_or_the_first_row() {
        assert_eq!(tables().filter(|sql| sql.contains("CREATE TABLE")).count(), 23);
        assert!(indexes().all(|sql| sql.contains("INDEX")) && indexes().count() >= 24);
        assert_eq!(tables().count(), 24, "the tables and the first row of projection_status");
    }

    #[test]
    fn a_digest_with_other_tables_is_not_readable() {
        let current = Digest::current();
        assert!(Digest::parse(current.as_str()).unwrap().is_readable());
        let other_code = format!("{}ffff", &current.as_str()[..8]);
        assert!(Digest::parse(&other_code).unwrap().is_readable());
        assert!(!Digest::parse("000000000000").unwrap().is_readable());
        for bad in ["", "00000000000", "00000000000g", "../etc/passw"] {
            assert!(Digest::parse(bad).is_none(), "{bad:?}");
        }
    }
}
