//! Logging in and out.

use std::net::IpAddr;
use std::time::Duration;

use openclaw_core::user::{Account, Command, Rejection};
use openclaw_model::{Actor, StreamId, StreamKind};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Access, Proof, SESSION_MS, locked, password, text};
use crate::sequencer::{self, Refused};

/// A session that has begun.
#[derive(Debug)]
pub struct Login {
    /// Value of the cookie; nobody else knows it.
    pub cookie: Zeroizing<String>,
    /// How long it counts at most.
    pub lasts: Duration,
    /// Who it is.
    pub account: Account,
}

/// Why nobody is logged in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no such user, or the password is another. `OC-USR-005`.
    #[error("user or password is wrong")]
    Wrong,
    /// It was tried too often. `OC-USR-006`.
    #[error("too many attempts")]
    TooMany {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The key of passwords' hashes is missing. `OC-AUTH-003`.
    #[error("{0}")]
    Unusable(String),
    /// It could not be recorded.
    #[error(transparent)]
    Refused(Refused),
}

impl Access {
    /// Begins a session of the user `name`. Takes as long for names that there are not.
    ///
    /// # Errors
    /// See [`LoginError`]. Each failure is recorded.
    pub async fn log_in(
        &self,
        name: &str,
        password: Zeroizing<String>,
        address: Option<IpAddr>,
    ) -> Result<Login, LoginError> {
        let begun = locked(&self.inner.attempts).begin(name, address, Instant::now());
        if let Err(retry_after) = begun {
            self.unproven(Some(name), address);
            return Err(LoginError::TooMany { retry_after });
        }
        let account = self.account(name);
        let known = account.as_ref().map(|account| account.password.clone());
        let right = self.inner.passwords.verify(known, password).await.map_err(|error| match error {
            password::Error::Busy { retry_after } => LoginError::TooMany { retry_after },
            other => LoginError::Unusable(other.to_string()),
        })?;
        let Some(account) = account.filter(|_| right) else {
            self.unproven(Some(name), address);
            return Err(LoginError::Wrong);
        };

        let cookie = text::secret(&self.inner.random);
        let session = text::hash(&cookie);
        let command = Command::LogIn {
            session,
            expires: self.now().plus_millis(SESSION_MS),
            address: address.map(|address| address.to_string()),
            password: account.password.clone(),
        };
        let stream = StreamId::new(StreamKind::User, name).map_err(|_| LoginError::Wrong)?;
        let actor = Actor(format!("user:{name}").into());
        let accepted = match self.submit(stream, command.into(), actor).await {
            Ok(accepted) => accepted,
            // Removed, or given another password, while this one was being checked.
            Err(Refused::Rejected(sequencer::Rejection::User(Rejection::NotFound | Rejection::Stale))) => {
                return Err(LoginError::Wrong);
            }
            Err(refused) => return Err(LoginError::Refused(refused)),
        };
        self.reached(accepted.position).await;
        locked(&self.inner.used).insert(session, Instant::now());
        locked(&self.inner.attempts).right(name, address);
        Ok(Login { cookie, lasts: Duration::from_millis(SESSION_MS), account })
    }

    /// Ends a session. Its sockets close.
    ///
    /// # Errors
    /// When it could not be recorded; then it goes on.
    pub async fn log_out(&self, proof: &Proof) -> Result<(), Refused> {
        let Proof::Session { user, session } = proof else { return Ok(()) };
        let stream =
            StreamId::new(StreamKind::User, user).map_err(|error| Refused::Unreadable(error.to_string()))?;
        let actor = Actor(format!("user:{user}").into());
        let command = Command::LogOut { session: *session };
        let accepted = self.submit(stream, command.into(), actor).await?;
        self.reached(accepted.position).await;
        Ok(())
    }
}
