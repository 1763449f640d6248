//! What happens to users: people who log in. Stream `user/NAME`.

use alloc::{collections::BTreeSet, string::String};

use serde::{Deserialize, Serialize};

use super::family::event_family;
use crate::{Digest, Timestamp, access::Role};

event_family! {
    /// What happened to a user.
    UserEvent {
        /// They may log in from here on.
        "user.added" @ 1 => Added(UserAdded),
        /// What they may do has changed.
        "user.changed" @ 1 => Changed(UserChanged),
        /// They have another password; their sessions are over.
        "user.password_changed" @ 1 => PasswordChanged(UserPasswordChanged),
        /// They may log in no more; their sessions are over.
        "user.removed" @ 1 => Removed(UserRemoved),
        /// They logged in.
        "user.logged_in" @ 1 => LoggedIn(UserLoggedIn),
        /// They logged out.
        "user.logged_out" @ 1 => LoggedOut(UserLoggedOut),
    }
}

/// Somebody may log in from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserAdded {
    /// What they are.
    pub role: Role,
    /// Where; everywhere if it is empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<String>,
    /// What they are called in approvals, beside their role.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Argon2id hash of the password (PHC string), made with a key that is not in the log.
    pub password: String,
}

/// What a user may do has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserChanged {
    /// What they are now.
    pub role: Role,
    /// Where; everywhere if it is empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<String>,
    /// What they are called in approvals, beside their role.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

/// A user has another password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserPasswordChanged {
    /// As in [`UserAdded::password`].
    pub password: String,
}

/// A user may log in no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserRemoved {}

/// A user logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserLoggedIn {
    /// SHA-256 of the session's cookie.
    pub session: Digest,
    /// When the session is over at the latest.
    pub expires: Timestamp,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A user logged out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserLoggedOut {
    /// SHA-256 of the session's cookie.
    pub session: Digest,
}
