//! Who sees what: needs of fields, and rows of namespaces.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{collections::BTreeSet, sync::Arc};

use axum::{body::Body, http::Request};
use common::{
    Served, code,
    history::{running, started},
    writing::{begun, write},
};
use openclaw_model::access::{Grants, Need, Role, Scope};
use openclaw_query::Caller;
use serde_json::{Value, json};

mod common;

/// A root field with what it needs, as the schema says.
struct Field {
    on: String,
    name: String,
    needs: Need,
}

/// Every field of `Query` and `Subscription`, and every other one that says what it needs.
fn fields() -> Vec<Field> {
    let sdl = openclaw_query::sdl();
    let mut on = String::new();
    let mut fields = Vec::new();
    for line in sdl.lines() {
        if let Some(rest) = line.strip_prefix("type ") {
            on = rest.split([' ', '{']).next().unwrap_or_default().to_owned();
        }
        let text = line.trim();
        let name: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_field = line.starts_with('\t')
            && !name.is_empty()
            && text[name.len()..].starts_with(['(', ':'])
            && text.contains("): ") | text[name.len()..].starts_with(": ");
        if !is_field {
            continue;
        }
        let said =
            text.split_once("@needs(scope: \"").map(|(_, rest)| rest.split('"').next().unwrap_or_default());
        let needs = match said {
            Some("nothing") => Need::Nothing,
            Some("query") => Need::Query,
            Some("audit") => Need::Audit,
            Some("operate") => Need::Operate,
            Some("admin") => Need::Admin,
            Some(other) => panic!("{on}.{name} needs {other:?}, which is no scope of a field"),
            None if matches!(on.as_str(), "Query" | "Subscription") => {
                panic!("{on}.{name} does not say what it needs")
            }
            None => continue,
        };
        fields.push(Field { on: on.clone(), name, needs });
    }
    fields
}

async fn ask_as(served: &Served, grants: Grants, query: &str) -> Value {
    let body = json!({ "query": query }).to_string();
    let mut request =
        Request::post("/graphql").header("content-type", "application/json").body(Body::from(body)).unwrap();
    request.extensions_mut().insert(Caller { name: "token:t".into(), grants: Arc::new(grants) });
    served.send(request).await.1
}

fn scopes(texts: &[&str]) -> Grants {
    Grants(texts.iter().map(|text| text.parse::<Scope>().unwrap()).collect())
}

/// How each root field that needs arguments is asked.
fn question(name: &str) -> String {
    const RUN: &str = "\"0192f0c1-0000-7000-8000-000000000001\"";
    let arguments = match name {
        "run" | "runProof" => format!("(id: {RUN})"),
        "task" => format!("(runId: {RUN}, task: 1)"),
        "session" => "(id: \"s\")".into(),
        "approval" => "(id: \"00000000000000000000000000000000\")".into(),
        "workflow" => "(namespace: \"a\", name: \"w\")".into(),
        "event" => "(position: \"1\")".into(),
        "runDiff" => format!("(a: {RUN}, b: {RUN})"),
        _ => String::new(),
    };
    format!("{{ {name}{arguments} {{ __typename }} }}")
}

#[tokio::test]
async fn every_field_says_what_it_needs_and_each_role_gets_what_it_is_for() {
    let served = Served::new().await;
    let fields = fields();
    let of_query = fields.iter().filter(|field| field.on == "Query").count();
    assert!(of_query > 20, "{of_query}");
    let everywhere = BTreeSet::new();
    for field in fields.iter().filter(|field| field.on == "Query") {
        let mut callers: Vec<(String, Grants)> =
            Role::ALL.iter().map(|role| (role.as_str().to_owned(), role.grants(&everywhere))).collect();
        for scope in ["query", "audit", "operate", "admin", "vouch", "command:*", "query@a", "audit@a"] {
            callers.push((scope.to_owned(), scopes(&[scope])));
        }
        callers.push(("nothing".into(), Grants::default()));
        for (who, grants) in callers {
            let allowed = grants.allow_somewhere(field.needs);
            let answer = ask_as(&served, grants, &question(&field.name)).await;
            let refused = answer["errors"][0]["extensions"]["code"] == "FORBIDDEN";
            assert_eq!(refused, !allowed, "{who} asks {}: {answer}", field.name);
        }
    }
    let audit = |on: &str, name: &str| {
        fields
            .iter()
            .any(|field| (field.on.as_str(), field.name.as_str()) == (on, name) && field.needs == Need::Audit)
    };
    for (on, name) in [("Query", "events"), ("Query", "event"), ("Subscription", "events"), ("Run", "events")]
    {
        assert!(audit(on, name), "{on}.{name} is of the audit log");
    }
}

#[tokio::test]
async fn rows_counts_and_events_are_those_of_the_own_namespaces() {
    let mut served = Served::new().await;
    for (run, namespace) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
        let start = begun(|event| event.workflow.namespace = namespace.into());
        write(&mut served, run, vec![start, running()]);
    }
    served.flush().await;
    let asked = "{ runs { totalCount nodes { workflow { namespace } } } stats { runsByStatus { runs }
        eventsPerMinute { events } } events { totalCount nodes { position } } }";
    let all = [
        (vec!["query@a", "audit@a"], vec!["a", "a"], 4),
        (vec!["query@a", "query@b", "audit@b"], vec!["b", "a", "a"], 2),
        (vec!["query", "audit@c"], vec!["c", "a", "b", "a"], 2),
        (vec!["query@d", "audit@d"], vec![], 0),
    ];
    for (given, mut expected, events) in all {
        let answer = ask_as(&served, scopes(&given), asked).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        let data = &answer["data"];
        let nodes = data["runs"]["nodes"].as_array().unwrap().iter();
        let mut seen: Vec<&str> = nodes.map(|run| run["workflow"]["namespace"].as_str().unwrap()).collect();
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{given:?}");
        assert_eq!(data["runs"]["totalCount"], expected.len(), "{given:?}");
        let sum = |list: &Value, name: &str| -> u64 {
            list.as_array().unwrap().iter().map(|one| one[name].as_u64().unwrap()).sum()
        };
        assert_eq!(sum(&data["stats"]["runsByStatus"], "runs"), expected.len() as u64);
        assert_eq!(sum(&data["stats"]["eventsPerMinute"], "events"), 2 * expected.len() as u64);
        assert_eq!(data["events"]["nodes"].as_array().unwrap().len(), events, "{given:?}");
        assert_eq!(data["events"]["totalCount"], Value::Null);
    }
    let hidden =
        ask_as(&served, scopes(&["query@b", "audit@b"]), "{ event(position: \"1\") { type } }").await;
    assert_eq!(hidden["data"]["event"], Value::Null);
    let forbidden = ask_as(&served, scopes(&["query@b"]), "{ event(position: \"1\") { type } }").await;
    assert_eq!(code(&forbidden), "FORBIDDEN");
    let _ = started("w");
}
