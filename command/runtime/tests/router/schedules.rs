//! Workflows that are started by themselves.

use openclaw_core::schedule;
use openclaw_model::{StreamId, StreamKind};
use serde_json::{Value, json};

use crate::world::{Outside, World, shell};

const MINUTE: u64 = 60_000;

async fn scheduled(world: &World, schedule: Value, options: Value) {
    let mut rest = json!({ "schedule": schedule, "do": [{ "a": shell("a") }] });
    if !options.is_null() {
        rest["metadata"] = json!({ "schedule": options });
    }
    world.register("timed", "1.0.0", rest).await;
}

fn stream() -> StreamId {
    StreamId::new(StreamKind::Schedule, "test/timed").unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_interval_starts_a_run_and_nothing_does_once_the_version_is_retired() {
    let world = World::new().await;
    scheduled(&world, json!({ "every": { "minutes": 1 } }), json!({ "input": { "n": 7 } })).await;
    world.pass(MINUTE * 5 + 100).await;
    let runs = world.triggered().await;
    assert_eq!(runs.len(), 5);
    assert_eq!(runs[0].2, json!({ "n": 7 }));
    let stream = openclaw_gateway::definitions::stream("test", "timed").unwrap();
    world.submit(stream, openclaw_core::workflow::Command::Retire { version: "1.0.0".into() }).await;
    world.pass(MINUTE * 5).await;
    assert_eq!(world.triggered().await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn one_tick_is_one_run_wherever_the_process_dies() {
    let mut world = World::new().await;
    scheduled(&world, json!({ "every": { "minutes": 1 } }), Value::Null).await;
    for round in 0..20_u64 {
        // Before, at and after the tick.
        world.pass(MINUTE - 1 + round % 3).await;
        let outside = world.crash().await;
        if round % 5 == 4 {
            outside.lose_index();
        }
        world = World::start(outside).await;
    }
    world.pass(MINUTE).await;
    let runs = world.triggered().await;
    let mut dues: Vec<_> = runs.iter().map(|(_, due, _)| due.unwrap()).collect();
    assert_eq!(dues.len(), world.number_of("schedule.ticked").await);
    dues.dedup();
    assert_eq!(dues.len(), runs.len(), "no due time twice");
    assert!(dues.len() >= 19, "{}", dues.len());
    let anchored = dues.windows(2).all(|pair| pair[1].millis_since(pair[0]) % MINUTE == 0);
    assert!(anchored, "restarts do not move the times");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_is_activated_once_even_if_the_process_dies_right_after_the_registration() {
    let world = World::new().await;
    scheduled(&world, json!({ "every": { "minutes": 1 } }), Value::Null).await;
    let world = world.restart().await.restart().await;
    world.reached("schedule.activated", 1).await;
    let world = world.restart().await;
    world.pass(MINUTE).await;
    assert_eq!(world.number_of("schedule.activated").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_takes_the_schedule_over_and_an_older_one_does_not() {
    let world = World::new().await;
    scheduled(&world, json!({ "every": { "minutes": 1 } }), Value::Null).await;
    let every = |minutes: u64| json!({ "every": { "minutes": minutes } });
    let tasks = json!([{ "b": shell("b") }]);
    world.register("timed", "0.9.0", json!({ "schedule": every(7), "do": tasks })).await;
    world.register("timed", "2.0.0", json!({ "schedule": every(2), "do": tasks })).await;
    world.pass(MINUTE * 10 + 100).await;
    assert_eq!((world.count("a"), world.count("b")), (0, 5));
    world.register("timed", "3.0.0", json!({ "do": tasks })).await;
    world.reached("schedule.deactivated", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_forward_makes_up_for_one_tick_and_one_that_jumps_back_repeats_none() {
    let world = World::new().await;
    scheduled(&world, json!({ "every": { "minutes": 1 } }), Value::Null).await;
    world.pass(MINUTE * 2 + 100).await;
    assert_eq!(world.triggered().await.len(), 2);
    world.outside.wall.jump(60 * MINUTE as i64);
    world.pass(MINUTE).await;
    let runs = world.triggered().await.len();
    assert!((3..=4).contains(&runs), "{runs}");
    world.outside.wall.jump(-30 * MINUTE as i64);
    world.pass(MINUTE * 20).await;
    assert_eq!(world.triggered().await.len(), runs);
}

#[tokio::test(start_paused = true)]
async fn ticks_that_were_missed_are_skipped_made_up_for_by_one_or_by_all() {
    for (missed, expected) in [("skip", 0), ("latest", 1), ("all", 10)] {
        let world = World::new().await;
        scheduled(&world, json!({ "every": { "minutes": 1 } }), json!({ "missed": missed })).await;
        world.reached("schedule.activated", 1).await;
        let outside = world.crash().await;
        tokio::time::sleep(std::time::Duration::from_millis(MINUTE * 10 + 5_000)).await;
        let world = World::start(outside).await;
        world.pass(20_000).await;
        assert_eq!(world.triggered().await.len(), expected, "{missed}");
        world.pass(MINUTE).await;
        assert_eq!(world.triggered().await.len(), expected + 1, "{missed}");
    }
}

#[tokio::test(start_paused = true)]
async fn runs_that_overlap_are_allowed_skipped_or_cancelled() {
    for (overlap, started, cancelled) in [("allow", 3, 0), ("skip", 1, 0), ("cancel", 3, 2)] {
        let world = World::new().await;
        let rest = json!({
            "schedule": { "every": { "minutes": 1 } },
            "metadata": { "schedule": { "overlap": overlap } },
            "do": [{ "a": shell("hang") }],
        });
        world.register("timed", "1.0.0", rest).await;
        world.pass(MINUTE * 3 + 1_000).await;
        assert_eq!(world.triggered().await.len(), started, "{overlap}");
        assert_eq!(world.number_of("run.cancelled").await, cancelled, "{overlap}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_counts_from_the_end_of_the_run_before_across_a_restart() {
    let world = World::new().await;
    let rest = json!({
        "schedule": { "after": { "minutes": 10 } },
        "do": [{ "w": { "wait": { "minutes": 5 } } }],
    });
    world.register("timed", "1.0.0", rest).await;
    world.reached("run.completed", 1).await;
    world.pass(MINUTE * 4).await;
    let world = world.restart().await;
    world.reached("run.completed", 3).await;
    let dues: Vec<_> = world.triggered().await.into_iter().map(|(_, due, _)| due.unwrap()).collect();
    for pair in dues.windows(2) {
        let gap = pair[1].millis_since(pair[0]);
        assert!((MINUTE * 15..MINUTE * 15 + 1_000).contains(&gap), "{gap}");
    }
}

#[tokio::test(start_paused = true)]
async fn cron_ticks_in_its_time_zone_whatever_the_clocks_do() {
    // The night in which Berlin skips the hour from 2 to 3.
    let world = World::start(Outside::at("2026-03-28T12:00:00Z")).await;
    scheduled(&world, json!({ "cron": "30 2 * * *" }), json!({ "timezone": "Europe/Berlin" })).await;
    world.pass(MINUTE * 60 * 44).await;
    let dues: Vec<String> =
        world.triggered().await.iter().map(|(_, due, _)| due.unwrap().to_string()).collect();
    assert_eq!(dues, ["2026-03-29T01:00:00.000000Z", "2026-03-30T00:30:00.000000Z"]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_schedule_starts_nothing_and_treats_what_it_missed_as_its_policy_says() {
    let world = World::new().await;
    scheduled(&world, json!({ "every": { "minutes": 1 } }), json!({ "missed": "skip" })).await;
    world.pass(MINUTE + 100).await;
    world.submit(stream(), schedule::Command::Pause { reason: None }).await;
    world.pass(MINUTE * 3).await;
    let world = world.restart().await;
    world.pass(MINUTE * 3).await;
    assert_eq!(world.triggered().await.len(), 1);
    world.submit(stream(), schedule::Command::Resume).await;
    world.pass(30_000).await;
    assert_eq!(world.triggered().await.len(), 1, "missed ones are passed over");
    world.pass(MINUTE).await;
    assert_eq!(world.triggered().await.len(), 2);
}

async fn on(world: &World, on: Value) {
    world.register("timed", "1.0.0", json!({ "schedule": { "on": on }, "do": [{ "a": shell("a") }] })).await;
    world.reached("schedule.activated", 1).await;
}

fn correlated(kind: &str) -> Value {
    json!({ "with": { "type": kind }, "correlate": { "order": { "from": "${ .data.order }" } } })
}

#[tokio::test(start_paused = true)]
async fn each_event_starts_one_run_with_the_event_as_its_input() {
    let mut world = World::new().await;
    on(&world, json!({ "one": { "with": { "type": "t" } } })).await;
    for number in 0..10 {
        world.publish("t", json!(number)).await;
        world.publish("other", json!(number)).await;
        if number % 3 == 2 {
            world = world.restart().await;
        }
    }
    world.until(async || (world.triggered().await.len() >= 10).then_some(())).await;
    world.pass(MINUTE).await;
    let inputs: Vec<Value> =
        world.triggered().await.into_iter().map(|(_, _, input)| input[0]["data"].clone()).collect();
    assert_eq!(inputs, (0..10).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn all_events_of_a_set_start_one_run_even_if_the_process_dies_half_way() {
    let mut world = World::new().await;
    on(&world, json!({ "all": [correlated("a"), correlated("b")] })).await;
    world.publish("a", json!({ "order": 1 })).await;
    world.reached("schedule.event_consumed", 1).await;
    world = world.restart().await;
    world.publish("a", json!({ "order": 1 })).await;
    world.publish("b", json!({ "order": 2 })).await;
    world.pass(MINUTE).await;
    assert_eq!(world.triggered().await, [], "another order, and a second of the same");
    world.publish("b", json!({ "order": 1 })).await;
    world = world.restart().await;
    world.until(async || (world.triggered().await.len() == 1).then_some(())).await;
    world.pass(MINUTE).await;
    let runs = world.triggered().await;
    assert_eq!(runs.len(), 1);
    let kinds: Vec<&Value> = runs[0].2.as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["a", "b"]);
    // The next set begins anew.
    world.publish("b", json!({ "order": 3 })).await;
    world.publish("a", json!({ "order": 3 })).await;
    world.until(async || (world.triggered().await.len() == 2).then_some(())).await;
}
