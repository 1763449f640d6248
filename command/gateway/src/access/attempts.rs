//! How often somebody may try to log in.
//!
//! A user may be tried five times within a minute, an address may try ten times; then both wait a minute, and twice as
//! long each time they go on, up to a quarter of an hour. An attempt counts when it begins, so that many at once are
//! no way around. Names count whether there is such a user or not, so that the limit does not tell who there is.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use openclaw_model::Digest;
use tokio::time::Instant;

use super::text;

const WINDOW: Duration = Duration::from_secs(60);
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Attempts within the window.
const OF_A_USER: u32 = 5;
const OF_AN_ADDRESS: u32 = 10;
/// Names and addresses that are remembered; the one that was quiet longest is forgotten for another.
const MOST: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    /// Hash of the name: what is typed in its place may be a password.
    User(Digest),
    /// An address; of IPv6 the network, because one machine has as many addresses as it likes.
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Record {
    since: Instant,
    last: Instant,
    attempts: u32,
    until: Option<Instant>,
    wait: Duration,
}

/// The attempts of late.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<Who, Record>);

impl Attempts {
    /// Counts an attempt that begins.
    ///
    /// # Errors
    /// With how long to wait; then it does not count.
    pub(super) fn begin(
        &mut self,
        user: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), Duration> {
        let both = [
            Some((Who::User(text::hash(user)), OF_A_USER)),
            address.map(|address| (Who::Address(network(address)), OF_AN_ADDRESS)),
        ];
        let wait = both.iter().flatten().filter_map(|(who, _)| {
            self.0
                .get(who)?
                .until
                .and_then(|until| until.checked_duration_since(now))
                .filter(|wait| !wait.is_zero())
        });
        if let Some(wait) = wait.max() {
            return Err(wait);
        }
        for (who, most) in both.into_iter().flatten() {
            self.count(who, most, now);
        }
        Ok(())
    }

    fn count(&mut self, who: Who, most: u32, now: Instant) {
        if self.0.len() >= MOST && !self.0.contains_key(&who) {
            let quiet = self.0.iter().min_by_key(|(_, record)| record.last).map(|(who, _)| *who);
            quiet.and_then(|quiet| self.0.remove(&quiet));
        }
        let fresh = Record { since: now, last: now, attempts: 0, until: None, wait: FIRST_WAIT };
        let record = self.0.entry(who).or_insert(fresh);
        if now.duration_since(record.last) > LONGEST_WAIT {
            *record = fresh;
        } else if now.duration_since(record.since) > WINDOW {
            (record.since, record.attempts) = (now, 0);
        }
        record.last = now;
        record.attempts += 1;
        if record.attempts >= most {
            record.until = Some(now + record.wait);
            record.wait = (record.wait * 2).min(LONGEST_WAIT);
            (record.since, record.attempts) = (now, 0);
        }
    }

    /// The attempt was right: the user starts anew, and it does not count against the address.
    pub(super) fn right(&mut self, user: &str, address: Option<IpAddr>) {
        self.0.remove(&Who::User(text::hash(user)));
        if let Some(record) = address.and_then(|address| self.0.get_mut(&Who::Address(network(address)))) {
            record.attempts = record.attempts.saturating_sub(1);
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => four.into(),
            None => std::net::Ipv6Addr::from(u128::from(six) >> 64 << 64).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_tried_five_times_a_minute_and_then_waits_longer_and_longer() {
        let mut attempts = Attempts::default();
        let mut now = Instant::now();
        for minutes in [1, 2, 4, 8, 15, 15] {
            for address in 0..5 {
                attempts.begin("ada", at(address), now).unwrap();
            }
            let wait = attempts.begin("ada", at(9), now).unwrap_err();
            assert_eq!(wait, Duration::from_secs(minutes * 60), "whatever the address");
            attempts.begin("bob", at(9), now).unwrap();
            attempts.right("bob", at(9));
            now += wait;
        }
        now += LONGEST_WAIT + Duration::from_secs(1);
        attempts.begin("ada", at(0), now).unwrap();
        attempts.right("ada", at(0));
        for _ in 0..4 {
            attempts.begin("ada", at(0), now).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_tries_many_names_waits_too() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for user in 0..10 {
            attempts.begin(&format!("user-{user}"), at(1), now).unwrap();
        }
        assert_eq!(attempts.begin("ada", at(1), now).unwrap_err(), FIRST_WAIT);
        attempts.begin("ada", at(2), now).unwrap();
        let six = |host: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]));
        for host in 0..10 {
            attempts.begin(&format!("other-{host}"), six(host), now).unwrap();
        }
        assert!(attempts.begin("eve", six(99), now).is_err(), "a network is one address");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        for user in 0..MOST + 100 {
            now += Duration::from_millis(1);
            attempts.begin(&format!("user-{user}"), None, now).unwrap();
        }
        assert_eq!(attempts.0.len(), MOST);
    }
}
