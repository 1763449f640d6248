//! Schedules of workflows: what starts them, and what came of it lately.

use std::collections::BTreeMap;

use openclaw_model::{
    Position, RunId, Timestamp,
    event::{
        ScheduleEvent,
        schedule::{Missed, Overlap, Skipped, Timetable},
    },
};

use super::{Broken, Place, json};

/// Row of `schedules`, which is also all that must be known of one.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) version: String,
    pub(crate) digest: Vec<u8>,
    /// JSON.
    pub(crate) timetable: String,
    pub(crate) overlap: String,
    pub(crate) missed: String,
    pub(crate) activated_at: Timestamp,
    pub(crate) paused_at: Option<Timestamp>,
    pub(crate) pause_reason: Option<String>,
    pub(crate) last_due: Option<Timestamp>,
    pub(crate) last_at: Option<Timestamp>,
    pub(crate) last_run: Option<RunId>,
    /// Why the last tick started nothing.
    pub(crate) last_skipped: Option<String>,
    pub(crate) runs: u64,
    pub(crate) skipped: u64,
    /// JSON.
    pub(crate) interests: Option<String>,
    /// JSON.
    pub(crate) input: Option<String>,
}

/// Changed rows of the schedule table.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: BTreeMap<Position, Row>,
}

pub(super) fn begin(
    place: &Place,
    stream: &str,
    event: ScheduleEvent,
    changes: &mut Changes,
) -> Result<Row, Broken> {
    let ScheduleEvent::Activated(_) = event else {
        return Err(Broken(format!("a schedule begins with {}", event.event_type())));
    };
    let (namespace, name) =
        stream.split_once('/').ok_or_else(|| Broken(format!("{stream} names no workflow")))?;
    let mut row = Row {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        active: false,
        version: String::new(),
        digest: Vec::new(),
        timetable: String::new(),
        overlap: String::new(),
        missed: String::new(),
        activated_at: place.at,
        paused_at: None,
        pause_reason: None,
        last_due: None,
        last_at: None,
        last_run: None,
        last_skipped: None,
        runs: 0,
        skipped: 0,
        interests: None,
        input: None,
    };
    apply(&mut row, place, event, changes);
    Ok(row)
}

pub(super) fn apply(row: &mut Row, place: &Place, event: ScheduleEvent, changes: &mut Changes) {
    match event {
        ScheduleEvent::Activated(event) => {
            row.active = true;
            row.version = event.version;
            row.digest = event.digest.0.to_vec();
            row.timetable = json(&event.timetable);
            row.overlap = match event.overlap {
                Overlap::Allow => "allow",
                Overlap::Skip => "skip",
                Overlap::Cancel => "cancel",
            }
            .to_owned();
            row.missed = match event.missed {
                Missed::Skip => "skip",
                Missed::Latest => "latest",
                Missed::All => "all",
            }
            .to_owned();
            row.activated_at = place.at;
            let waits = matches!(event.timetable, Timetable::On);
            row.interests = waits.then(|| json(&event.interests));
            row.input = (!event.input.is_null()).then(|| json(&event.input));
        }
        ScheduleEvent::Deactivated(_) => row.active = false,
        ScheduleEvent::Ticked(event) => {
            (row.last_due, row.last_at) = (Some(event.due), Some(place.at));
            row.last_skipped = event.skipped.map(|why| {
                match why {
                    Skipped::Overlap => "overlap",
                    Skipped::Missed => "missed",
                }
                .to_owned()
            });
            row.runs += u64::from(event.run.is_some());
            row.skipped += u64::from(event.run.is_none()) + u64::from(event.missed);
            row.last_run = event.run.or(row.last_run);
        }
        // What it waits for beside that is in its events.
        ScheduleEvent::EventConsumed(_) => return,
        ScheduleEvent::Triggered(event) => {
            (row.last_due, row.last_at) = (None, Some(place.at));
            (row.last_skipped, row.last_run) = (None, Some(event.run));
            row.runs += 1;
        }
        ScheduleEvent::Paused(event) => {
            (row.paused_at, row.pause_reason) = (Some(place.at), event.reason);
        }
        ScheduleEvent::Resumed(_) => (row.paused_at, row.pause_reason) = (None, None),
    }
    changes.rows.insert(place.key, row.clone());
}
