//! The OpenRPC document says what dispatch does.

use super::*;

fn document() -> Value {
    value(Rpc::new(Fake::new(), limits()).openrpc().get())
}

/// A schema of the document together with what it refers to.
fn compiled(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::draft7::new(&whole).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

#[test]
fn every_method_is_described_once_with_all_its_parameters() {
    let document = document();
    assert_eq!(document["openrpc"], "1.3.2");
    let methods = document["methods"].as_array().expect("methods");
    let names: Vec<&str> = methods.iter().map(|method| method["name"].as_str().expect("a name")).collect();
    assert_eq!(
        names,
        [
            "workflow.register",
            "workflow.validate",
            "workflow.retire",
            "run.start",
            "run.cancel",
            "run.signal",
            "run.kill",
            "run.pause",
            "run.resume",
            "run.retry",
            "run.fork",
            "effect.reconcile",
            "approval.decide",
            "policy.set",
            "policy.remove",
            "policy.get",
            "policy.test",
            "policy.replay",
            "event.publish",
            "schedule.pause",
            "schedule.resume",
            "webhook.register",
            "webhook.remove",
            "webhook.redrive",
            "webhook.drop",
            "session.create",
            "session.message",
            "session.set_state",
            "session.end",
            "token.issue",
            "token.revoke",
            "token.list",
            "user.add",
            "user.change",
            "user.set_password",
            "user.remove",
            "user.list",
            "credential.set",
            "credential.rotate",
            "credential.delete",
            "credential.list",
            "vault.status",
            "vault.init",
            "vault.unseal",
            "vault.seal",
            "vault.rotate_key",
            "vault.change_passphrase",
            "vault.new_recovery_key",
            "vault.export",
            "vault.import",
            "system.health",
            "system.version",
            "rpc.discover",
        ]
    );
    for method in methods {
        let mut optional_seen = false;
        for param in method["params"].as_array().expect("params") {
            assert!(param["name"].is_string() && param["schema"].is_object(), "{method}");
            // Positional parameters can only be left out at the end.
            let required = param["required"].as_bool().expect("required");
            assert!(!(required && optional_seen), "{method}");
            optional_seen |= !required;
        }
        assert!(method["result"]["name"].is_string() && method["result"]["schema"].is_object(), "{method}");
        let numbers: Vec<i64> =
            method["errors"].as_array().into_iter().flatten().filter_map(|e| e["code"].as_i64()).collect();
        let unique: std::collections::BTreeSet<_> = numbers.iter().collect();
        assert_eq!(unique.len(), numbers.len(), "{method}");
    }
}

#[test]
fn every_schema_compiles_and_every_example_fits_its_schema() {
    let document = document();
    for method in document["methods"].as_array().expect("methods") {
        if method["name"] == "rpc.discover" {
            continue;
        }
        let example = &method["examples"][0];
        let shown = example["params"].as_array().expect("example params");
        for param in method["params"].as_array().expect("params") {
            let schema = compiled(&document, &param["schema"]);
            match shown.iter().find(|shown| shown["name"] == param["name"]) {
                Some(shown) => assert!(schema.is_valid(&shown["value"]), "{param}: {shown}"),
                None => assert_eq!(param["required"], false, "{param}"),
            }
        }
        let result = compiled(&document, &method["result"]["schema"]);
        assert!(result.is_valid(&example["result"]["value"]), "{method}");
        assert!(!result.is_valid(&json!({})), "the schema says nothing: {method}");
    }
}

#[tokio::test]
async fn the_examples_are_accepted_by_dispatch() {
    let router = authenticated(&Rpc::new(Fake::new(), limits()));
    let document = document();
    for method in document["methods"].as_array().expect("methods") {
        if method["name"] == "session.set_state" || method["name"] == "rpc.discover" {
            continue; // The one waits for a gate of the fake, the other has no example.
        }
        let params: serde_json::Map<String, Value> = method["examples"][0]["params"]
            .as_array()
            .expect("example params")
            .iter()
            .map(|shown| (shown["name"].as_str().expect("a name").to_owned(), shown["value"].clone()))
            .collect();
        let name = method["name"].as_str().expect("a name");
        let (_, body) = post(&router, call(1, name, Value::Object(params)).to_string()).await;
        assert_ne!(value(&body)["error"]["code"], -32602, "{body}");
    }
}

/// The document is an interface: a change of it shows in review. `INSTA_UPDATE=always` accepts one.
#[test]
fn the_document_is_the_one_that_is_checked_in() {
    insta::assert_snapshot!("openrpc", serde_json::to_string_pretty(&document()).expect("a JSON value"));
}
