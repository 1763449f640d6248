//! Tokens that were given out, kept until shortly before they expire.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use openclaw_model::{
    canonical,
    event::run::{Oauth2, WorkflowError},
};
use openclaw_workflow::error;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

/// Credentials whose tokens are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// How long a token is used whose server did not say how long it lives.
const UNSAID: Duration = Duration::from_secs(300);
/// A token is not used in the last part of its life: a tenth of it, at most this.
const MARGIN: Duration = Duration::from_secs(30);

/// A token, ready to be sent.
pub(super) struct Token {
    pub(super) value: HeaderValue,
    /// How long it lives, if the server said so.
    pub(super) lives: Option<Duration>,
}

struct Kept {
    value: HeaderValue,
    until: Instant,
}

/// A place for the token of one set of credentials. Whoever fetches it holds the lock.
type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// Tokens by credentials. Credentials are told apart by their handles, not by the values behind them: a secret that is
/// changed counts when the token expires or is refused.
pub(super) struct Tokens(Mutex<LruCache<[u8; 32], Slot>>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Tokens {
    /// The token for `grant`: a kept one unless it is `stale`, or that which `fetch` gets. Of those who need one at the
    /// same time, one fetches it and the others wait for it.
    pub(super) async fn get(
        &self,
        grant: &Oauth2,
        stale: Option<&HeaderValue>,
        fetch: impl AsyncFnOnce() -> Result<Token, WorkflowError>,
    ) -> Result<HeaderValue, WorkflowError> {
        let slot = self.slot(grant)?;
        let mut kept = slot.lock().await;
        if let Some(token) = &*kept
            && Instant::now() < token.until
            && stale != Some(&token.value)
        {
            return Ok(token.value.clone());
        }
        *kept = None;
        let token = fetch().await?;
        let lives = token.lives.map_or(UNSAID, |lives| lives - MARGIN.min(lives / 10));
        *kept = Some(Kept { value: token.value.clone(), until: Instant::now() + lives });
        Ok(token.value)
    }

    fn slot(&self, grant: &Oauth2) -> Result<Slot, WorkflowError> {
        let described =
            serde_json::to_value(grant).map_err(|problem| error::runtime(format!("no JSON: {problem}")))?;
        let key = *blake3::hash(&canonical::to_bytes(&described)).as_bytes();
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(slots.get_or_insert(key, Slot::default).clone())
    }
}
