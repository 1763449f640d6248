//! Every method, with ids of the other namespace and with ids of nothing.

use serde_json::{Value, json};

use crate::world::{World, workflow};

/// What becomes of a method in the hands of somebody who is let into another namespace.
enum Try {
    /// It is about things: one of `b`, and the same for one that is nowhere. Both answers are the same.
    Thing(Value, Value),
    /// It makes something: in `b`, where it is refused whether there is such a thing already, or not.
    Make(Value, Value),
    /// It is about the server as a whole, and tells nothing of anybody's things.
    Server(Value),
    /// It is about the server as a whole, and asks for more than a namespace.
    Refused(Value),
}

const NOWHERE: &str = "0192f0c1-0000-7000-8000-00000000dead";

fn tries(world: &World, method: &str) -> Option<Try> {
    let run = |more: Value| {
        let of = |id: &str| {
            let mut params = more.clone();
            params["runId"] = json!(id);
            params
        };
        Some(Try::Thing(of(&world.run), of(NOWHERE)))
    };
    let session = |more: Value| {
        let of = |id: &str| {
            let mut params = more.clone();
            params["sessionId"] = json!(id);
            params
        };
        Some(Try::Thing(of(&world.session), of("@b/nothing")))
    };
    let hook = |more: Value| {
        let of = |name: &str| {
            let mut params = more.clone();
            params["name"] = json!(name);
            params
        };
        Some(Try::Thing(of(&world.hook), of("@b/nothing")))
    };
    let named = |more: Value| {
        let of = |name: &str| {
            let mut params = more.clone();
            params["namespace"] = json!("b");
            params["name"] = json!(name);
            params
        };
        Some(Try::Thing(of("ticks"), of("nothing")))
    };
    let make = |there: Value, new: Value| Some(Try::Make(there, new));
    match method {
        "rpc.discover" | "system.health" | "system.version" => Some(Try::Server(json!({}))),
        "workflow.validate" => {
            Some(Try::Server(json!({ "definition": workflow("a", "own", json!([{ "x": { "set": {} } }])) })))
        }
        "workflow.register" => {
            let other = |name: &str| json!({ "definition": workflow("b", name, json!([{ "x": { "set": { "y": 2 } } }])) });
            make(other("asks"), other("nothing"))
        }
        "workflow.retire" => named(json!({ "version": "1.0.0" })),
        "run.start" => {
            let of = |name: &str| json!({ "workflow": { "namespace": "b", "name": name } });
            Some(Try::Thing(of("asks"), of("nothing")))
        }
        "run.cancel" | "run.kill" | "run.pause" | "run.resume" | "run.retry" => run(json!({})),
        "run.signal" => run(json!({ "name": "x" })),
        "run.fork" => run(json!({ "at": { "version": 2 } })),
        "effect.reconcile" => run(json!({ "task": 1, "outcome": { "succeeded": null } })),
        "approval.decide" => {
            let of = |id: &str| json!({ "approvalId": id, "by": { "name": "ada" }, "digest": world.digest, "choice": "approve" });
            Some(Try::Thing(of(&world.approval), of("00000000000000000000000000000000")))
        }
        "event.publish" => {
            let of = |id: &str| {
                let event = json!({ "id": id, "source": crate::world::CANARY, "type": "com.example.b" });
                json!({ "event": event, "namespace": "b" })
            };
            make(of("17"), of("18"))
        }
        "schedule.pause" | "schedule.resume" => named(json!({})),
        "webhook.register" => {
            let of = |name: &str| json!({ "name": name, "url": "http://127.0.0.1:9/", "types": ["x"], "secret": "s" });
            make(of(&world.hook), of("@b/new"))
        }
        "webhook.remove" | "webhook.redrive" => hook(json!({})),
        "webhook.drop" => hook(json!({ "positions": [1] })),
        "session.create" => make(json!({ "sessionId": world.session }), json!({ "sessionId": "@b/new" })),
        "session.message" => session(json!({ "content": "Hello" })),
        "session.set_state" => session(json!({ "key": "k", "value": 1 })),
        "session.end" => session(json!({})),
        "token.issue" => Some(Try::Refused(json!({ "name": "mine", "scopes": ["query@b"] }))),
        "token.revoke" => Some(Try::Refused(json!({ "name": "only-a" }))),
        "token.list" => Some(Try::Refused(json!({}))),
        "user.add" => {
            Some(Try::Refused(json!({ "name": "eve", "role": "admin", "password": "correct horse battery" })))
        }
        "user.change" => Some(Try::Refused(json!({ "name": "eve", "role": "admin" }))),
        "user.set_password" => {
            Some(Try::Refused(json!({ "name": "eve", "password": "correct horse battery" })))
        }
        "user.remove" => Some(Try::Refused(json!({ "name": "eve" }))),
        "user.list" => Some(Try::Refused(json!({}))),
        "credential.set" | "credential.rotate" => {
            let of = |name: &str| json!({ "namespace": "b", "name": name, "value": "v" });
            make(of("key"), of("nothing"))
        }
        "credential.delete" => {
            let of = |name: &str| json!({ "namespace": "b", "name": name });
            Some(Try::Thing(of("key"), of("nothing")))
        }
        "credential.list" => Some(Try::Thing(json!({ "namespace": "b" }), json!({ "namespace": "c" }))),
        // The vault is everybody's; its methods ask for `operate` everywhere.
        "vault.seal" | "vault.rotate_key" | "vault.new_recovery_key" | "vault.status" => {
            Some(Try::Refused(json!({})))
        }
        "vault.unseal" | "vault.init" | "vault.export" => {
            Some(Try::Refused(json!({ "passphrase": "correct horse battery" })))
        }
        "vault.change_passphrase" => Some(Try::Refused(json!({ "passphrase": "correct horse battery" }))),
        "vault.import" => {
            Some(Try::Refused(json!({ "passphrase": "correct horse battery", "file": "AAAA" })))
        }
        other if other.starts_with("policy.") => Some(Try::Refused(json!({ "namespace": "b" }))),
        other if other.starts_with("audit.") => Some(Try::Refused(json!({}))),
        _ => None,
    }
}

/// An answer without the names that were put into it.
fn plain(world: &World, answer: &Result<Value, Value>) -> String {
    let mut text = match answer {
        Ok(answer) => format!("answered {answer}"),
        Err(error) => format!("refused {error}"),
    };
    let names = [world.run.as_str(), NOWHERE, "asks", "ticks", "nothing"];
    for name in names {
        text = text.replace(name, "NAME");
    }
    text
}

#[tokio::test]
async fn no_method_finds_or_changes_what_is_in_another_namespace() {
    let world = World::new().await;
    let described = world.server.rpc("rpc.discover", json!({})).await.unwrap();
    let methods: Vec<&str> = described["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    assert!(methods.len() > 20, "{methods:?}");
    let before = world.state().await;
    for method in methods {
        let what = tries(&world, method)
            .unwrap_or_else(|| panic!("nobody has said what {method} may do in another namespace"));
        let call = async |mut params: Value, expected: Option<u64>, key: Option<&str>| {
            if let Some(version) = expected {
                params["expectedVersion"] = json!(version);
            }
            world.stranger.call(method, &params, key).await.unwrap()
        };
        match what {
            Try::Thing(there, nowhere) => {
                let guards = [(None, None), (Some(3), None), (None, Some("k"))];
                for (expected, key) in guards {
                    let key = key.map(|key| format!("{key}-{method}"));
                    let there = call(there.clone(), expected, key.as_deref()).await;
                    let nowhere = call(nowhere.clone(), expected, key.as_deref()).await;
                    assert_eq!(plain(&world, &there), plain(&world, &nowhere), "{method}");
                    assert!(there.is_err() || method.ends_with(".list"), "{method}: {there:?}");
                }
            }
            Try::Make(there, new) => {
                let (there, new) = (call(there, None, None).await, call(new, None, None).await);
                assert_eq!(plain(&world, &there), plain(&world, &new), "{method}");
                assert_eq!(there.expect_err(method)["data"]["code"], "OC-ACC-001", "{method}");
            }
            Try::Server(params) => {
                let answer = call(params, None, None).await.expect(method);
                assert!(!answer.to_string().contains(crate::world::CANARY), "{method}: {answer}");
            }
            Try::Refused(params) => {
                let refused = call(params, None, None).await.expect_err(method);
                assert!(!refused.to_string().contains(crate::world::CANARY), "{method}: {refused}");
            }
        }
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn the_same_methods_find_what_is_in_the_own_namespace() {
    let world = World::new().await;
    let (of_b, _) = crate::world::let_in(&world.server, "b").await;
    let own = async |method: &str, params: Value| of_b.call(method, &params, None).await.unwrap();
    // Without a namespace, a name is one of the only namespace there is.
    own("session.message", json!({ "sessionId": "s", "content": "Hello" })).await.unwrap();
    own("session.message", json!({ "sessionId": "@b/s", "content": "Hello" })).await.unwrap();
    own("schedule.pause", json!({ "namespace": "b", "name": "ticks" })).await.unwrap();
    own("webhook.remove", json!({ "name": "hook" })).await.unwrap();
    own("run.pause", json!({ "runId": world.run })).await.unwrap();
    let opened = own("session.create", json!({ "sessionId": "t" })).await.unwrap();
    assert_eq!(opened["sessionId"], "@b/t");
}
