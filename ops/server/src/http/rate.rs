//! How often: a bucket that fills at a steady rate, as one point in time.
//!
//! It is the generic cell rate algorithm: instead of a count that has to be refilled, the bucket is the moment at
//! which it will be full again. The further that lies ahead, the more was taken.

use std::time::Duration;

use tokio::time::Instant;

/// How much may be taken, and how fast it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// The time in which one comes back.
    each: Duration,
    /// The time in which an empty bucket is full again.
    full: Duration,
}

impl Rate {
    /// `count` in `time`, all of them at once if they were saved up. None is no limit.
    #[must_use]
    pub(super) fn of(count: u32, time: Duration) -> Option<Self> {
        let each = time.checked_div(count)?;
        Some(Self { each, full: time })
    }
}

/// What was taken by somebody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub(super) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one.
    ///
    /// # Errors
    /// With the time until there is one, if it is empty.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + rate.each;
        match full_at.checked_duration_since(now + rate.full) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.full_at = full_at;
                Ok(())
            }
        }
    }

    /// Whether nothing is missing, so that it need not be kept.
    #[must_use]
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_were_saved_up_may_be_taken_at_once_and_then_one_by_one() {
        let rate = Rate::of(10, Duration::from_secs(1)).expect("a limit");
        let now = Instant::now();
        let mut bucket = Bucket::full(now);
        for _ in 0..10 {
            assert_eq!(bucket.take(rate, now), Ok(()));
        }
        assert_eq!(bucket.take(rate, now), Err(Duration::from_millis(100)));
        let later = now + Duration::from_millis(100);
        assert_eq!(bucket.take(rate, later), Ok(()), "what it was told to wait is enough");
        assert_eq!(bucket.take(rate, later), Err(Duration::from_millis(100)));
        assert!(!bucket.is_full(later) && bucket.is_full(later + Duration::from_secs(1)));
        let much_later = now + Duration::from_secs(3_600);
        let taken = (0..20).filter(|_| bucket.take(rate, much_later).is_ok()).count();
        assert_eq!(taken, 10, "an hour of rest is worth no more than a full bucket");
    }

    #[test]
    fn nothing_in_a_time_is_no_limit() {
        assert_eq!(Rate::of(0, Duration::from_secs(1)), None);
    }
}
