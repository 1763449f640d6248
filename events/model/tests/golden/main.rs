//! Golden events: data of every event type in every schema that was ever written, read by today's program.
//!
//! A fixture is written once (`WRITE_GOLDEN=1` writes those that are missing) and never changed: the log is full of
//! such data.

mod control;
mod guard;
mod other;
mod outside;
mod people;
mod run;
mod sandbox;

use std::{collections::BTreeSet, fs, path::PathBuf};

use openclaw_model::{
    Event,
    event::{
        ApprovalEvent, PublishedEvent, RunEvent, ScheduleEvent, SessionEvent, WebhookEvent, WorkflowEvent,
    },
};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/events")
}

/// One event of each type, with every field set; several where a type has forms.
fn samples() -> Vec<(&'static str, Event)> {
    [
        run::samples(),
        sandbox::samples(),
        control::samples(),
        other::samples(),
        people::samples(),
        outside::samples(),
        guard::samples(),
    ]
    .concat()
}

fn path(event: &Event, form: &str) -> PathBuf {
    folder().join(format!("{}{form}.v{}.json", event.event_type(), event.schema()))
}

#[test]
fn todays_events_are_written_as_their_fixtures_say() {
    for (form, event) in samples() {
        let path = path(&event, form);
        let written: Value = serde_json::from_slice(&event.encode()).expect("events are JSON");
        if !path.exists() && std::option_env!("WRITE_GOLDEN").is_some() {
            fs::create_dir_all(folder()).expect("a folder");
            fs::write(&path, serde_json::to_string_pretty(&written).expect("JSON") + "\n")
                .expect("a fixture");
        }
        let fixture = fs::read(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        let fixture: Value = serde_json::from_slice(&fixture).expect("fixtures are JSON");
        assert_eq!(written, fixture, "{}: a changed shape needs a new schema", path.display());
    }
}

#[test]
fn every_fixture_ever_written_can_be_read() {
    let mut read = 0;
    for entry in fs::read_dir(folder()).expect("the fixtures").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        let (stem, schema) = name.trim_end_matches(".json").rsplit_once(".v").expect("a schema in the name");
        let event_type = stem.split('-').next().expect("a type in the name");
        let data = fs::read(entry.path()).expect("a fixture");
        let event = Event::decode(event_type, schema.parse().expect("a number"), &data)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(event.event_type(), event_type);
        read += 1;
    }
    assert!(read >= samples().len());
}

#[test]
fn every_type_has_a_fixture() {
    let mut types = [
        RunEvent::TYPES,
        SessionEvent::TYPES,
        WorkflowEvent::TYPES,
        ApprovalEvent::TYPES,
        ScheduleEvent::TYPES,
        WebhookEvent::TYPES,
        PublishedEvent::TYPES,
    ]
    .concat();
    types.extend(guard::types());
    let sampled: BTreeSet<&str> = samples().iter().map(|(_, event)| event.event_type()).collect();
    let missing: Vec<_> = types.iter().filter(|event_type| !sampled.contains(*event_type)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn unknown_types_and_newer_schemas_are_refused_by_name() {
    let unknown = Event::decode("run.teleported", 1, b"{}").unwrap_err().to_string();
    assert!(unknown.contains("run.teleported"), "{unknown}");
    let newer = Event::decode("run.completed", 9, b"{}").unwrap_err().to_string();
    assert!(newer.contains("schema 9"), "{newer}");
    assert!(Event::decode("run.completed", 1, b"{\"output\":").is_err());
}
