//! How calls prove who they are (dsl-reference, "Authentication").

mod digest;
mod oauth2;
#[cfg(test)]
mod tests;
mod tokens;

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use lru::LruCache;
use openclaw_model::event::run::{Authentication, Oauth2, WorkflowError};
use openclaw_ports::Ids;
use openclaw_workflow::error;
use reqwest::{Method, Url, header::HeaderValue};
use zeroize::Zeroizing;

use self::{digest::Challenge, tokens::Tokens};
use super::{
    exposure::Exposure,
    http::{Answer, Transport},
};

/// Servers whose last digest challenge is remembered.
const CHALLENGES: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Gets and keeps what calls prove themselves with: tokens, and the challenges of servers.
pub(crate) struct Authenticator {
    transport: Arc<Transport>,
    ids: Arc<dyn Ids>,
    tokens: Tokens,
    /// By origin and name; with the number of times that its nonce has been used.
    challenges: Mutex<LruCache<(String, String), (Challenge, u32)>>,
}

/// What one call proves itself with, with the values of secrets in it.
pub(crate) enum Credentials<'a> {
    None,
    Fixed(HeaderValue),
    Digest(Account),
    Token { grant: &'a Oauth2, value: HeaderValue },
}

/// Name and password.
pub(crate) struct Account {
    username: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Authenticator {
    pub(crate) fn new(transport: Arc<Transport>, ids: Arc<dyn Ids>) -> Self {
        let challenges = Mutex::new(LruCache::new(CHALLENGES));
        Self { transport, ids, tokens: Tokens::default(), challenges }
    }

    /// Gets ready, which for OAuth2 may mean to fetch a token.
    ///
    /// # Errors
    /// An authorization error for secrets that may not be used; for OAuth2 an authentication error if no token was
    /// given out, else what went wrong on the way.
    pub(crate) async fn prepare<'a>(
        &self,
        authentication: Option<&'a Authentication>,
        exposure: &mut Exposure<'_>,
    ) -> Result<Credentials<'a>, WorkflowError> {
        Ok(match authentication {
            None => Credentials::None,
            Some(Authentication::Basic { username, password }) => {
                let account = account(username, password, exposure)?;
                if account.username.contains(':') {
                    return Err(error::configuration(
                        "a name with a colon cannot be used with basic authentication".into(),
                    ));
                }
                let pair = Zeroizing::new(format!("{}:{}", *account.username, *account.password));
                Credentials::Fixed(secret(&Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair))))?)
            }
            Some(Authentication::Bearer { token }) => Credentials::Fixed(bearer(&exposure.text(token)?)?),
            Some(Authentication::Digest { username, password }) => {
                Credentials::Digest(account(username, password, exposure)?)
            }
            Some(Authentication::Oauth2(grant)) => {
                let value = self.token(grant, None, exposure).await?;
                Credentials::Token { grant, value }
            }
        })
    }

    /// A token for `grant`, another one than `stale`.
    async fn token(
        &self,
        grant: &Oauth2,
        stale: Option<&HeaderValue>,
        exposure: &mut Exposure<'_>,
    ) -> Result<HeaderValue, WorkflowError> {
        self.tokens.get(grant, stale, async || oauth2::fetch(&self.transport, grant, exposure).await).await
    }
}

impl Credentials<'_> {
    /// The value of `Authorization` for a request, as far as one can be given before the server has asked.
    pub(crate) fn header(&self, from: &Authenticator, method: &Method, url: &Url) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Fixed(value) | Self::Token { value, .. } => Some(value.clone()),
            Self::Digest(account) => {
                let mut challenges = from.challenges.lock().unwrap_or_else(PoisonError::into_inner);
                let (challenge, used) = challenges.get_mut(&place(url, account))?;
                *used = used.saturating_add(1);
                let answer =
                    challenge.answer(method, url, account, *used, &from.ids.next().simple().to_string());
                secret(&answer).ok()
            }
        }
    }

    /// Takes in that the server did not accept the call. Whether it is worth sending it once more.
    pub(crate) async fn meet(
        &mut self,
        from: &Authenticator,
        url: &Url,
        refusal: &Answer,
        exposure: &mut Exposure<'_>,
    ) -> Result<bool, WorkflowError> {
        match self {
            Self::None | Self::Fixed(_) => Ok(false),
            Self::Digest(account) => {
                let challenges = refusal.all("www-authenticate").flat_map(digest::challenges);
                let Some(challenge) = challenges.max_by_key(Challenge::strength) else { return Ok(false) };
                let (mut known, place) =
                    (from.challenges.lock().unwrap_or_else(PoisonError::into_inner), place(url, account));
                // A nonce that was just used and is not stale was refused for what was proved with it.
                let refused = known
                    .peek(&place)
                    .is_some_and(|(old, used)| *used > 0 && old.nonce == challenge.nonce && !challenge.stale);
                known.put(place, (challenge, 0));
                Ok(!refused)
            }
            Self::Token { .. } => self.renew(from, exposure).await,
        }
    }

    /// Fetches another token, if it is a token that proves something. Whether it did.
    pub(crate) async fn renew(
        &mut self,
        from: &Authenticator,
        exposure: &mut Exposure<'_>,
    ) -> Result<bool, WorkflowError> {
        let Self::Token { grant, value } = self else { return Ok(false) };
        *value = from.token(grant, Some(value), exposure).await?;
        Ok(true)
    }

    /// Proves nothing any more: the call has been led to another server.
    pub(crate) fn forget(&mut self) {
        *self = Self::None;
    }
}

fn account(username: &str, password: &str, exposure: &mut Exposure<'_>) -> Result<Account, WorkflowError> {
    Ok(Account { username: exposure.text(username)?, password: exposure.text(password)? })
}

/// Where a challenge holds: RFC 7616 section 3.3 lets it hold for the whole server unless it says otherwise.
fn place(url: &Url, account: &Account) -> (String, String) {
    let name = blake3::hash(account.username.as_bytes()).to_hex().to_string();
    (url.origin().ascii_serialization(), name)
}

fn bearer(token: &str) -> Result<HeaderValue, WorkflowError> {
    secret(&Zeroizing::new(format!("Bearer {token}")))
}

/// A value that is printed nowhere.
fn secret(text: &str) -> Result<HeaderValue, WorkflowError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| error::configuration("the credentials cannot be sent in a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
