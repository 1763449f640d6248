//! `metadata.sandbox.network`: the destinations that a task's process asks for.

use openclaw_workflow::definition::Body;
use serde_json::{Value, json};

use crate::{document, load, problems};

fn asking(network: Value) -> Value {
    let task = json!({ "run": { "shell": { "command": "true" } }, "metadata": { "sandbox": { "network": network } } });
    document(json!([{ "fetch": task }]))
}

#[test]
fn destinations_are_texts_or_objects_that_may_name_a_credential() {
    let network = json!([
        "api.example.com:443",
        { "host": "*.example.com", "port": "*" },
        { "host": "2001:db8::1", "port": 80, "credential": "api/key" },
    ]);
    let definition = load(asking(network));
    let Body::Process(process) = &definition.tasks.0[0].body else { panic!("a process") };
    let asked = process.sandbox.as_ref().expect("it asks");
    let read: Vec<_> =
        asked.network.iter().map(|one| (one.destination.as_str(), one.credential.as_deref())).collect();
    assert_eq!(
        read,
        [("api.example.com:443", None), ("*.example.com:*", None), ("[2001:db8::1]:80", Some("api/key"))]
    );
}

#[test]
fn what_no_server_could_allow_is_refused_where_it_stands() {
    let place = "/do/0/fetch/metadata/sandbox/network";
    for (network, path) in [
        (json!("api.example.com:443"), place.to_owned()),
        (json!(["api.example.com"]), format!("{place}/0")),
        (json!(["a:1", "api.example.com:0"]), format!("{place}/1")),
        (json!([":443"]), format!("{place}/0")),
        (json!([{ "host": "a" }]), format!("{place}/0")),
        (json!([{ "host": "a", "port": 70000 }]), format!("{place}/0")),
        (json!([{ "host": "a", "port": true }]), format!("{place}/0/port")),
        (json!([{ "host": "a", "port": 1, "token": "x" }]), format!("{place}/0/token")),
    ] {
        let found = problems(asking(network.clone()));
        assert!(found.iter().any(|problem| problem.path == path), "{network}: {found:?}");
    }
}
