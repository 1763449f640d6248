//! How often somebody may try to open the vault.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::rpc::Error;

/// Wrong attempts within [`WINDOW`] before there is a pause.
const MOST: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Counts wrong attempts. After five within a minute there is a pause of a minute; each pause that comes without a right
/// attempt in between is twice as long.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    recent: VecDeque<Instant>,
    pauses: u32,
    until: Option<Instant>,
}

impl Attempts {
    /// Refuses an attempt during a pause.
    pub(super) fn admit(&self) -> Result<(), Error> {
        match self.until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => Err(Error::Limited { retry_after: left }),
            _ => Ok(()),
        }
    }

    /// Takes in a wrong attempt.
    pub(super) fn failed(&mut self) {
        let now = Instant::now();
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.len() >= MOST {
            self.recent.clear();
            self.until = Some(now + WINDOW.saturating_mul(1 << self.pauses.min(10)).min(LONGEST));
            self.pauses += 1;
        }
    }

    /// Takes in a right attempt.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(attempts: &Attempts) -> Option<u64> {
        match attempts.admit() {
            Ok(()) => None,
            Err(Error::Limited { retry_after }) => Some(retry_after.as_secs_f64().ceil() as u64),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn five_wrong_attempts_within_a_minute_make_a_pause_that_grows_until_one_is_right() {
        tokio::time::pause();
        let mut attempts = Attempts::default();
        for pause in [60, 120, 240] {
            for _ in 0..4 {
                attempts.failed();
                assert_eq!(wait(&attempts), None);
            }
            attempts.failed();
            assert_eq!(wait(&attempts), Some(pause));
            tokio::time::advance(Duration::from_secs(pause)).await;
            assert_eq!(wait(&attempts), None);
        }
        for _ in 0..200 {
            attempts.failed();
        }
        assert_eq!(wait(&attempts), Some(3_600), "and no longer than an hour");
        attempts.succeeded();
        assert_eq!(wait(&attempts), None);
        // Four a minute go on for ever.
        for _ in 0..20 {
            attempts.failed();
            tokio::time::advance(Duration::from_secs(15)).await;
            assert_eq!(wait(&attempts), None);
        }
    }
}
