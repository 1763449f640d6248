//! Users: people who log in.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
    vec::Vec,
};

use openclaw_model::{
    Digest, Timestamp, Version,
    access::Role,
    event::user::{
        UserAdded, UserChanged, UserEvent, UserLoggedIn, UserLoggedOut, UserPasswordChanged, UserRemoved,
    },
};
use serde::{Deserialize, Serialize};

use crate::{Decider, Facts};

/// Sessions of one user at the same time; the oldest ends when there is one more.
pub const MOST_SESSIONS: usize = 32;

/// The decider of users.
#[derive(Debug)]
pub struct User;

/// A user, folded. It is kept as JSON between starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Who they are; none before they are added and after they are removed.
    pub account: Option<Account>,
    /// When each of their sessions is over, by the hash of its cookie. Those that are over may still be here.
    pub sessions: BTreeMap<Digest, Timestamp>,
    /// When they logged in last.
    pub seen: Option<Timestamp>,
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What they are.
    pub role: Role,
    /// Where; everywhere if it is empty.
    pub namespaces: BTreeSet<String>,
    /// What they are called in approvals, beside their role.
    pub groups: BTreeSet<String>,
    /// Argon2id hash of the password (PHC string).
    pub password: String,
}

/// What may be asked of a user.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Let them log in.
    Add(Account),
    /// Change what they may do.
    Change {
        /// What they are.
        role: Role,
        /// Where.
        namespaces: BTreeSet<String>,
        /// What they are called in approvals.
        groups: BTreeSet<String>,
    },
    /// Change the password.
    ChangePassword {
        /// Its hash.
        password: String,
    },
    /// Let them log in no more.
    Remove,
    /// Record that they logged in.
    LogIn {
        /// Hash of the cookie.
        session: Digest,
        /// When the session is over.
        expires: Timestamp,
        /// From which address.
        address: Option<String>,
        /// The hash that the password was compared with: another one by now means that it was changed meanwhile.
        password: String,
    },
    /// Record that they logged out.
    LogOut {
        /// Hash of the cookie.
        session: Digest,
    },
}

/// Why a user refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such user. `OC-USR-001`.
    #[error("the user does not exist")]
    NotFound,
    /// There is one of this name. `OC-USR-002`.
    #[error("there is a user of this name")]
    Exists,
    /// The password was changed meanwhile. `OC-USR-003`.
    #[error("the password was changed meanwhile")]
    Stale,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "OC-USR-001",
            Self::Exists => "OC-USR-002",
            Self::Stale => "OC-USR-003",
        }
    }
}

impl Decider for User {
    type State = State;
    type Command = Command;
    type Event = UserEvent;
    type Rejection = Rejection;

    fn decide(state: &State, command: &Command, _: &Facts) -> Result<Vec<UserEvent>, Rejection> {
        let account = match (&state.account, command) {
            (Some(_), Command::Add(_)) => return Err(Rejection::Exists),
            (None, Command::Add(account)) => {
                return Ok(vec![UserEvent::Added(UserAdded {
                    role: account.role,
                    namespaces: account.namespaces.clone(),
                    groups: account.groups.clone(),
                    password: account.password.clone(),
                })]);
            }
            (None, _) => return Err(Rejection::NotFound),
            (Some(account), _) => account,
        };
        Ok(match command {
            Command::Add(_) => vec![],
            Command::Change { role, namespaces, groups } => {
                let same =
                    account.role == *role && account.namespaces == *namespaces && account.groups == *groups;
                let (role, namespaces, groups) = (*role, namespaces.clone(), groups.clone());
                if same { vec![] } else { vec![UserEvent::Changed(UserChanged { role, namespaces, groups })] }
            }
            Command::ChangePassword { password } => {
                vec![UserEvent::PasswordChanged(UserPasswordChanged { password: password.clone() })]
            }
            Command::Remove => vec![UserEvent::Removed(UserRemoved {})],
            Command::LogIn { password, .. } if *password != account.password => return Err(Rejection::Stale),
            Command::LogIn { session, expires, address, .. } => vec![UserEvent::LoggedIn(UserLoggedIn {
                session: *session,
                expires: *expires,
                address: address.clone(),
            })],
            Command::LogOut { session } if state.sessions.contains_key(session) => {
                vec![UserEvent::LoggedOut(UserLoggedOut { session: *session })]
            }
            Command::LogOut { .. } => vec![],
        })
    }

    fn evolve(state: &mut State, event: &UserEvent, _: Version, at: Timestamp) {
        match event {
            UserEvent::Added(data) => {
                state.account = Some(Account {
                    role: data.role,
                    namespaces: data.namespaces.clone(),
                    groups: data.groups.clone(),
                    password: data.password.clone(),
                });
                state.sessions.clear();
            }
            UserEvent::Changed(data) => {
                if let Some(account) = &mut state.account {
                    account.role = data.role;
                    account.namespaces = data.namespaces.clone();
                    account.groups = data.groups.clone();
                }
            }
            UserEvent::PasswordChanged(data) => {
                if let Some(account) = &mut state.account {
                    account.password = data.password.clone();
                }
                state.sessions.clear();
            }
            UserEvent::Removed(_) => {
                state.account = None;
                state.sessions.clear();
            }
            UserEvent::LoggedIn(data) => {
                state.sessions.retain(|_, expires| *expires > at);
                while state.sessions.len() >= MOST_SESSIONS {
                    let oldest =
                        state.sessions.iter().min_by_key(|(_, expires)| **expires).map(|(id, _)| *id);
                    let Some(oldest) = oldest else { break };
                    state.sessions.remove(&oldest);
                }
                state.sessions.insert(data.session, data.expires);
                state.seen = Some(at);
            }
            UserEvent::LoggedOut(data) => {
                state.sessions.remove(&data.session);
            }
        }
    }
}
