//! `schedule`: when a workflow is started by itself (dsl-reference, "Schedule").
//!
//! `document.metadata.schedule` holds what the language has no words for: what happens when runs overlap, to ticks that
//! were missed, the time zone, and the input.

use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, tz::TimeZoneDatabase};
use openclaw_model::event::schedule::{Missed, Overlap, Timetable};
use serde_json::Value;

use super::{
    Duration,
    events::{Consume, Schedule},
    listen,
    problem::code,
    reader::{Fields, Node, Reader, excerpt},
};

/// The shortest interval, in milliseconds.
const SHORTEST_MS: u64 = 1_000;
/// The longest CRON expression, in bytes.
const MAX_CRON: usize = 256;

/// Parses a CRON expression: five fields, or six with seconds at the front.
///
/// # Errors
/// In words, what is wrong with it.
pub fn cron(expression: &str) -> Result<croner::Cron, String> {
    if expression.len() > MAX_CRON {
        return Err(format!("a CRON expression has {MAX_CRON} bytes at most"));
    }
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(expression)
        .map_err(|error| format!("`{}` is no CRON expression: {error}", excerpt(expression)))
}

/// Reads the schedule of a document, if it has one.
pub(super) fn read<'d>(reader: &mut Reader<'d>, document: &Fields<'d>) -> Option<Option<Schedule>> {
    let options = reader.root.pointer("/document/metadata/schedule");
    let options = options.map(|value| Node { value, path: "/document/metadata/schedule".into() });
    let Some(node) = document.get("schedule") else {
        if let Some(options) = options {
            let message = "these are options of a schedule, and there is no `schedule`";
            reader.report(code::BAD_VALUE, &options.path, message);
            return None;
        }
        return Some(None);
    };
    let kinds = ["every", "cron", "after", "on"];
    let fields = reader.object(&node, &kinds)?;
    let mut found = kinds.iter().filter_map(|name| fields.get(name).map(|node| (*name, node)));
    let (Some((kind, what)), None) = (found.next(), found.next()) else {
        reader.report(code::BAD_VALUE, &node.path, "give one of every, cron, after, on");
        return None;
    };
    let options = match &options {
        Some(options) => self::options(reader, options, kind),
        None => Some(Options::default()),
    };
    let (timetable, on) = match kind {
        "on" => (Some(Timetable::On), Some(events(reader, &what)?)),
        "cron" => (tick(reader, &what, options.as_ref()), None),
        "every" => (interval(reader, &what, SHORTEST_MS).map(|millis| Timetable::Every { millis }), None),
        _ => (interval(reader, &what, 1).map(|millis| Timetable::After { millis }), None),
    };
    let options = options?;
    Some(Some(Schedule {
        timetable: timetable?,
        on,
        overlap: options.overlap,
        missed: options.missed,
        input: options.input,
    }))
}

/// The events that start a run: complete sets of them.
fn events<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Consume> {
    if let Some(until) = node.value.get("until") {
        let message = "a schedule starts a run with the first event, so it cannot wait for `until`";
        reader.report(code::BAD_VALUE, &node.child("until", until).path, message);
        return None;
    }
    listen::consume(reader, node, false)
}

fn tick<'d>(reader: &mut Reader<'d>, node: &Node<'d>, options: Option<&Options>) -> Option<Timetable> {
    let expression = reader.text(node)?;
    // A date that does not exist, such as the 31st of February, parses and never comes.
    let checked = cron(expression).and_then(|cron| {
        let from = Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
        cron.find_next_occurrence(&from, false)
            .map_err(|_| format!("the time `{}` never comes", excerpt(expression)))
    });
    if let Err(message) = checked {
        reader.report(code::BAD_VALUE, &node.path, message);
        return None;
    }
    Some(Timetable::Cron { expression: expression.to_owned(), timezone: options?.timezone.clone() })
}

fn interval<'d>(reader: &mut Reader<'d>, node: &Node<'d>, shortest: u64) -> Option<u64> {
    match reader.duration(node)? {
        Duration::Millis(millis) if millis >= shortest => Some(millis),
        Duration::Millis(_) => {
            let message = format!("the shortest interval is {shortest} ms");
            reader.report(code::BAD_VALUE, &node.path, message);
            None
        }
        Duration::Computed(_) => {
            reader.report(code::BAD_VALUE, &node.path, "nothing is known to compute the interval from");
            None
        }
    }
}

/// `document.metadata.schedule`.
struct Options {
    overlap: Overlap,
    missed: Missed,
    timezone: String,
    input: Value,
}

impl Default for Options {
    fn default() -> Self {
        let (overlap, missed) = (Overlap::default(), Missed::default());
        Self { overlap, missed, timezone: "UTC".into(), input: Value::Null }
    }
}

fn options<'d>(reader: &mut Reader<'d>, node: &Node<'d>, kind: &str) -> Option<Options> {
    let fields = reader.object(node, &["overlap", "missed", "timezone", "input"])?;
    let overlap = reader.optional(fields.get("overlap"), |reader, node| {
        let words = [("allow", Overlap::Allow), ("skip", Overlap::Skip), ("cancel", Overlap::Cancel)];
        reader.word(node, &words)
    });
    let missed = reader.optional(fields.get("missed"), |reader, node| {
        reader.word(node, &[("skip", Missed::Skip), ("latest", Missed::Latest), ("all", Missed::All)])
    });
    let timezone = reader.optional(fields.get("timezone"), timezone);
    for (name, fits) in [("timezone", kind == "cron"), ("input", kind != "on"), ("missed", kind != "on")] {
        if let Some(node) = fields.get(name)
            && !fits
        {
            let message = format!("`{name}` means nothing to `{kind}`");
            reader.report(code::BAD_VALUE, &node.path, message);
            return None;
        }
    }
    let default = Options::default();
    Some(Options {
        overlap: overlap?.unwrap_or(default.overlap),
        missed: missed?.unwrap_or(default.missed),
        timezone: timezone?.unwrap_or(default.timezone),
        input: fields.get("input").map(|node| node.value.clone()).unwrap_or_default(),
    })
}

fn timezone<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<String> {
    let name = reader.text(node)?;
    match TimeZoneDatabase::bundled().get(name) {
        Ok(zone) => Some(zone.iana_name().unwrap_or(name).to_owned()),
        Err(_) => {
            let message = format!("`{}` is no time zone such as Europe/Berlin", excerpt(name));
            reader.report(code::BAD_VALUE, &node.path, message);
            None
        }
    }
}
