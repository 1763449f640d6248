//! When a schedule is due: pure, from what the index knows and the time of day.
//!
//! What the specification leaves open (ops/docs/workflows.md, "Schedules"): `every` is due first one interval after its
//! activation; `after` is due first at once; a CRON time that a clock change skips is due when the clock goes on, one that it
//! repeats is due once unless the hour is open.

use jiff::{Zoned, tz::TimeZone};
use openclaw_model::{
    Timestamp,
    event::schedule::{Missed, ScheduleActivated, Timetable},
};
use openclaw_workflow::definition;

use crate::index::Scheduled;

/// The most missed ticks that are made up for, or counted, at a time; what is before them is passed over.
pub(super) const MOST_MISSED: u32 = 1_000;

/// What to do with due times that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// The due time.
    pub(super) due: Timestamp,
    /// Whether a run is to be started for it, as far as missed ticks are concerned.
    pub(super) runs: bool,
    /// How many before it are passed over.
    pub(super) missed: u32,
}

/// The next due time after those that were dealt with; none if there is none by the clock.
pub(crate) fn next(scheduled: &Scheduled) -> Option<Timestamp> {
    let active = scheduled.active.as_ref().filter(|_| !scheduled.paused)?;
    let anchor = scheduled.last_due.unwrap_or(scheduled.since).max(scheduled.since);
    match &active.timetable {
        Timetable::After { millis } => match (scheduled.last_due, scheduled.last_run) {
            (None, _) => Some(scheduled.since),
            (Some(last), None) => Some(last.plus_millis(*millis)),
            (Some(_), Some(_)) => Some(scheduled.last_end?.plus_millis(*millis)),
        },
        _ => following(active, scheduled.since, anchor),
    }
}

/// The first due time of a timetable by the clock after `anchor`.
fn following(active: &ScheduleActivated, since: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
    match &active.timetable {
        Timetable::Every { millis } => {
            let millis = (*millis).max(1);
            Some(since.plus_millis((anchor.millis_since(since) / millis + 1).saturating_mul(millis)))
        }
        Timetable::Cron { expression, timezone } => {
            let next = cron(expression)?.find_next_occurrence(&zoned(anchor, timezone)?, false).ok()?;
            Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
        }
        Timetable::After { .. } | Timetable::On => None,
    }
}

/// The newest due time of a timetable by the clock until `now`.
fn newest(active: &ScheduleActivated, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    match &active.timetable {
        Timetable::Every { millis } => {
            let millis = (*millis).max(1);
            Some(since.plus_millis((now.millis_since(since) / millis).saturating_mul(millis)))
        }
        Timetable::Cron { expression, timezone } => {
            let newest = cron(expression)?.find_previous_occurrence(&zoned(now, timezone)?, true).ok()?;
            Some(Timestamp::from_micros(newest.timestamp().as_microsecond()))
        }
        Timetable::After { .. } | Timetable::On => None,
    }
}

fn cron(expression: &str) -> Option<croner::Cron> {
    // It was checked when the workflow was registered.
    definition::cron(expression).ok()
}

fn zoned(at: Timestamp, timezone: &str) -> Option<Zoned> {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
    Some(at.to_zoned(TimeZone::get(timezone).ok()?))
}

/// What to do with the due times that have come until `now`, the oldest first. `awake` is since when ticks could have been
/// dealt with: since the process was started, or the schedule resumed.
pub(super) fn due(scheduled: &Scheduled, now: Timestamp, awake: Timestamp) -> Vec<Tick> {
    let Some(active) = &scheduled.active else { return Vec::new() };
    let Some(first) = next(scheduled).filter(|first| *first <= now) else { return Vec::new() };
    if matches!(active.timetable, Timetable::After { .. }) {
        // It follows the run before it, so it is late and never missed.
        return vec![Tick { due: first, runs: true, missed: 0 }];
    }
    let mut times = vec![first];
    while let Some(next) = following(active, scheduled.since, *times.last().expect("it has the first"))
        .filter(|next| *next <= now)
        && times.len() < MOST_MISSED as usize
    {
        times.push(next);
    }
    // Beyond what is counted only the newest matters.
    let newest = newest(active, scheduled.since, now).unwrap_or(first);
    if times.last().is_some_and(|last| *last < newest) {
        times.push(newest);
    }
    let latest = *times.last().expect("it has the first");
    let passed = (times.len() - 1) as u32;
    match active.missed {
        Missed::All => times.into_iter().map(|due| Tick { due, runs: true, missed: 0 }).collect(),
        Missed::Latest => vec![Tick { due: latest, runs: true, missed: passed }],
        Missed::Skip => vec![Tick { due: latest, runs: latest >= awake, missed: passed }],
    }
}

#[cfg(test)]
mod tests {
    use openclaw_model::{
        Digest, RunId,
        event::schedule::{Overlap, ScheduleActivated},
    };
    use uuid::Uuid;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn scheduled(timetable: Timetable, missed: Missed, since: Timestamp) -> Scheduled {
        let active = ScheduleActivated {
            version: "1.0.0".into(),
            digest: Digest([0; 32]),
            timetable,
            overlap: Overlap::Allow,
            missed,
            input: Default::default(),
            interests: Vec::new(),
        };
        Scheduled { active: Some(active), since, ..Scheduled::default() }
    }

    fn berlin(expression: &str, since: &str) -> Scheduled {
        let timetable = Timetable::Cron { expression: expression.into(), timezone: "Europe/Berlin".into() };
        scheduled(timetable, Missed::Latest, at(since))
    }

    /// The due times, each computed from the one before.
    fn times(scheduled: &mut Scheduled, count: usize) -> Vec<String> {
        let mut times = Vec::new();
        for _ in 0..count {
            let next = next(scheduled).unwrap();
            scheduled.last_due = Some(next);
            times.push(next.to_string().replace(":00.000000", ""));
        }
        times
    }

    #[test]
    fn a_time_that_the_clock_skips_in_spring_is_due_when_it_goes_on() {
        let mut daily = berlin("30 2 * * *", "2026-03-28T00:00:00Z");
        assert_eq!(times(&mut daily, 3), ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]);
    }

    #[test]
    fn a_time_that_the_clock_repeats_in_autumn_is_due_once() {
        let mut daily = berlin("30 2 * * *", "2026-10-24T00:00:00Z");
        assert_eq!(times(&mut daily, 3), ["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"]);
    }

    #[test]
    fn what_is_due_every_hour_is_due_every_hour_whatever_the_clock_does() {
        let mut hourly = berlin("0 * * * *", "2026-10-24T23:30:00Z");
        let expected = ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"];
        assert_eq!(
            times(&mut hourly, 3).join(" ").replace(":00Z", "Z"),
            expected.join(" ").replace(":00Z", "Z")
        );
    }

    #[test]
    fn every_is_counted_from_the_activation_and_a_clock_that_goes_back_repeats_nothing() {
        let every = Timetable::Every { millis: 10_000 };
        let mut scheduled = scheduled(every, Missed::All, at("2026-01-01T00:00:03Z"));
        assert_eq!(next(&scheduled), Some(at("2026-01-01T00:00:13Z")));
        scheduled.last_due = Some(at("2026-01-01T00:00:43Z"));
        assert_eq!(next(&scheduled), Some(at("2026-01-01T00:00:53Z")));
        let back = at("2026-01-01T00:00:20Z");
        assert_eq!(due(&scheduled, back, back), []);
    }

    #[test]
    fn missed_ticks_are_passed_over_made_up_for_by_one_or_by_all() {
        let every = Timetable::Every { millis: 10_000 };
        let since = at("2026-01-01T00:00:00Z");
        let now = at("2026-01-01T00:00:35Z");
        let of = |missed| due(&scheduled(every.clone(), missed, since), now, now);
        let latest = at("2026-01-01T00:00:30Z");
        assert_eq!(of(Missed::Latest), [Tick { due: latest, runs: true, missed: 2 }]);
        assert_eq!(of(Missed::Skip), [Tick { due: latest, runs: false, missed: 2 }]);
        assert_eq!(of(Missed::All).len(), 3);
        // Awake all the time, the newest is not missed but late.
        let awake = due(&scheduled(every, Missed::Skip, since), now, since);
        assert_eq!(awake, [Tick { due: latest, runs: true, missed: 2 }]);
    }

    #[test]
    fn a_year_of_missed_seconds_costs_a_moment() {
        let timetable = Timetable::Cron { expression: "* * * * * *".into(), timezone: "UTC".into() };
        let scheduled = scheduled(timetable, Missed::Latest, at("2025-01-01T00:00:00Z"));
        let now = at("2026-01-01T00:00:00.500000Z");
        let ticks = due(&scheduled, now, now);
        assert_eq!(ticks.len(), 1);
        assert_eq!(ticks[0].due, at("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn after_is_due_at_once_and_then_from_the_end_of_the_run_before() {
        let since = at("2026-01-01T00:00:00Z");
        let mut scheduled = scheduled(Timetable::After { millis: 5_000 }, Missed::Latest, since);
        assert_eq!(next(&scheduled), Some(since));
        scheduled.last_due = Some(since);
        scheduled.last_run = Some(RunId(Uuid::nil()));
        assert_eq!(next(&scheduled), None, "while it runs nothing is due");
        scheduled.last_end = Some(at("2026-01-01T00:01:00Z"));
        assert_eq!(next(&scheduled), Some(at("2026-01-01T00:01:05Z")));
    }
}
