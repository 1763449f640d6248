//! Events: who hears them, in which order, and that nobody hears one twice.

use openclaw_core::run::{Command, Status};
use openclaw_model::{Event, event::RunEvent, event::run::Origin};
use serde_json::{Value, json};

use crate::world::{World, listen, shell};

/// A task that takes in `count` events of a type, whatever they hold.
fn take(kind: &str, count: usize) -> Value {
    let until = format!("${{ length >= {count} }}");
    json!({ "listen": { "to": { "any": [{ "with": { "type": kind } }], "until": until } } })
}

async fn listening(world: &World, run: openclaw_model::RunId) {
    world.until(async || (world.state(run).await.status() == Status::Waiting).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_an_event_is_woken_by_it_and_not_by_what_came_before() {
    let world = World::new().await;
    world.publish("t", json!({ "n": 0 })).await;
    let run = world.run(json!([{ "l": listen("t") }])).await;
    listening(&world, run).await;
    world.pass(3_600_000).await;
    assert_eq!(world.state(run).await.end, None);
    world.publish("other", json!({ "n": 1 })).await;
    world.publish("t", json!({ "n": 2 })).await;
    assert_eq!(world.output(run).await, json!([{ "n": 2 }]));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_one_run_emits_is_heard_by_another() {
    let world = World::new().await;
    let listener = world.run(json!([{ "l": listen("greeting") }])).await;
    listening(&world, listener).await;
    let emit = json!({ "emit": { "event": { "with": { "source": "https://e.x", "type": "greeting", "data": { "hello": 1 } } } } });
    world.run(json!([{ "e": emit }])).await;
    assert_eq!(world.output(listener).await, json!([{ "hello": 1 }]));
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_listeners_of_different_types_an_event_wakes_one() {
    let world = World::new().await;
    let mut runs = Vec::new();
    for number in 0..1_000 {
        runs.push(world.run(json!([{ "l": listen(&format!("t{number}")) }])).await);
    }
    world.reached("run.task_started", 1_000).await;
    world.pass(10_000).await;
    let before = world.log_length();
    world.publish("t500", json!({ "n": 1 })).await;
    assert_eq!(world.output(runs[500]).await, json!([{ "n": 1 }]));
    world.pass(10_000).await;
    // The event; taken in, completed, and the run: nobody else did anything.
    assert_eq!(world.log_length() - before, 4);
}

#[tokio::test(start_paused = true)]
async fn events_are_taken_in_in_log_order_and_each_once_however_often_the_process_dies() {
    let mut world = World::new().await;
    let run = world.run(json!([{ "l": take("t", 30) }])).await;
    listening(&world, run).await;
    for number in 0..30 {
        world.publish("t", json!(number)).await;
        if number % 4 == 3 {
            world = match number % 3 {
                0 => World::start(world.stop().await).await,
                1 => world.restart().await,
                _ => {
                    let outside = world.crash().await;
                    outside.lose_index();
                    World::start(outside).await
                }
            };
        }
    }
    assert_eq!(world.output(run).await, (0..30).collect::<Value>());
    let consumed = world.all("run.event_consumed").await;
    let mut positions: Vec<_> = consumed
        .into_iter()
        .map(|(_, event)| match event {
            Event::Run(RunEvent::EventConsumed(data)) => match data.origin {
                Origin::Log { position } => position,
                Origin::Signal { .. } => panic!("nobody sent a signal"),
            },
            _ => panic!(),
        })
        .collect();
    positions.dedup();
    assert_eq!(positions.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_passes_no_filter_is_dealt_with_and_forgotten() {
    let world = World::new().await;
    let to = json!({ "one": { "with": { "type": "t", "data": "${ .n > 5 }" } } });
    let run = world.run(json!([{ "l": { "listen": { "to": to } } }])).await;
    listening(&world, run).await;
    for number in 0..8 {
        world.publish("t", json!({ "n": number })).await;
    }
    assert_eq!(world.output(run).await, json!([{ "n": 6 }]));
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_takes_events_in_and_goes_on_when_it_is_resumed() {
    let world = World::new().await;
    let run = world.run(json!([{ "l": listen("t") }, { "a": shell("a") }])).await;
    listening(&world, run).await;
    world.tell(run, Command::Pause { reason: None }).await;
    world.publish("t", json!(1)).await;
    world.reached("run.event_consumed", 1).await;
    world.pass(60_000).await;
    assert_eq!(world.count("a"), 0);
    world.tell(run, Command::Resume).await;
    assert_eq!(world.output(run).await, json!("a"));
}

#[tokio::test(start_paused = true)]
async fn lifecycle_events_of_others_are_heard_by_those_who_name_them() {
    let mut world = World::new().await;
    let faulted = "io.serverlessworkflow.task.faulted.v1";
    let run = world.run(json!([{ "l": take(faulted, 2) }])).await;
    let anything = world.run(json!([{ "l": { "listen": { "to": { "any": [] } } } }])).await;
    listening(&world, run).await;
    listening(&world, anything).await;
    let fail = json!({ "raise": { "error": { "type": "https://e.x/oops", "status": 400 } } });
    world.run(json!([{ "first": fail }])).await;
    world.reached("run.event_consumed", 1).await;
    world = world.restart().await;
    world.run(json!([{ "second": fail }])).await;
    let heard = world.output(run).await;
    assert_eq!(heard[0]["task"], "/do/0/first");
    assert_eq!(heard[1]["task"], "/do/0/second");
    assert_eq!(heard[1]["error"]["status"], 400);
    world.pass(60_000).await;
    assert_eq!(
        world.state(anything).await.end,
        None,
        "who asks for anything does not ask for lifecycle events"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_retried_listens_again() {
    let world = World::new().await;
    let fork = json!({ "fork": { "branches": [
        { "l": listen("t") },
        { "late": { "wait": { "seconds": 30 }, "timeout": { "after": { "seconds": 10 } } } },
    ] } });
    let run = world.run(json!([{ "both": fork }])).await;
    world.end(run).await;
    world.publish("t", json!("while it was over")).await;
    world.tell(run, Command::Retry { task: None }).await;
    world.publish("t", json!("after")).await;
    world.reached("run.event_consumed", 1).await;
    let consumed = world.all("run.event_consumed").await;
    let Event::Run(RunEvent::EventConsumed(data)) = &consumed[0].1 else { panic!() };
    assert_eq!(data.event, json!("after"));
}
