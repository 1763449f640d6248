//! The clock and the source of ids that the server gives to everything else.

use std::time::{SystemTime, UNIX_EPOCH};

use openclaw_model::Timestamp;
use openclaw_ports::{Clock, Ids};
use uuid::Uuid;

/// The machine's wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter behind the port")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// UUIDs of version 7.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter behind the port")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
