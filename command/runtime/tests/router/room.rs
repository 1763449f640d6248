//! Room: concurrency keys, priorities, and as many workers as there may be.

use openclaw_core::run::{Command, Status};
use openclaw_model::{
    RunId,
    event::run::{Concurrency, RunStarted},
};
use serde_json::json;

use crate::world::{Outside, World, child, shell};

async fn bounded(world: &World, command: &str, limit: u32, priority: i32) -> RunId {
    world
        .run_with(json!([{ "a": shell(command) }]), |started| RunStarted {
            concurrency: Some(Concurrency { key: "k".into(), limit }),
            priority,
            ..started
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn runs_of_a_key_take_turns_the_highest_priority_first_across_a_crash() {
    let world = World::new().await;
    let first = bounded(&world, "hang-1", 1, 0).await;
    world.begun("hang-1", 1).await;
    let second = bounded(&world, "2", 1, 0).await;
    let urgent = bounded(&world, "3", 1, 5).await;
    world.pass(60_000).await;
    assert_eq!(world.state(second).await.status(), Status::Pending);
    let world = world.restart().await;
    world.pass(60_000).await;
    assert_eq!(world.state(urgent).await.status(), Status::Pending);
    world.tell(first, Command::Cancel { reason: None, kill: true }).await;
    world.end(second).await;
    let ended: Vec<RunId> = world
        .all("run.completed")
        .await
        .iter()
        .filter_map(|(recorded, _)| recorded.stream.as_run())
        .collect();
    assert_eq!(ended, [urgent, second]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_room_can_be_cancelled_and_leaves_the_queue() {
    let world = World::new().await;
    let first = bounded(&world, "hang-1", 1, 0).await;
    world.begun("hang-1", 1).await;
    let second = bounded(&world, "2", 1, 9).await;
    let third = bounded(&world, "3", 1, 0).await;
    world.tell(second, Command::Cancel { reason: None, kill: false }).await;
    world.end(second).await;
    world.tell(first, Command::Cancel { reason: None, kill: true }).await;
    world.end(third).await;
    assert_eq!((world.count("2"), world.count("3")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn never_more_than_the_limit_are_under_way() {
    let world = World::new().await;
    let mut runs = Vec::new();
    for _ in 0..50 {
        runs.push(
            world
                .run_with(json!([{ "w": { "wait": { "minutes": 1 } } }]), |started| RunStarted {
                    concurrency: Some(Concurrency { key: "k".into(), limit: 10 }),
                    ..started
                })
                .await,
        );
    }
    let begin = world.now();
    for run in runs {
        world.end(run).await;
    }
    let minutes = world.now().millis_since(begin) / 60_000;
    assert_eq!(minutes, 5, "five turns of ten");
}

#[tokio::test(start_paused = true)]
async fn with_one_worker_a_parent_makes_room_for_its_child() {
    let world = World::start(Outside { most: Some(1), ..Outside::new() }).await;
    world.register("child", "1.0.0", json!({ "do": [{ "a": shell("a") }] })).await;
    let parents = [
        world.run(json!([{ "c": child("child") }])).await,
        world.run(json!([{ "c": child("child") }])).await,
        world.run(json!([{ "w": { "wait": { "seconds": 1 } } }, { "c": child("child") }])).await,
    ];
    for parent in parents {
        assert_eq!(world.output(parent).await, json!("a"));
    }
}
