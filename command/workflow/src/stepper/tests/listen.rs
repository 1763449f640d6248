//! Waiting for events.

use openclaw_model::event::run::{EventConsumed, Origin};

use super::*;

fn listening(to: Value, extra: Value) -> Bench {
    let mut task = json!({ "listen": { "to": to } });
    for (key, value) in extra.as_object().unwrap() {
        match key.as_str() {
            "read" => task["listen"]["read"] = value.clone(),
            _ => task[key] = value.clone(),
        }
    }
    run(json!([{ "hear": task }]), json!({ "order": "o-1" }))
}

fn event(kind: &str, data: Value) -> Value {
    json!({ "specversion": "1.0", "id": "1", "source": "/tests", "type": kind, "data": data })
}

impl Bench {
    /// Delivers an event to the task called `hear`, if it is still open.
    fn hear(&mut self, event: Value) {
        let position = Position(self.history.len() as u64 + 100);
        let tasks = self.state.tasks.iter().filter(|(_, task)| task.name == "hear");
        let tasks = tasks.map(|(id, _)| *id).collect();
        self.step(Stimulus::Event { position, event: Arc::new(event), tasks });
    }

    fn consumed(&self) -> Vec<&EventConsumed> {
        let consumed = self.history.iter().filter_map(|event| match event {
            RunEvent::EventConsumed(consumed) => Some(consumed),
            _ => None,
        });
        consumed.collect()
    }
}

fn hot() -> Value {
    json!({ "with": { "type": "temperature", "data": "${ .celsius > 38 }" } })
}

fn fast() -> Value {
    json!({ "with": { "type": "pulse", "data": "${ .bpm < 60 or .bpm > 100 }" } })
}

#[test]
fn one_waits_for_its_event_and_gives_an_array_of_its_data() {
    let mut bench = listening(json!({ "one": hot() }), json!({}));
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.hear(event("pulse", json!({ "bpm": 50 })));
    bench.hear(event("temperature", json!({ "celsius": 37 })));
    bench.hear(event("temperature", json!("what is not a number fits no filter")));
    assert_eq!(bench.count("run.event_consumed"), 0);
    bench.hear(event("temperature", json!({ "celsius": 39 })));
    assert_eq!(bench.output(), json!([{ "celsius": 39 }]));
}

#[test]
fn the_interests_of_a_listener_name_what_is_known_without_an_event() {
    let until = json!({ "any": [hot()], "until": { "one": { "with": { "type": "left", "source": "s" } } } });
    let bench = listening(until, json!({}));
    let started = bench.history.iter().find_map(|event| match event {
        RunEvent::TaskStarted(data) => Some(serde_json::to_value(&data.work).unwrap()),
        _ => None,
    });
    let expected = json!([{ "type": "temperature" }, { "source": "s", "type": "left" }]);
    assert_eq!(started.unwrap()["interests"], expected);
}

#[test]
fn any_takes_the_first_that_fits_and_without_filters_every_event() {
    let mut bench = listening(json!({ "any": [hot(), fast()] }), json!({}));
    bench.hear(event("pulse", json!({ "bpm": 120 })));
    assert_eq!(bench.output(), json!([{ "bpm": 120 }]));
    assert_eq!(bench.consumed()[0].filter, 1);
    let mut bench = listening(json!({ "any": [] }), json!({}));
    bench.hear(event("whatever", json!(1)));
    assert_eq!(bench.output(), json!([1]));
}

#[test]
fn all_waits_for_one_event_of_each_filter_in_any_order() {
    let mut bench = listening(json!({ "all": [hot(), fast()] }), json!({}));
    bench.hear(event("pulse", json!({ "bpm": 120 })));
    bench.hear(event("pulse", json!({ "bpm": 130 })));
    assert_eq!(bench.count("run.event_consumed"), 1, "a filter that has its event takes no other");
    bench.hear(event("temperature", json!({ "celsius": 40 })));
    assert_eq!(bench.output(), json!([{ "bpm": 120 }, { "celsius": 40 }]));
}

#[test]
fn attributes_match_as_regular_expressions_too() {
    let filter = json!({ "one": { "with": { "type": "order\\.(paid|sent)", "source": "/tests" } } });
    let mut bench = listening(filter, json!({}));
    bench.hear(event("order.placed", json!(1)));
    bench.hear(event("order.paid", json!(2)));
    assert_eq!(bench.output(), json!([2]));
}

#[test]
fn the_first_value_of_a_correlation_is_what_the_others_have_to_have() {
    let part =
        |kind: &str| json!({ "with": { "type": kind }, "correlate": { "room": { "from": ".data.room" } } });
    let mut bench = listening(json!({ "all": [part("heat"), part("damp")] }), json!({}));
    bench.hear(event("damp", json!({ "value": 1 })));
    assert_eq!(bench.count("run.event_consumed"), 0, "without the value nothing is correlated");
    bench.hear(event("damp", json!({ "room": "a" })));
    bench.hear(event("heat", json!({ "room": "b" })));
    assert!(bench.state.end.is_none());
    bench.hear(event("heat", json!({ "room": "a" })));
    assert_eq!(bench.output(), json!([{ "room": "a" }, { "room": "a" }]));
    assert_eq!(bench.consumed()[0].keys["room"], json!("a"));
    assert!(bench.consumed()[1].keys.is_empty(), "what is known is not learned again");
}

#[test]
fn what_a_correlation_expects_comes_from_the_input_of_the_task() {
    let filter = json!({
        "with": { "type": "paid" },
        "correlate": { "order": { "from": ".data.order", "expect": "${ .order }" } },
    });
    let mut bench = listening(json!({ "one": filter }), json!({}));
    bench.hear(event("paid", json!({ "order": "o-2" })));
    assert!(bench.state.end.is_none());
    bench.hear(event("paid", json!({ "order": "o-1" })));
    assert_eq!(bench.output(), json!([{ "order": "o-1" }]));
}

#[test]
fn until_holds_over_the_events_so_far_ends_the_listening() {
    let mut bench = listening(json!({ "any": [], "until": "( . | length ) > 2" }), json!({}));
    for n in 1..=3 {
        assert!(bench.state.end.is_none());
        bench.hear(event("n", json!(n)));
    }
    assert_eq!(bench.output(), json!([1, 2, 3]));
}

#[test]
fn until_consumed_ends_the_listening_and_is_no_part_of_its_output() {
    let until = json!({ "one": { "with": { "type": "left" } } });
    let mut bench = listening(json!({ "any": [hot()], "until": until }), json!({}));
    bench.hear(event("temperature", json!({ "celsius": 39 })));
    bench.hear(event("temperature", json!({ "celsius": 40 })));
    bench.hear(event("left", json!({})));
    assert_eq!(bench.output(), json!([{ "celsius": 39 }, { "celsius": 40 }]));
    assert!(bench.consumed()[2].until);
    let until = json!({ "all": [{ "with": { "type": "a" } }, { "with": { "type": "b" } }] });
    let mut bench = listening(json!({ "any": [hot()], "until": until }), json!({}));
    bench.hear(event("a", json!(1)));
    bench.hear(event("a", json!(1)));
    assert!(bench.state.end.is_none());
    bench.hear(event("b", json!(1)));
    assert_eq!(bench.output(), json!([]));
}

#[test]
fn events_are_read_as_data_or_envelope_or_raw() {
    let binary = json!({ "type": "b", "id": "1", "source": "s", "data_base64": "AAE=" });
    for (read, expected) in [("data", json!(null)), ("envelope", binary.clone()), ("raw", json!("AAE="))] {
        let mut bench = listening(json!({ "any": [] }), json!({ "read": read }));
        bench.hear(binary.clone());
        assert_eq!(bench.output(), json!([expected]), "{read}");
    }
}

#[test]
fn foreach_runs_its_tasks_for_one_event_after_the_other_and_gathers_what_they_give() {
    let foreach = json!({ "foreach": {
        "item": "reading", "at": "n",
        "do": [
            { "ask": shell("ask ${ $reading.celsius } ${ $n }") },
            { "note": { "set": { "said": "${ . }", "n": "${ $n }" } } },
        ],
        "output": { "as": "${ .said + \"!\" }" },
        "export": { "as": "${ { last: $output, seen: $n } }" },
    } });
    let until = json!({ "one": { "with": { "type": "left" } } });
    let mut bench = listening(json!({ "any": [hot()], "until": until }), foreach);
    bench.hear(event("temperature", json!({ "celsius": 39 })));
    bench.hear(event("temperature", json!({ "celsius": 40 })));
    assert_eq!(bench.commands().len(), 1, "the second event waits for the first");
    bench.reply("ask 39 0", Ok(json!("one")));
    assert_eq!(*bench.state.context, json!({ "last": "one!", "seen": 0 }));
    bench.hear(event("left", json!({})));
    bench.reply("ask 40 1", Ok(json!("two")));
    assert_eq!(bench.output(), json!(["one!", "two!"]));
    assert_eq!(*bench.state.context, json!({ "last": "two!", "seen": 1 }));
    let keys: std::collections::BTreeSet<_> = bench.history.iter().filter_map(key_of).collect();
    assert_eq!(keys.len(), 2, "each event has effects of its own");
}

fn key_of(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::TaskStarted(data) => match &data.work {
            openclaw_model::event::run::Work::Effect(intent) => Some(intent.key.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn foreach_without_tasks_transforms_and_exit_leaves_the_listening() {
    let transform = json!({ "foreach": { "output": { "as": "${ $item.celsius + $index }" } } });
    let mut bench = listening(json!({ "any": [hot()], "until": "length == 2" }), transform);
    bench.hear(event("temperature", json!({ "celsius": 39 })));
    bench.hear(event("temperature", json!({ "celsius": 40 })));
    assert_eq!(bench.output(), json!([39, 41]));
    let exit = json!({ "foreach": { "do": [{ "out": { "set": "${ $item }", "then": "exit" } }] } });
    let mut bench = listening(json!({ "any": [], "until": "${ false }" }), exit);
    bench.hear(event("n", json!(7)));
    assert_eq!(bench.output(), json!(7));
}

#[test]
fn a_task_that_is_gone_or_complete_hears_nothing() {
    let mut bench = listening(json!({ "one": hot() }), json!({ "timeout": { "after": { "seconds": 1 } } }));
    let (now, id) = (bench.now, bench.open("hear"));
    bench.pass(1_000);
    assert_eq!(bench.error().status, 408);
    let late = Arc::new(event("temperature", json!({ "celsius": 40 })));
    bench.now = now;
    bench.step(Stimulus::Event { position: Position(9), event: late, tasks: vec![id] });
    assert_eq!(bench.count("run.event_consumed"), 0);
}

fn signal(name: &str, data: Value) -> Command {
    Command::Signal { name: name.into(), data }
}

#[test]
fn signals_that_came_before_the_listening_are_taken_in_by_it_once() {
    let wait = |name: &str| {
        let one = json!({ "with": { "type": "go", "source": "/runs/.*/signals" } });
        json!({ name: { "listen": { "to": { "one": one } } } })
    };
    let mut bench = run(json!([{ "x": shell("x") }, wait("first"), wait("second")]), json!({}));
    bench.command(signal("other", json!(0))).unwrap();
    bench.command(signal("go", json!(1))).unwrap();
    bench.reply("x", Ok(json!({})));
    assert!(matches!(bench.consumed()[0].origin, Origin::Signal { version: Version(5) }));
    assert_eq!(bench.open("second"), TaskId(3), "one signal lets one task go on");
    bench.command(signal("go", json!(2))).unwrap();
    assert_eq!(bench.output(), json!([2]));
    assert_eq!(bench.state.signals.len(), 1, "what nothing listens for stays");
}
