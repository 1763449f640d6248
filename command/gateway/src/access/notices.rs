//! What is recorded about refusals: the first of a kind at once, repetitions within a minute as one event.
//!
//! Invariant: bounded, in memory and in the log, whatever callers do. Kinds beyond the bound are counted together.

use std::{collections::HashMap, time::Duration};

use openclaw_model::event::audit::{AuditDenied, AuditEvent, AuditLoginFailed};
use tokio::time::Instant;

/// How long repetitions are gathered.
const GATHERED: Duration = Duration::from_secs(60);
/// Kinds that are told apart.
const MOST: usize = 512;
/// What stands for kinds beyond the bound.
const OTHERS: &str = "others";

/// A kind of refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Notice {
    Denied { caller: String, what: String, needs: String },
    LoginFailed { user: Option<String>, address: Option<String> },
}

impl Notice {
    fn others(&self) -> Self {
        match self {
            Self::Denied { .. } => {
                Self::Denied { caller: OTHERS.into(), what: OTHERS.into(), needs: OTHERS.into() }
            }
            Self::LoginFailed { .. } => Self::LoginFailed { user: None, address: None },
        }
    }

    fn event(&self, count: u64) -> AuditEvent {
        match self.clone() {
            Self::Denied { caller, what, needs } => {
                AuditEvent::Denied(AuditDenied { caller, what, needs, count })
            }
            Self::LoginFailed { user, address } => {
                AuditEvent::LoginFailed(AuditLoginFailed { user, address, count })
            }
        }
    }
}

#[derive(Debug)]
struct Gathered {
    since: Instant,
    count: u64,
}

/// What is to be recorded.
#[derive(Debug, Default)]
pub(super) struct Notices {
    kinds: HashMap<Notice, Gathered>,
    /// Events that are to be recorded now.
    now: Vec<AuditEvent>,
}

impl Notices {
    /// Counts a refusal. Answers whether there is something to record now.
    pub(super) fn note(&mut self, notice: Notice, now: Instant) -> bool {
        let full = self.kinds.len() >= MOST && !self.kinds.contains_key(&notice);
        let notice = if full { notice.others() } else { notice };
        if let Some(gathered) = self.kinds.get_mut(&notice) {
            gathered.count += 1;
            return false;
        }
        self.now.push(notice.event(1));
        self.kinds.insert(notice, Gathered { since: now, count: 0 });
        true
    }

    /// What is to be recorded by `now`; everything that was counted if `all`.
    pub(super) fn take(&mut self, now: Instant, all: bool) -> Vec<AuditEvent> {
        let mut events = std::mem::take(&mut self.now);
        self.kinds.retain(|notice, gathered| {
            if !all && now.duration_since(gathered.since) < GATHERED {
                return true;
            }
            if gathered.count > 0 {
                events.push(notice.event(gathered.count));
            }
            // One that goes on is kept, so that it is one event a minute and not two.
            let goes_on = gathered.count > 0 && !all;
            (gathered.since, gathered.count) = (now, 0);
            goes_on
        });
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(caller: &str) -> Notice {
        Notice::Denied { caller: caller.into(), what: "run.start".into(), needs: "command:run.start".into() }
    }

    fn counts(events: &[AuditEvent]) -> Vec<u64> {
        let count = |event: &AuditEvent| match event {
            AuditEvent::Denied(denied) => denied.count,
            AuditEvent::LoginFailed(failed) => failed.count,
            other => panic!("{other:?}"),
        };
        events.iter().map(count).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_recorded_at_once_and_repetitions_once_a_minute() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        assert!(notices.note(denied("a"), start));
        assert!((0..100).all(|_| !notices.note(denied("a"), start)));
        assert_eq!(counts(&notices.take(start, false)), [1]);
        let minute = start + GATHERED;
        assert_eq!(counts(&notices.take(minute, false)), [100]);
        assert!(!notices.note(denied("a"), minute), "it goes on");
        assert_eq!(counts(&notices.take(minute + GATHERED, false)), [1]);
        assert_eq!(counts(&notices.take(minute + GATHERED * 2, false)), [0; 0]);
        assert!(notices.note(denied("a"), minute + GATHERED * 2), "it was over");
        notices.note(denied("a"), minute + GATHERED * 2);
        assert_eq!(counts(&notices.take(minute + GATHERED * 2, true)), [1, 1], "nothing is lost at the end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_kinds_is_counted_together() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        for caller in 0..10_000 {
            notices.note(denied(&caller.to_string()), start);
        }
        let events = notices.take(start, true);
        assert!(events.len() <= MOST + 2, "{}", events.len());
        assert_eq!(counts(&events).iter().sum::<u64>(), 10_000, "and none is left out");
    }
}
