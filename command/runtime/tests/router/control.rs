//! Runs in hand: paused, retried, forked, asked about.

use openclaw_core::run::{Command, End, Status};
use openclaw_model::{RunId, Version, event::run::ForkOrigin};
use serde_json::{Value, json};

use crate::world::{Outside, World, shell};

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_a_run_is_paused_is_recorded_and_nothing_new_begins() {
    let world = World::new().await;
    let run = world.run(json!([{ "a": shell("a") }, { "b": shell("b") }])).await;
    world.begun("a", 1).await;
    world.tell(run, Command::Pause { reason: None }).await;
    world.reached("run.task_completed", 1).await;
    world.pass(60_000).await;
    let world = world.restart().await;
    world.pass(60_000).await;
    assert_eq!((world.state(run).await.status(), world.count("b")), (Status::Suspended, 0));
    world.tell(run, Command::Resume).await;
    assert_eq!(world.output(run).await, json!("b"));
    assert_eq!((world.count("a"), world.count("b")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_failed_goes_on_from_its_failed_task_when_it_is_retried() {
    let world = World::new().await;
    let fail = json!({ "raise": { "error": { "type": "https://e.x/oops", "status": 400 } } });
    let run = world.run(json!([{ "a": shell("a") }, { "fail": fail }])).await;
    assert!(matches!(world.end(run).await, End::Faulted(_)));
    let world = World::start(world.stop().await).await;
    world.tell(run, Command::Retry { task: None }).await;
    world.reached("run.faulted", 2).await;
    assert_eq!(world.count("a"), 1);
}

fn queryable() -> Value {
    json!({
        "call": "http",
        "with": { "method": "post", "endpoint": "http://x.y/hang" },
        "metadata": { "effect": "queryable", "inquiry": { "endpoint": "http://x.y/ask" } },
    })
}

async fn asked_after_a_crash(
    answer: Result<Option<Value>, openclaw_model::event::run::WorkflowError>,
) -> (World, RunId) {
    let world = World::new().await;
    let run = world.run(json!([{ "q": queryable() }])).await;
    world.begun("http://x.y/hang", 1).await;
    *world.outside.outdoors.answer.lock().unwrap() = Some(answer);
    (world.restart().await, run)
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_can_be_asked_about_is_asked_about_after_a_crash() {
    let (world, run) = asked_after_a_crash(Ok(Some(json!({ "done": true })))).await;
    assert_eq!(world.output(run).await, json!({ "done": true }));
    assert_eq!((world.count("http://x.y/hang"), world.outside.outdoors.asked()), (1, 1));

    let (world, run) = asked_after_a_crash(Ok(None)).await;
    world.begun("http://x.y/hang", 2).await;
    assert_eq!(world.state(run).await.status(), Status::Running);

    let unsure = openclaw_workflow::error::runtime("who knows".into());
    let (world, run) = asked_after_a_crash(Err(unsure)).await;
    world.reached("run.effect_unknown", 1).await;
    world.pass(60_000).await;
    assert_eq!(world.state(run).await.status(), Status::Suspended);
    assert_eq!(world.count("http://x.y/hang"), 1);
}

/// Forks `run` after its event `at`.
async fn fork(world: &World, run: RunId, at: u64) -> RunId {
    let state = world.state(run).await;
    let origin = ForkOrigin { run, at: Version(at), context: None };
    let tasks = state.definition.as_ref().unwrap()["do"].clone();
    world
        .run_with(tasks, |started| openclaw_model::event::run::RunStarted { fork: Some(origin), ..started })
        .await
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_the_history_up_to_there_and_repeats_nothing_of_it() {
    let world = World::new().await;
    let tasks: Vec<Value> = (0..60).map(|n| json!({ format!("t{n}"): shell(&format!("{n}")) })).collect();
    let run = world.run(Value::Array(tasks)).await;
    assert_eq!(world.output(run).await, json!("59"));
    // Started, running, and 50 tasks that started and completed: more than one chunk.
    let other = fork(&world, run, 102).await;
    assert_eq!(world.output(other).await, json!("59"));
    let counts: Vec<u32> = (0..60).map(|n| world.count(&n.to_string())).collect();
    assert_eq!(counts[..50], [1; 50]);
    assert_eq!(counts[50..], [2; 10]);
    let (mut of_run, mut of_fork) = (world.history(run).await, world.history(other).await);
    of_fork.retain(|kind| kind != "run.forked");
    of_run.truncate(of_fork.len());
    assert_eq!(of_run, of_fork);
}

#[tokio::test(start_paused = true)]
async fn a_fork_that_is_interrupted_while_it_copies_is_copied_to_the_end() {
    let world = World::new().await;
    let task = |n| json!({ format!("t{n}"): shell(if n < 194 { "copied" } else { "own" }) });
    let run = world.run((0..200).map(task).collect()).await;
    world.end(run).await;
    let other = fork(&world, run, 390).await;
    let mut world = world;
    for _ in 0..4 {
        let head = world.state(other).await.version;
        world.until(async || (world.state(other).await.version > head).then_some(())).await;
        world = world.restart().await;
    }
    assert_eq!(world.output(other).await, json!("own"));
    assert_eq!(world.count("copied"), 194);
    assert_eq!(world.history(other).await.iter().filter(|kind| *kind == "run.forked").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fork_takes_the_outcome_that_its_origin_recorded_later() {
    let world = World::new().await;
    let mut task = shell("a");
    task["metadata"] = json!({ "effect": "irreversible" });
    let run = world.run(json!([{ "a": task }, { "b": shell("b") }])).await;
    world.end(run).await;
    // Started, running, and the task that has started.
    let other = fork(&world, run, 3).await;
    assert_eq!(world.output(other).await, json!("b"));
    assert_eq!((world.count("a"), world.count("b")), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_was_open_at_the_fork_and_has_no_outcome_is_as_after_a_crash() {
    let world = World::new().await;
    let mut task = shell("hang");
    task["metadata"] = json!({ "effect": "irreversible" });
    let run = world.run(json!([{ "a": task }])).await;
    world.begun("hang", 1).await;
    let other = fork(&world, run, 3).await;
    world.until(async || (world.state(other).await.status() == Status::Suspended).then_some(())).await;
    assert_eq!(world.count("hang"), 1);
    assert_eq!(world.state(run).await.status(), Status::Running);
}

#[tokio::test(start_paused = true)]
async fn what_others_published_is_not_published_again_by_a_fork() {
    let world = World::new().await;
    let emit =
        json!({ "emit": { "event": { "with": { "source": "https://e.x", "type": "t", "data": 1 } } } });
    let run = world.run(json!([{ "e": emit }, { "a": shell("a") }])).await;
    world.end(run).await;
    let listener = world.run(json!([{ "l": crate::world::listen("t") }])).await;
    world.until(async || (world.state(listener).await.status() == Status::Waiting).then_some(())).await;
    let history = world.history(run).await;
    let other = fork(&world, run, history.len() as u64 - 1).await;
    world.end(other).await;
    world.pass(60_000).await;
    assert_eq!(world.state(listener).await.end, None);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_runs_that_only_wait_get_no_worker_at_the_start() {
    let world = World::new().await;
    for _ in 0..100 {
        world.run(json!([{ "w": { "wait": { "hours": 10 } } }])).await;
    }
    world.reached("run.task_started", 100).await;
    world.pass(10_000).await;
    let outside = world.stop().await;
    let before = outside.log.clone();
    let world = World::start(outside).await;
    world.pass(3_600_000).await;
    assert_eq!(world.log_length(), openclaw_log::EventLog::head(&before).position.0);
    // On time, each of them.
    world.reached("run.completed", 100).await;
    assert!(world.now().as_millis() - 1_767_225_600_000 < 36_000_000 + 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_to_start_later_starts_then_even_if_the_process_was_down() {
    let world = World::start(Outside::new()).await;
    let later = world.now().plus_millis(3_600_000);
    let run = world
        .run_with(json!([{ "a": shell("a") }]), |started| openclaw_model::event::run::RunStarted {
            not_before: Some(later),
            ..started
        })
        .await;
    world.pass(60_000).await;
    assert_eq!(world.state(run).await.status(), Status::Pending);
    let world = world.restart().await;
    world.end(run).await;
    assert!(world.now() >= later);
    assert!(world.now().millis_since(later) < 100);
}
