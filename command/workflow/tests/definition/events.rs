//! `listen` and `schedule`.

use openclaw_model::event::schedule::{Missed, Overlap, Timetable};
use openclaw_workflow::definition::{Body, Definition, Listen, Mode, Read, Until};
use serde_json::{Value, json};

use crate::{codes, document, load, one};

fn listen(definition: &Definition) -> &Listen {
    match &definition.tasks.0[0].body {
        Body::Listen(listen) => listen,
        other => panic!("{other:?}"),
    }
}

fn listening(to: Value) -> Value {
    document(json!([{ "a": { "listen": { "to": to } } }]))
}

#[test]
fn filters_tell_texts_from_what_is_computed() {
    let definition = load(document(json!([{ "a": {
        "listen": {
            "to": {
                "any": [{
                    "with": { "type": "order\\..*", "subject": "${ . != null }", "priority": 3, "data": { "n": 1 } },
                    "correlate": { "order": { "from": ".data.order", "expect": "${ .order }" }, "room": { "from": ".room" } },
                }],
                "until": { "one": { "with": { "type": "left" } } },
            },
            "read": "envelope",
        },
        "foreach": {
            "item": "e", "do": [{ "x": { "set": { "y": "${ [$e, $index] }" } } }],
            "output": { "as": "${ $e }" }, "export": { "as": "${ $index }" },
        },
    } }])));
    let listen = listen(&definition);
    assert_eq!((listen.consume.mode, listen.read), (Mode::Any, Read::Envelope));
    let filter = &listen.consume.filters[0];
    assert_eq!(filter.interest.0.keys().collect::<Vec<_>>(), ["type"]);
    assert_eq!(filter.attributes.keys().collect::<Vec<_>>(), ["data", "priority", "subject"]);
    assert!(filter.correlations["order"].expect.is_some() && filter.correlations["room"].expect.is_none());
    assert!(matches!(&listen.consume.until, Some(Until::Consumed(until)) if until.mode == Mode::One));
    let foreach = listen.foreach.as_ref().unwrap();
    assert_eq!((foreach.item.as_str(), foreach.at.as_str()), ("e", "index"));
    assert_eq!(foreach.tasks.as_ref().unwrap().0[0].reference, "/do/0/a/foreach/do/0/x");
}

#[test]
fn a_strategy_that_says_nothing_or_too_much_is_refused() {
    let one_filter = json!({ "with": { "type": "x" } });
    for (to, code, path) in [
        (json!({}), "OC-WF-013", "/do/0/a/listen/to"),
        (json!({ "one": one_filter, "any": [] }), "OC-WF-013", "/do/0/a/listen/to"),
        (json!({ "all": [] }), "OC-WF-013", "/do/0/a/listen/to/all"),
        (json!({ "one": one_filter, "until": "true" }), "OC-WF-013", "/do/0/a/listen/to/until"),
        (json!({ "one": { "with": {} } }), "OC-WF-013", "/do/0/a/listen/to/one/with"),
        (json!({ "one": { "with": { "Type": "x" } } }), "OC-WF-013", "/do/0/a/listen/to/one/with/Type"),
        (json!({ "one": {} }), "OC-WF-011", "/do/0/a/listen/to/one"),
        (json!({ "any": [], "until": 3 }), "OC-WF-012", "/do/0/a/listen/to/until"),
        (
            json!({ "any": [], "until": { "any": [], "until": "true" } }),
            "OC-WF-010",
            "/do/0/a/listen/to/until/until",
        ),
        (
            json!({ "one": { "with": { "type": "x" }, "correlate": { "k": {} } } }),
            "OC-WF-011",
            "/do/0/a/listen/to/one/correlate/k",
        ),
    ] {
        assert_eq!(codes(listening(to.clone())), one(code, path), "{to}");
    }
    let same = json!([{ "a": { "listen": { "to": { "any": [] } }, "foreach": { "item": "x", "at": "x" } } }]);
    assert_eq!(codes(document(same)), one("OC-WF-022", "/do/0/a/foreach"));
    let outside = json!([
        { "a": { "listen": { "to": { "any": [] } }, "foreach": { "do": [{ "x": { "wait": "PT1S" } }] } } },
        { "b": { "set": { "x": "${ $item }" } } },
    ]);
    assert_eq!(codes(document(outside)), one("OC-WF-034", "/do/1/b/set/x"));
}

fn scheduled(schedule: Value, options: Value) -> Value {
    let mut document = document(json!([{ "a": { "set": { "x": 1 } } }]));
    document["schedule"] = schedule;
    if !options.is_null() {
        document["document"]["metadata"] = json!({ "owner": "ops", "schedule": options });
    }
    document
}

#[test]
fn schedules_have_a_timetable_and_options() {
    let schedule = |schedule, options| load(scheduled(schedule, options)).schedule.unwrap();
    let every = schedule(json!({ "every": { "minutes": 5 } }), json!(null));
    assert_eq!(every.timetable, Timetable::Every { millis: 300_000 });
    assert_eq!((every.overlap, every.missed), (Overlap::Allow, Missed::Latest));
    let options =
        json!({ "overlap": "skip", "missed": "all", "timezone": "europe/berlin", "input": { "n": 1 } });
    let cron = schedule(json!({ "cron": "*/5 0 6 * * MON-FRI" }), options);
    let expected =
        Timetable::Cron { expression: "*/5 0 6 * * MON-FRI".into(), timezone: "Europe/Berlin".into() };
    assert_eq!((cron.timetable, cron.input), (expected, json!({ "n": 1 })));
    let after = schedule(json!({ "after": "PT0.5S" }), json!({ "overlap": "cancel" }));
    assert_eq!(after.timetable, Timetable::After { millis: 500 });
    let on = schedule(
        json!({ "on": { "all": [{ "with": { "type": "x" } }, { "with": { "type": "y" } }] } }),
        json!(null),
    );
    assert_eq!((on.timetable, on.on.unwrap().filters.len()), (Timetable::On, 2));
}

#[test]
fn a_schedule_that_cannot_be_kept_is_refused() {
    let minutely = json!({ "cron": "* * * * *" });
    for (schedule, options, code, path) in [
        (json!({}), json!(null), "OC-WF-013", "/schedule"),
        (json!({ "every": "PT1M", "after": "PT1M" }), json!(null), "OC-WF-013", "/schedule"),
        (json!({ "every": "PT0.1S" }), json!(null), "OC-WF-013", "/schedule/every"),
        (json!({ "after": "PT0S" }), json!(null), "OC-WF-013", "/schedule/after"),
        (json!({ "every": "${ \"PT1M\" }" }), json!(null), "OC-WF-013", "/schedule/every"),
        (json!({ "cron": "* * * *" }), json!(null), "OC-WF-013", "/schedule/cron"),
        (json!({ "cron": "61 * * * *" }), json!(null), "OC-WF-013", "/schedule/cron"),
        (json!({ "cron": "0 0 31 2 *" }), json!(null), "OC-WF-013", "/schedule/cron"),
        (json!({ "cron": "x".repeat(300) }), json!(null), "OC-WF-013", "/schedule/cron"),
        (json!({ "at": "noon" }), json!(null), "OC-WF-010", "/schedule/at"),
        (minutely.clone(), json!({ "overlap": "wait" }), "OC-WF-013", "/document/metadata/schedule/overlap"),
        (
            minutely.clone(),
            json!({ "timezone": "Mars/Olympus" }),
            "OC-WF-013",
            "/document/metadata/schedule/timezone",
        ),
        (minutely, json!({ "jitter": 1 }), "OC-WF-010", "/document/metadata/schedule/jitter"),
        (
            json!({ "every": "PT1M" }),
            json!({ "timezone": "UTC" }),
            "OC-WF-013",
            "/document/metadata/schedule/timezone",
        ),
        (
            json!({ "on": { "any": [] } }),
            json!({ "input": 1 }),
            "OC-WF-013",
            "/document/metadata/schedule/input",
        ),
        (json!({ "on": { "any": [], "until": "true" } }), json!(null), "OC-WF-013", "/schedule/on/until"),
    ] {
        let found = codes(scheduled(schedule.clone(), options.clone()));
        assert!(found.contains(&(code, path.to_owned())), "{schedule} {options}: {found:?}");
    }
    let mut none = scheduled(json!(null), json!({ "overlap": "skip" }));
    none.as_object_mut().unwrap().remove("schedule");
    assert_eq!(codes(none), one("OC-WF-013", "/document/metadata/schedule"));
}
