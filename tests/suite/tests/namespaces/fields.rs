//! Every field of the schema, asked by somebody who is let into another namespace.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use openclaw_client::Client;
use openclaw_suite::{Caller, eventually};
use serde_json::{Value, json};

use crate::world::{CANARY, World, workflow};

const NOWHERE: &str = "0192f0c1-0000-7000-8000-00000000dead";
const SCHEMA: &str = "{ __schema { types { name fields { name args { name defaultValue type { kind } }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// The schema, as far as questions need it.
struct Schema(HashMap<String, Vec<Value>>);

impl Schema {
    async fn of(world: &World) -> Self {
        let data = world.server.query(SCHEMA, json!({})).await;
        let types = data["__schema"]["types"].as_array().unwrap();
        let fields =
            |one: &Value| Some((one["name"].as_str()?.to_owned(), one["fields"].as_array()?.clone()));
        Self(types.iter().filter_map(fields).collect())
    }

    fn fields(&self, name: &str) -> &[Value] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// All that can be asked of an object without arguments, and of the objects in it as deep as `depth`.
    fn selection(&self, name: &str, depth: usize) -> String {
        let mut text = String::from("{ __typename ");
        for field in self.fields(name).iter().filter(|field| needed(field).is_empty()) {
            let (field, of) = (field["name"].as_str().unwrap(), named(&field["type"]));
            if self.fields(&of).is_empty() {
                text += &format!("{field} ");
            } else if depth > 0 {
                text += &match of.strip_suffix("Connection") {
                    Some(node) => format!("{field}(first: 1) {{ nodes {} }} ", self.selection(node, 0)),
                    None => format!("{field} {} ", self.selection(&of, depth - 1)),
                };
            }
        }
        text + "} "
    }

    /// What can be asked of a root field.
    fn answer_of(&self, of: &str) -> String {
        match of.strip_suffix("Connection") {
            Some("Event") => "{ nodes { position stream type actor data } totalCount }".to_owned(),
            Some(node) => format!("{{ totalCount nodes {} }}", self.selection(node, 1)),
            None if self.fields(of).is_empty() => String::new(),
            None => self.selection(of, 1),
        }
    }
}

/// A question for a root field; for a few items, where it has many.
fn question(field: &Value, arguments: &str, selection: &str) -> String {
    let name = field["name"].as_str().unwrap();
    let first = if named(&field["type"]).ends_with("Connection") { "first: 5" } else { "" };
    let arguments = match (first, arguments.strip_prefix('(')) {
        ("", _) => arguments.to_owned(),
        (first, None) => format!("({first})"),
        (first, Some(rest)) => format!("({first}, {rest}"),
    };
    format!("{{ {name}{arguments} {selection} }}")
}

/// Names of the arguments that a field cannot be asked without.
fn needed(field: &Value) -> Vec<&str> {
    let args = field["args"].as_array().unwrap().iter();
    let needed = args.filter(|arg| arg["type"]["kind"] == "NON_NULL" && arg["defaultValue"].is_null());
    needed.map(|arg| arg["name"].as_str().unwrap()).collect()
}

fn named(of: &Value) -> String {
    match of["name"].as_str() {
        Some(name) => name.to_owned(),
        None => named(&of["ofType"]),
    }
}

/// Arguments that name things of `b`, each with the same for what is nowhere.
fn arguments(world: &World, field: &str) -> Vec<(String, String)> {
    let both = |text: &dyn Fn(&str) -> String, there: &str, nowhere: &str| (text(there), text(nowhere));
    let id = |there: &str, nowhere: &str| both(&|id| format!("(id: {id:?})"), there, nowhere);
    let (run, nothing) = (world.run.as_str(), NOWHERE);
    match field {
        "run" => {
            let past = both(&|id| format!("(id: {id:?}, asOf: \"12\")"), run, nothing);
            vec![id(run, nothing), past]
        }
        "session" => vec![id(&world.session, "@b/nothing"), id("s", "nothing")],
        "approval" => vec![id(&world.approval, "00000000000000000000000000000000")],
        "task" => vec![both(&|id| format!("(runId: {id:?}, task: 1)"), run, nothing)],
        "tasks" => vec![both(&|id| format!("(filter: {{ runId: {id:?} }})"), run, nothing)],
        "runs" => {
            vec![both(&|name| format!("(filter: {{ namespace: \"b\", name: {name:?} }})"), "asks", "nothing")]
        }
        "messages" => {
            let of = both(&|id| format!("(filter: {{ sessionId: {id:?} }})"), &world.session, "@b/nothing");
            vec![of, both(&|text| format!("(filter: {{ text: {text:?} }})"), CANARY, "zzzzzz")]
        }
        "workflow" => vec![both(&|name| format!("(namespace: \"b\", name: {name:?})"), "asks", "nothing")],
        "workflows" => vec![both(&|name| format!("(filter: {{ namespace: {name:?} }})"), "b", "c")],
        "schedules" => vec![both(&|name| format!("(namespace: {name:?})"), "b", "c")],
        "webhooks" => vec![both(&|name| format!("(name: {name:?})"), &world.hook, "@b/nothing")],
        "approvals" | "publishedEvents" => vec![both(&|id| format!("(runId: {id:?})"), run, nothing)],
        "runDiff" => vec![both(&|id| format!("(a: {id:?}, b: {id:?})"), run, nothing)],
        // Those at the positions of the run; beyond the end of the log there is nothing.
        "event" => vec![("(position: \"14\")".into(), "(position: \"999999\")".into())],
        "events" => {
            let of = |id: &str| format!("(filter: {{ stream: \"run/{id}\" }})");
            vec![
                both(&of, run, nothing),
                both(&|id| format!("(filter: {{ correlation: {id:?} }})"), run, nothing),
            ]
        }
        _ => vec![],
    }
}

/// Fields that show nothing of namespaces, or what somebody needs more for than a namespace.
const OF_THE_SERVER: [&str; 4] = ["freshness", "projection", "server", "stats"];

async fn ask(caller: &Caller, question: &str) -> Value {
    let body = json!({ "query": question }).to_string();
    let (status, text) = caller.post("/graphql", body).await.unwrap();
    assert_eq!(status, 200, "{question}: {text}");
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    // How far the read model is says nothing of anybody's things.
    answer.as_object_mut().unwrap().remove("extensions");
    answer
}

/// Whether a text tells of anything in `b`.
fn tells(world: &World, text: &str) -> bool {
    [CANARY, &world.run, &world.approval, &world.digest, "@b/", "\"b\""]
        .iter()
        .any(|part| text.contains(*part))
}

fn plain(world: &World, answer: &Value) -> String {
    let mut text = answer.to_string();
    for position in ["position", "builtAt"] {
        // Two answers are seldom from the same position.
        let key = format!("\"{position}\":\"");
        while let Some(at) = text.find(&key) {
            let end = text[at + key.len()..].find('"').map_or(text.len(), |end| at + key.len() + end + 1);
            text.replace_range(at..end, "");
        }
    }
    for name in
        [world.run.as_str(), NOWHERE, &world.session, &world.approval, "00000000000000000000000000000000"]
    {
        text = text.replace(name, "NAME");
    }
    text
}

#[tokio::test]
async fn no_field_shows_what_is_in_another_namespace() {
    let world = World::new().await;
    let schema = Schema::of(&world).await;
    let fields = schema.fields("Query");
    assert!(fields.len() > 20);
    for field in fields {
        let name = field["name"].as_str().unwrap();
        let selection = schema.answer_of(&named(&field["type"]));
        let pairs = arguments(&world, name);
        assert!(
            needed(field).is_empty() || !pairs.is_empty(),
            "nobody has said how {name} is asked for something in another namespace"
        );
        if needed(field).is_empty() {
            let shown = ask(&world.stranger, &question(field, "", &selection)).await;
            assert!(!tells(&world, &shown.to_string()), "{name}: {shown}");
            let refused = &shown["errors"][0]["extensions"]["code"];
            assert!(refused.is_null() || refused == "FORBIDDEN", "{name}: {shown}");
        }
        for (there, nowhere) in &pairs {
            let found = ask(&world.stranger, &question(field, there, &selection)).await;
            let nothing = ask(&world.stranger, &question(field, nowhere, &selection)).await;
            assert_eq!(plain(&world, &found), plain(&world, &nothing), "{name}{there}");
        }
        // What the operator sees, so that nothing was hidden from everybody.
        if let Some((there, _)) = pairs.first() {
            let seen = ask(world.server.caller(), &question(field, there, &selection)).await;
            assert!(
                seen.get("errors").is_none() && tells(&world, &seen.to_string()),
                "{name}{there}: {seen}"
            );
        } else if !OF_THE_SERVER.contains(&name) {
            let seen = ask(world.server.caller(), &question(field, "", &selection)).await;
            assert!(seen.get("errors").is_none(), "{name}: {seen}");
        }
    }
    let count =
        ask(&world.stranger, "{ stats { runsByStatus { status runs } eventsPerMinute { events } } }").await;
    let waiting = count["data"]["stats"]["runsByStatus"].as_array().unwrap().iter();
    let runs: u64 = waiting.map(|status| status["runs"].as_u64().unwrap()).sum();
    assert_eq!(runs, 1, "{count}");
}

/// The first update, or the code that the subscription is refused with.
async fn first(client: &Client, query: &str, variables: Value) -> Result<Value, String> {
    let mut updates = match client.subscribe(query, variables).await {
        Ok(updates) => updates,
        Err(error) => return Err(error.to_string()),
    };
    updates.next().await.expect("it says something").map_err(|error| error.to_string())
}

#[tokio::test]
async fn no_subscription_tells_of_another_namespace() {
    let world = World::new().await;
    let schema = Schema::of(&world).await;
    let known = ["approvalChanged", "events", "projection", "run", "waitsChanged"];
    for field in schema.fields("Subscription") {
        let name = field["name"].as_str().unwrap();
        assert!(known.contains(&name), "nobody has said what {name} may tell of another namespace");
    }
    let queries = [
        "subscription($id: ID!) { run(id: $id, after: \"0\") { position run { status } } }",
        "subscription($id: ID!) { waitsChanged(runId: $id) { waits { kind } } }",
    ];
    for query in queries {
        let there = first(&world.client, query, json!({ "id": world.run })).await.expect_err(query);
        let nowhere = first(&world.client, query, json!({ "id": NOWHERE })).await.expect_err(query);
        assert_eq!(there.replace(&world.run, "NAME"), nowhere.replace(NOWHERE, "NAME"));
        first(world.server.client(), query, json!({ "id": world.run })).await.expect(query);
    }

    // The first event that is told, of all there were, is one of the own namespace; so is the last.
    let events = "subscription { events(after: \"0\") { position stream data } }";
    let mut updates = world.client.subscribe(events, json!({})).await.unwrap();
    let asks = workflow("a", "asks", json!([{ "ask": { "call": "approval", "with": { "title": "of a" } } }]));
    let params = json!({ "definition": asks });
    let run = world.stranger.call("run.start", &params, None).await.unwrap().unwrap();
    let run = run["runId"].as_str().unwrap();
    let approval = eventually("the approval of a", async || {
        let shown = ask(&world.stranger, "{ approvals { nodes { id title } } }").await;
        shown["data"]["approvals"]["nodes"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    loop {
        let update = updates.next().await.expect("events go on").unwrap();
        assert!(!tells(&world, &update.to_string()), "{update}");
        if update["events"]["stream"] == json!(format!("run/{run}")) {
            break;
        }
    }
    let changed = "subscription { approvalChanged(after: \"0\") { approval { id title } } }";
    let update = first(&world.client, changed, json!({})).await.unwrap();
    assert_eq!(update["approvalChanged"]["approval"]["id"], json!(approval));
}
