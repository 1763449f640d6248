//! What a caller may do: scopes, and the roles that stand for several of them.
//!
//! A scope is a text: `query`, `audit`, `operate`, `admin`, `vouch`, `command:*`, `command:run`, `command:run.start`, or
//! `*` for all of them; with `@NAMESPACE` behind it it counts in that namespace only.

use alloc::{
    borrow::ToOwned,
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What a method or a field asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Nothing but to be somebody.
    Nothing,
    /// To read what runs, sessions and workflows do.
    Query,
    /// To read the log of everything that happened: events, decisions, uses of credentials, connections.
    Audit,
    /// To look after the server: metrics, the vault, credentials, webhooks.
    Operate,
    /// To say who may do what: tokens, users, policies.
    Admin,
    /// To say who decides: `approval.decide` in the name of a person.
    Vouch,
    /// To send this command, for example `run.start`.
    Command(&'static str),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Query => f.write_str("query"),
            Self::Audit => f.write_str("audit"),
            Self::Operate => f.write_str("operate"),
            Self::Admin => f.write_str("admin"),
            Self::Vouch => f.write_str("vouch"),
            Self::Command(method) => write!(f, "command:{method}"),
        }
    }
}

/// The part of a scope before `@`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Everything.
    All,
    /// [`Need::Query`].
    Query,
    /// [`Need::Audit`].
    Audit,
    /// [`Need::Operate`].
    Operate,
    /// [`Need::Admin`].
    Admin,
    /// [`Need::Vouch`].
    Vouch,
    /// Commands: `*`, those of a family (`run`), or one (`run.start`).
    Command(String),
}

impl Right {
    /// Whether it covers `need`.
    #[must_use]
    pub fn covers(&self, need: Need) -> bool {
        match (self, need) {
            (Self::All, _) | (_, Need::Nothing) => true,
            (Self::Query, Need::Query)
            | (Self::Audit, Need::Audit)
            | (Self::Operate, Need::Operate)
            | (Self::Admin, Need::Admin)
            | (Self::Vouch, Need::Vouch) => true,
            (Self::Command(given), Need::Command(method)) => {
                given == "*"
                    || given == method
                    || method.strip_prefix(given.as_str()).is_some_and(|rest| rest.starts_with('.'))
            }
            _ => false,
        }
    }
}

/// A right, everywhere or in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// What may be done.
    pub right: Right,
    /// Where; none for everywhere.
    pub namespace: Option<String>,
}

/// Why a text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no scope; scopes are query, audit, operate, admin, vouch, command:*, command:FAMILY, command:METHOD and *, \
     each with @NAMESPACE behind it or not"
)]
pub struct InvalidScope(pub String);

/// Longest text of a scope, in bytes.
const MAX_SCOPE: usize = 256;

/// Whether a text can be the name of a namespace: lower-case letters, digits and `-`, as the DSL has it.
#[must_use]
pub fn is_namespace(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let invalid = || InvalidScope(text.chars().take(MAX_SCOPE).collect());
        if text.len() > MAX_SCOPE {
            return Err(invalid());
        }
        let (right, namespace) = match text.split_once('@') {
            None => (text, None),
            Some((right, namespace)) if is_namespace(namespace) => (right, Some(namespace.to_owned())),
            Some(_) => return Err(invalid()),
        };
        let right = match right {
            "*" => Right::All,
            "query" => Right::Query,
            "audit" => Right::Audit,
            "operate" => Right::Operate,
            "admin" => Right::Admin,
            "vouch" => Right::Vouch,
            other => {
                let method = other.strip_prefix("command:").ok_or_else(invalid)?;
                let word = |word: &str| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                };
                let good = method == "*" || (method.split('.').count() <= 2 && method.split('.').all(word));
                if !good {
                    return Err(invalid());
                }
                Right::Command(method.to_owned())
            }
        };
        Ok(Self { right, namespace })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.right {
            Right::All => f.write_str("*"),
            Right::Query => f.write_str("query"),
            Right::Audit => f.write_str("audit"),
            Right::Operate => f.write_str("operate"),
            Right::Admin => f.write_str("admin"),
            Right::Vouch => f.write_str("vouch"),
            Right::Command(method) => write!(f, "command:{method}"),
        }?;
        self.namespace.as_ref().map_or(Ok(()), |namespace| write!(f, "@{namespace}"))
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Where somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Everywhere.
    All,
    /// In these; nowhere if it is empty.
    Only(BTreeSet<String>),
}

impl Namespaces {
    /// Whether `namespace` is among them.
    #[must_use]
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(some) => some.contains(namespace),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Only(some) if some.is_empty())
    }
}

/// All that a caller may do. It only ever comes from the server's own records, never from the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub BTreeSet<Scope>);

impl Grants {
    /// Everything, everywhere: what the token of `DIR/token` may do.
    #[must_use]
    pub fn all() -> Self {
        Self(BTreeSet::from([Scope { right: Right::All, namespace: None }]))
    }

    /// Where `need` is granted.
    #[must_use]
    pub fn namespaces(&self, need: Need) -> Namespaces {
        let mut some = BTreeSet::new();
        for scope in self.0.iter().filter(|scope| scope.right.covers(need)) {
            match &scope.namespace {
                None => return Namespaces::All,
                Some(namespace) => some.insert(namespace.clone()),
            };
        }
        if need == Need::Nothing { Namespaces::All } else { Namespaces::Only(some) }
    }

    /// Whether `need` is granted in `namespace`.
    #[must_use]
    pub fn allow(&self, need: Need, namespace: &str) -> bool {
        self.namespaces(need).contains(namespace)
    }

    /// Whether `need` is granted in any namespace at all.
    #[must_use]
    pub fn allow_somewhere(&self, need: Need) -> bool {
        !self.namespaces(need).is_empty()
    }

    /// Whether `need` is granted everywhere, which is what things ask that belong to no namespace.
    #[must_use]
    pub fn allow_everywhere(&self, need: Need) -> bool {
        self.namespaces(need) == Namespaces::All
    }

    /// Whether every scope of `others` is covered, so that nobody can give more than they have.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        others.0.iter().all(|other| {
            self.0.iter().any(|own| {
                let right = own.right == Right::All
                    || own.right == other.right
                    || match (&own.right, &other.right) {
                        (Right::Command(own), Right::Command(other)) => {
                            own == "*"
                                || other.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('.'))
                        }
                        _ => false,
                    };
                right && (own.namespace.is_none() || own.namespace == other.namespace)
            })
        })
    }
}

/// What a user of the dashboard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, sends commands, looks after the server.
    Operator,
    /// Reads, the log of everything too.
    Auditor,
    /// May do everything.
    Admin,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Auditor, Self::Admin];

    /// The name, as in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// What somebody of this role may do in `namespaces`; everywhere if it is empty.
    #[must_use]
    pub fn grants(self, namespaces: &BTreeSet<String>) -> Grants {
        let rights: Vec<Right> = match self {
            Self::Viewer => vec![Right::Query],
            Self::Operator => vec![Right::Query, Right::Command("*".to_string()), Right::Operate],
            Self::Auditor => vec![Right::Query, Right::Audit],
            Self::Admin => vec![Right::All],
        };
        let mut scopes = BTreeSet::new();
        for right in rights {
            if namespaces.is_empty() {
                scopes.insert(Scope { right, namespace: None });
            } else {
                scopes.extend(
                    namespaces
                        .iter()
                        .map(|namespace| Scope { right: right.clone(), namespace: Some(namespace.clone()) }),
                );
            }
        }
        Grants(scopes)
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no role; roles are viewer, operator, auditor and admin"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(scopes: &[&str]) -> Grants {
        Grants(scopes.iter().map(|scope| scope.parse().unwrap()).collect())
    }

    #[test]
    fn scopes_are_read_and_written_alike_and_nonsense_is_refused() {
        for text in ["*", "query", "audit@team-a", "command:*", "command:run", "command:run.start@x", "vouch"]
        {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "Query",
            "command:",
            "command:run.start.x",
            "query@",
            "query@A",
            "command:run.*",
            "command:.x",
            "query@a@b",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_right_covers_its_family_and_no_name_that_only_begins_alike() {
        let start = Need::Command("run.start");
        assert!(grants(&["command:run"]).allow(start, "x") && grants(&["command:*"]).allow(start, "x"));
        assert!(!grants(&["command:ru"]).allow_somewhere(start));
        assert!(!grants(&["command:run.star"]).allow_somewhere(start));
        assert!(!grants(&["query", "operate", "audit", "admin"]).allow_somewhere(start));
        assert!(!grants(&[]).allow_somewhere(Need::Query));
        assert!(grants(&[]).allow_everywhere(Need::Nothing));
    }

    #[test]
    fn a_namespace_bounds_a_scope() {
        let some = grants(&["query@a", "query@b", "command:run@a"]);
        assert!(some.allow(Need::Query, "b") && !some.allow(Need::Query, "c"));
        assert!(!some.allow(Need::Command("run.start"), "b") && !some.allow_everywhere(Need::Query));
        assert!(grants(&["query@a", "query"]).allow_everywhere(Need::Query));
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let own = grants(&["command:run", "query@a"]);
        assert!(own.cover(&grants(&["command:run.start", "command:run@x", "query@a"])));
        for more in ["command:*", "query", "query@b", "audit", "*"] {
            assert!(!own.cover(&grants(&[more])), "{more}");
        }
        assert!(Grants::all().cover(&grants(&["*", "admin", "query@z"])));
    }

    #[test]
    fn roles_are_sets_of_scopes() {
        let here = BTreeSet::from(["a".to_string()]);
        assert!(Role::Operator.grants(&here).allow(Need::Command("run.kill"), "a"));
        assert!(!Role::Operator.grants(&here).allow_everywhere(Need::Query));
        assert!(!Role::Viewer.grants(&BTreeSet::new()).allow_somewhere(Need::Audit));
        assert!(!Role::Operator.grants(&BTreeSet::new()).allow_somewhere(Need::Admin));
        assert!(Role::Admin.grants(&BTreeSet::new()).allow_everywhere(Need::Vouch));
        assert!(Role::ALL.iter().all(|role| role.as_str().parse() == Ok(*role)));
    }
}
