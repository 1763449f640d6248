//! Dead letters: what cannot be delivered is put aside, and tried again or dropped when somebody says so.

use openclaw_suite::{Server, code};
use serde_json::{Value, json};

use super::{Receiver, options, publish, register};

/// Positions of the dead letters so far.
async fn dead(server: &Server, count: usize) -> Vec<u64> {
    openclaw_suite::eventually(&format!("{count} dead letters"), async || {
        let nodes = server.events_of_type("webhook.dead_lettered").await;
        let positions: Vec<u64> = nodes.iter().filter_map(|node| node["data"]["position"].as_u64()).collect();
        (positions.len() >= count).then_some(positions)
    })
    .await
}

#[tokio::test]
async fn what_is_refused_too_often_is_put_aside_and_what_follows_is_delivered() {
    let data = tempfile::tempdir().unwrap();
    let (server, receiver) = (Server::start(data.path(), options(3)).await, Receiver::start().await);
    register(&server, &receiver, json!(["t"])).await;
    receiver.refuse(6);
    let mut positions = Vec::new();
    for number in 1..=4 {
        positions.push(publish(&server, "t", number).await);
    }
    receiver.took(2).await;
    assert_eq!(receiver.numbers(), [3, 4]);
    assert_eq!(dead(&server, 2).await, positions[..2]);
    let letter = &server.events_of_type("webhook.dead_lettered").await[0]["data"];
    assert_eq!((&letter["attempts"], &letter["event"]["data"]["n"]), (&json!(3), &json!(1)));
    assert!(letter["error"].as_str().unwrap().contains("503"), "{letter}");

    // Neither is tried again by itself, also not after a crash.
    let server = server.kill9_and_restart().await;
    publish(&server, "t", 5).await;
    receiver.took(3).await;

    let ids: Vec<String> = receiver.deliveries().iter().take(1).map(|delivery| delivery.id.clone()).collect();
    server.rpc("webhook.redrive", json!({ "name": "hook", "positions": [positions[0]] })).await.unwrap();
    receiver.took(4).await;
    assert_eq!(receiver.taken().last().unwrap().id, ids[0], "under the id that it had");
    server.rpc("webhook.drop", json!({ "name": "hook", "positions": [positions[1]] })).await.unwrap();
    openclaw_suite::eventually("the end of both letters", async || {
        let closed = server.events_of_type("webhook.letter_closed").await;
        let mut how: Vec<Value> = closed.iter().map(|node| node["data"]["delivered"].clone()).collect();
        how.sort_by_key(|value| value == &json!(true));
        (how == [json!(false), json!(true)]).then_some(())
    })
    .await;
    let refused = server.rpc("webhook.redrive", json!({ "name": "hook" })).await.unwrap_err();
    assert_eq!(code(&refused), "OC-HOOK-003");
    assert_eq!(receiver.numbers(), [3, 4, 5, 1]);
    server.terminate().await;
}

#[tokio::test]
async fn a_letter_that_is_refused_again_stays_and_a_redrive_goes_on_after_a_crash() {
    let data = tempfile::tempdir().unwrap();
    let (server, mut receiver) = (Server::start(data.path(), options(2)).await, Receiver::start().await);
    register(&server, &receiver, json!(["t"])).await;
    receiver.refuse(4);
    let position = publish(&server, "t", 1).await;
    dead(&server, 1).await;
    server.rpc("webhook.redrive", json!({ "name": "hook" })).await.unwrap();
    dead(&server, 2).await;
    let letters = server.events_of_type("webhook.dead_lettered").await;
    assert_eq!(
        (&letters[1]["data"]["attempts"], &letters[1]["data"]["position"]),
        (&json!(4), &json!(position))
    );
    let unknown = json!({ "name": "hook", "positions": [position + 1] });
    assert_eq!(code(&server.rpc("webhook.redrive", unknown).await.unwrap_err()), "OC-HOOK-002");

    receiver.down().await;
    let patient = options(1_000);
    server.kill9().await;
    let server = Server::start(data.path(), patient).await;
    server.rpc("webhook.redrive", json!({ "name": "hook" })).await.unwrap();
    let server = server.kill9_and_restart().await;
    receiver.up().await;
    receiver.took(1).await;
    assert_eq!(receiver.numbers(), [1]);
    server.terminate().await;
}
