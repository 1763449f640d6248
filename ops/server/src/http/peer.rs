//! Whom a connection comes from, and what somebody who has not shown a good token may do from there.
//!
//! Counted by address, because there is nothing else to count by. Everybody behind one proxy or one NAT shares an
//! address; that is why a good token is always let in, whatever others tried from the same place. Guessing is
//! hopeless anyway: the server's own tokens have 256 random bits. What the bound keeps small is the noise.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use super::{
    answer::{refuse, retry},
    rate::{Bucket, Rate},
};
use crate::metrics;

/// Addresses that are remembered at most. Beyond it those with nothing against them are forgotten; if all of them
/// have something, strangers are refused until their time is over.
const REMEMBERED: usize = 65_536;

const MINUTE: Duration = Duration::from_secs(60);
/// The one path where the token may come later, in the first message.
const LATE: &str = "/graphql/ws";

/// Where a connection comes from: an address, or for IPv6 the /64 that one subscriber has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    /// The peer behind a socket's address.
    #[must_use]
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
            address => address,
        })
    }

    /// The address that a request comes from; for IPv6 that of its network. Behind a proxy it is the proxy's: what a
    /// header says about it is not believed.
    #[must_use]
    pub(crate) fn address(extensions: &http::Extensions) -> Option<IpAddr> {
        extensions.get::<Self>().map(|peer| peer.0)
    }
}

/// What strangers may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strangers {
    /// Requests without token in a second; 0 for no limit.
    pub(crate) rate: u32,
    /// Wrong tokens in a minute, before the address is held off; 0 for no limit.
    pub(crate) failures: u32,
    /// How long it is held off.
    pub(crate) hold: Duration,
}

/// What is known of one address.
struct Known {
    requests: Bucket,
    /// Wrong tokens since `minute` began.
    failures: u32,
    minute: Instant,
    held_until: Instant,
}

impl Known {
    fn new(now: Instant) -> Self {
        Self { requests: Bucket::full(now), failures: 0, minute: now, held_until: now }
    }

    fn is_clean(&self, now: Instant) -> bool {
        self.requests.is_full(now) && now >= self.minute + MINUTE && self.held_until <= now
    }
}

/// The books about strangers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Attempts {
    rules: Strangers,
    known: Arc<Mutex<HashMap<Peer, Known>>>,
}

impl Attempts {
    /// Empty books.
    #[must_use]
    pub(crate) fn new(rules: Strangers) -> Self {
        Self { rules, known: Arc::default() }
    }

    /// Whether the address is held off, and for how long still. Whoever checks something that can be guessed, such as
    /// a password, asks this before it looks.
    ///
    /// # Errors
    /// With the time until it is let in again.
    pub(crate) fn admits(&self, peer: Peer) -> Result<(), Duration> {
        let now = Instant::now();
        let until = self.books().get(&peer).map(|known| known.held_until);
        match until.and_then(|until| until.checked_duration_since(now)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// Notes a wrong token or password. The last one that a minute may have holds the address off.
    pub(crate) fn failed(&self, peer: Peer) {
        metrics::wrong_token();
        let Strangers { failures, hold, .. } = self.rules;
        let now = Instant::now();
        let held = self.with(peer, now, |known| {
            if now >= known.minute + MINUTE {
                (known.minute, known.failures) = (now, 0);
            }
            known.failures += 1;
            let held = known.failures == failures;
            if held {
                (known.held_until, known.minute, known.failures) = (now + hold, now, 0);
            }
            held
        });
        if held == Some(true) {
            tracing::warn!(code = "OC-HTTP-007", peer = %peer.0, "too many wrong tokens; held off");
        }
    }

    /// Takes one of the requests without token that an address may make.
    fn request(&self, peer: Peer) -> Result<(), Duration> {
        let Some(rate) = Rate::of(self.rules.rate, Duration::from_secs(1)) else { return Ok(()) };
        let now = Instant::now();
        self.with(peer, now, |known| known.requests.take(rate, now)).unwrap_or(Err(Duration::from_secs(1)))
    }

    /// Does `what` with what is known of a peer; nothing if there is no room to know more.
    fn with<T>(&self, peer: Peer, now: Instant, what: impl FnOnce(&mut Known) -> T) -> Option<T> {
        let mut known = self.books();
        if known.len() >= REMEMBERED && !known.contains_key(&peer) {
            known.retain(|_, known| !known.is_clean(now));
            if known.len() >= REMEMBERED {
                return None;
            }
        }
        Some(what(known.entry(peer).or_insert_with(|| Known::new(now))))
    }

    fn books(&self) -> MutexGuard<'_, HashMap<Peer, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets strangers do what they may, and tells those who guess tokens to stop.
pub(super) async fn watch(State(attempts): State<Attempts>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        // The loop that accepts connections gives every request its peer.
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "OC-RPC-005", "internal error");
    };
    let shows_something = shows_something(request.headers());
    if !shows_something {
        if let Err(wait) = attempts.request(peer) {
            return retry(
                StatusCode::TOO_MANY_REQUESTS,
                "OC-HTTP-008",
                "too many requests without a token",
                wait,
            );
        }
        if request.uri().path() == LATE {
            // What it will show is seen only by the query side.
            if let Err(wait) = attempts.admits(peer) {
                return held_off(wait);
            }
            let attempts = attempts.clone();
            request.extensions_mut().insert(openclaw_query::OnRefusal::new(move || attempts.failed(peer)));
        }
    }
    let response = next.run(request).await;
    if response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    if let Err(wait) = attempts.admits(peer) {
        return held_off(wait);
    }
    if shows_something {
        attempts.failed(peer);
    }
    response
}

fn shows_something(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE)
}

fn held_off(wait: Duration) -> Response {
    retry(StatusCode::TOO_MANY_REQUESTS, "OC-HTTP-007", "too many wrong tokens from this address", wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Strangers = Strangers { rate: 5, failures: 10, hold: Duration::from_secs(60) };

    fn peer(address: &str) -> Peer {
        Peer::of(address.parse().expect("an address"))
    }

    #[tokio::test(start_paused = true)]
    async fn ten_wrong_tokens_in_a_minute_hold_an_address_off_for_a_minute_and_no_other_one() {
        let attempts = Attempts::new(RULES);
        let (guesser, other) = (peer("192.0.2.1"), peer("192.0.2.2"));
        for _ in 0..9 {
            attempts.failed(guesser);
            assert_eq!(attempts.admits(guesser), Ok(()));
        }
        attempts.failed(guesser);
        assert_eq!(attempts.admits(guesser), Err(Duration::from_secs(60)));
        assert_eq!(attempts.admits(other), Ok(()));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(attempts.admits(guesser), Err(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(attempts.admits(guesser), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_tokens_now_and_then_hold_nobody_off() {
        let attempts = Attempts::new(RULES);
        for _ in 0..100 {
            attempts.failed(peer("192.0.2.1"));
            tokio::time::advance(Duration::from_secs(7)).await;
            assert_eq!(attempts.admits(peer("192.0.2.1")), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_token_have_a_rate_of_their_own() {
        let attempts = Attempts::new(RULES);
        let taken = (0..20).filter(|_| attempts.request(peer("192.0.2.1")).is_ok()).count();
        assert_eq!(taken, 5);
        assert_eq!(attempts.request(peer("192.0.2.1")), Err(Duration::from_millis(200)));
        assert_eq!(attempts.request(peer("192.0.2.2")), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_addresses_come_the_books_stay_bounded() {
        let attempts = Attempts::new(RULES);
        for number in 0..=u32::try_from(REMEMBERED).expect("small") {
            attempts.failed(Peer::of(IpAddr::V4(number.into())));
        }
        assert_eq!(attempts.books().len(), REMEMBERED);
        let stranger = peer("203.0.113.9");
        assert!(attempts.request(stranger).is_err(), "there is no room to count a stranger");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(attempts.request(stranger), Ok(()), "what is over is forgotten");
        assert_eq!(attempts.books().len(), 1);
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_peer_with_all_its_addresses() {
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("::1"), peer("::2"));
    }
}
