//! Children and decisions: waiting for them without memory, and what becomes of them when nobody waits any more.

use openclaw_core::{
    approval,
    run::{Command, End},
};
use openclaw_model::{
    Event, RunId, StreamId,
    event::{ApprovalEvent, approval::ApprovalRequested},
};
use serde_json::{Value, json};

use crate::world::{World, child, shell};

async fn family(world: &World, tasks: Value) -> (RunId, RunId) {
    world.register("child", "1.0.0", json!({ "do": tasks })).await;
    let parent = world.run(json!([{ "call": child("child") }])).await;
    let children = world
        .until(async || Some(world.children(parent).await).filter(|children| !children.is_empty()))
        .await;
    (parent, children[0])
}

#[tokio::test(start_paused = true)]
async fn a_parent_goes_on_with_what_its_child_gave() {
    let world = World::new().await;
    let (parent, _) = family(&world, json!([{ "a": shell("a") }])).await;
    assert_eq!(world.output(parent).await, json!("a"));
    assert_eq!(world.count("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_waits_for_a_day_wakes_its_parent_across_crashes() {
    let mut world = World::new().await;
    let (parent, _) =
        family(&world, json!([{ "wait": { "wait": { "hours": 24 } } }, { "a": shell("a") }])).await;
    for lost in [false, true, false] {
        world.pass(3_600_000).await;
        let outside = world.crash().await;
        if lost {
            outside.lose_index();
        }
        world = World::start(outside).await;
    }
    assert_eq!(world.output(parent).await, json!("a"));
    assert_eq!((world.children(parent).await.len(), world.count("a")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ends_while_the_process_is_down_is_noticed_at_the_next_start() {
    let world = World::new().await;
    let (parent, kid) = family(&world, json!([{ "a": shell("hang") }])).await;
    world.begun("hang", 1).await;
    // Parked, as the index that is saved at the stop says.
    world.pass(10_000).await;
    let world = World::start(world.stop().await).await;
    world.begun("hang", 2).await;
    world.tell(kid, Command::Cancel { reason: None, kill: true }).await;
    let world = world.restart().await;
    let End::Faulted(error) = world.end(parent).await else { panic!("its child was cancelled") };
    assert!(error.detail.unwrap().contains("was cancelled"));
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_parent_cancels_its_child_once_whatever_crashes() {
    let world = World::new().await;
    let (parent, kid) = family(&world, json!([{ "a": shell("hang") }])).await;
    world.begun("hang", 1).await;
    world.tell(parent, Command::Cancel { reason: None, kill: false }).await;
    let world = world.restart().await;
    assert!(matches!(world.end(parent).await, End::Cancelled(_)));
    assert!(matches!(world.end(kid).await, End::Cancelled(_)));
    let asked = world.history(kid).await.iter().filter(|kind| *kind == "run.cancel_requested").count();
    assert_eq!(asked, 1);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_child_is_what_its_task_says() {
    for (close, kill) in [("kill", Some(true)), ("cancel", Some(false)), ("abandon", None)] {
        let world = World::new().await;
        world.register("child", "1.0.0", json!({ "do": [{ "a": shell("hang") }] })).await;
        let mut call = child("child");
        call["metadata"] = json!({ "parentClose": close });
        let parent = world.run(json!([{ "call": call }])).await;
        world.begun("hang", 1).await;
        world.tell(parent, Command::Cancel { reason: None, kill: false }).await;
        world.end(parent).await;
        let kid = world.children(parent).await[0];
        match kill {
            Some(kill) => {
                assert!(matches!(world.end(kid).await, End::Cancelled(_)));
                assert_eq!(world.state(kid).await.cancel.unwrap().kill, kill);
            }
            None => {
                world.pass(60_000).await;
                assert_eq!(world.state(kid).await.end, None);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_child_of_a_branch_that_lost_is_closed() {
    let world = World::new().await;
    world.register("child", "1.0.0", json!({ "do": [{ "a": shell("hang") }] })).await;
    let fork = json!({ "fork": { "compete": true, "branches": [
        { "slow": child("child") },
        { "fast": { "wait": { "seconds": 5 } } },
    ] } });
    let parent = world.run(json!([{ "race": fork }])).await;
    world.end(parent).await;
    let kid = world.children(parent).await[0];
    assert!(matches!(world.end(kid).await, End::Cancelled(_)));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_children_are_each_looked_at_when_they_end_and_not_before() {
    let world = World::new().await;
    world.register("child", "1.0.0", json!({ "do": [{ "wait": { "wait": { "minutes": 5 } } }] })).await;
    let branches: Vec<Value> = (0..100).map(|n| json!({ format!("b{n}"): child("child") })).collect();
    let parent = world.run(json!([{ "all": { "fork": { "branches": branches } } }])).await;
    world.end(parent).await;
    assert_eq!(world.children(parent).await.len(), 100);
}

fn approval(more: Value) -> Value {
    let mut with = json!({ "title": "May I?" });
    for (name, value) in more.as_object().unwrap() {
        with[name] = value.clone();
    }
    json!({ "call": "approval", "with": with })
}

async fn asked(world: &World) -> ApprovalRequested {
    world.reached("approval.requested", 1).await;
    match world.all("approval.requested").await.pop().unwrap().1 {
        Event::Approval(ApprovalEvent::Requested(data)) => data,
        other => panic!("{other:?}"),
    }
}

async fn decide(world: &World, asked: &ApprovalRequested, choice: &str) {
    let command = approval::Command::Decide {
        by: approval::Person { name: "ann".into(), roles: vec![] },
        digest: asked.request.digest,
        choice: choice.into(),
        answer: Value::Null,
        comment: None,
    };
    world.submit(StreamId::approval(asked.request.approval), command).await;
}

#[tokio::test(start_paused = true)]
async fn a_decision_wakes_the_run_that_waits_for_it_after_a_crash_too() {
    let world = World::new().await;
    let run = world.run(json!([{ "ask": approval(json!({})) }, { "a": shell("a") }])).await;
    let request = asked(&world).await;
    world.pass(3_600_000).await;
    let world = World::start(world.stop().await).await;
    world.pass(3_600_000).await;
    decide(&world, &request, "approve").await;
    let world = world.restart().await;
    assert_eq!(world.output(run).await, json!("a"));
    assert_eq!(world.number_of("approval.requested").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_passes_on_time_even_if_nobody_is_awake_and_counts_from_the_request() {
    let world = World::new().await;
    let deadline = json!({ "deadline": { "after": { "hours": 2 }, "outcome": "deny" } });
    let run = world.run(json!([{ "ask": approval(deadline) }])).await;
    let request = asked(&world).await;
    world.pass(3_600_000).await;
    let world = world.restart().await;
    let output = world.output(run).await;
    assert_eq!(output["choice"], Value::Null);
    let late = world.now().millis_since(request.request.deadline.unwrap().due);
    assert!(late < 100, "{late} ms late");
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_nobody_waits_for_any_more_is_void() {
    let world = World::new().await;
    let run = world.run(json!([{ "ask": approval(json!({})) }])).await;
    asked(&world).await;
    world.tell(run, Command::Cancel { reason: None, kill: false }).await;
    let world = world.restart().await;
    world.end(run).await;
    world.reached("approval.voided", 1).await;
    let world = world.restart().await;
    world.pass(60_000).await;
    assert_eq!(world.number_of("approval.voided").await, 1);
}
