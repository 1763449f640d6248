//! Calls of services, containers, and texts outside the document.

use std::{cell::RefCell, collections::BTreeMap};

use openclaw_model::event::run::{EffectClass, ParentClose};
use openclaw_workflow::{
    definition::{
        self, AuthenticationTemplate, Body, Definition, Format, Keep, MAX_RESOURCE_BYTES, ProgramTemplate,
        RecordedResources, Resources,
    },
    expression::Template,
};
use serde_json::{Value, json};

use crate::{codes, document, load, one};

/// Files in memory, with a note of what was read.
struct Files(BTreeMap<&'static str, String>, RefCell<Vec<String>>);

impl Resources for Files {
    fn read(&self, uri: &str) -> Result<String, String> {
        self.1.borrow_mut().push(uri.to_owned());
        self.0.get(uri).cloned().ok_or_else(|| "there is no such file".into())
    }
}

fn files(texts: &[(&'static str, &str)]) -> Files {
    Files(texts.iter().map(|(uri, text)| (*uri, (*text).to_owned())).collect(), RefCell::default())
}

fn referring() -> Value {
    let schema = json!({ "schema": { "resource": { "endpoint": "file:///schema.yaml" } } });
    json!([
        { "a": { "set": { "x": 1 }, "input": schema } },
        { "b": { "set": { "x": 1 }, "input": schema } },
        { "c": { "run": { "script": { "language": "python", "source": { "endpoint": { "uri": "file:///a.py" } } } } } },
        { "d": { "call": "openapi", "with": {
            "document": { "name": "pets", "endpoint": "file:///pets.json" }, "operationId": "find",
        } } },
    ])
}

fn texts() -> [(&'static str, &'static str); 3] {
    [
        ("file:///schema.yaml", "type: object\nrequired: [n]\n"),
        ("file:///a.py", "print(\"${ not an expression }\")"),
        ("file:///pets.json", "{}"),
    ]
}

#[test]
fn files_are_read_once_and_kept_with_the_definition() {
    let here = files(&texts());
    let definition = definition::from_value_with(document(referring()), &here).unwrap();
    assert_eq!(*here.1.borrow(), ["file:///schema.yaml", "file:///a.py", "file:///pets.json"]);
    assert_eq!(definition.resources.len(), 3);
    let schema = definition.tasks.0[0].input.schema.as_ref().unwrap();
    assert!(schema.0.is_valid(&json!({ "n": 1 })) && !schema.0.is_valid(&json!({})));
    let Body::Process(process) = &definition.tasks.0[2].body else { panic!() };
    assert!(
        matches!(&process.program, ProgramTemplate::Script(_, Template::Literal(Value::String(code))) if code == texts()[1].1),
        "a file has no expressions"
    );
    let again = definition::from_value_with(document(referring()), &RecordedResources(&definition.resources));
    assert_eq!(again.unwrap().digest, definition.digest);
}

#[test]
fn the_digest_is_over_the_texts_too_and_without_them_over_the_document_alone() {
    let digest = |text| {
        let mut texts = texts();
        texts[2].1 = text;
        definition::from_value_with(document(referring()), &files(&texts)).unwrap().digest
    };
    assert_eq!(digest("{}"), digest("{}"));
    assert_ne!(digest("{}"), digest("{ }"));
    let plain = document(json!([{ "a": { "set": { "x": 1 } } }]));
    let bytes = openclaw_model::canonical::to_bytes(&plain);
    assert_eq!(load(plain).digest.0, *blake3::hash(&bytes).as_bytes());
}

#[test]
fn files_that_are_missing_wrong_or_too_large_are_problems_in_their_place() {
    let found = |texts: &[(&'static str, &str)]| {
        let problems = definition::from_value_with(document(referring()), &files(texts)).unwrap_err();
        problems.into_iter().map(|problem| (problem.code, problem.path)).collect::<Vec<_>>()
    };
    let missing = found(&texts()[..2]);
    assert_eq!(missing, one("OC-WF-025", "/do/3/d/with/document/endpoint"));
    let mut wrong = texts();
    wrong[0].1 = "type: objekt";
    let place = |task: &str| ("OC-WF-023", format!("/do/{task}/input/schema/resource/endpoint"));
    assert_eq!(found(&wrong), [place("0/a"), place("1/b")]);
    let large = "x".repeat(MAX_RESOURCE_BYTES);
    let mut texts = texts();
    texts[2].1 = &large;
    assert_eq!(found(&texts), one("OC-WF-025", "/do/3/d/with/document/endpoint"));
}

#[test]
fn large_files_cannot_be_multiplied_by_use() {
    let large = "x".repeat(MAX_RESOURCE_BYTES - 1_000);
    let script = json!({ "language": "python", "source": { "endpoint": "file:///a.py" } });
    let tasks: Vec<Value> =
        (0..1_000).map(|n| json!({ format!("t{n}"): { "run": { "script": script } } })).collect();
    let problems =
        definition::from_value_with(document(Value::Array(tasks)), &files(&[("file:///a.py", &large)]));
    assert_eq!(problems.unwrap_err()[0].code, "OC-WF-005");
}

#[test]
fn places_of_files_are_found_in_the_text() {
    let text = "document: { dsl: 1.0.3, namespace: t, name: t, version: 1.0.0 }\ndo:\n  - a:\n      call: grpc\n      with:\n        proto:\n          endpoint: file:///a.proto\n        service: { name: s, host: h }\n        method: m\n";
    let problems = definition::load_with(text, Format::Yaml, &files(&[])).unwrap_err();
    assert_eq!((problems[0].code, problems[0].line), ("OC-WF-025", Some(7)));
}

fn http(extra: Value) -> Value {
    let mut task = json!({ "call": "http", "with": { "method": "post", "endpoint": "http://x" } });
    for (key, value) in extra.as_object().unwrap() {
        task[key] = value.clone();
    }
    document(json!([{ "a": task }]))
}

fn authentication(document: Value) -> AuthenticationTemplate {
    let Definition { mut tasks, .. } = load(document);
    match std::sync::Arc::into_inner(tasks.0.remove(0)).unwrap().body {
        Body::Http(call) => call.authentication.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn authenticated(policy: Value) -> Value {
    let with = json!({ "method": "get", "endpoint": { "uri": "http://x", "authentication": policy } });
    let mut document = http(json!({ "with": with }));
    document["use"] = json!({
        "secrets": ["login"],
        "authentications": { "shared": { "bearer": { "token": "${ $secrets.login.token }" } } },
    });
    document
}

#[test]
fn policies_stand_in_place_or_are_named_or_come_from_a_secret() {
    let named = authentication(authenticated(json!({ "use": "shared" })));
    assert!(matches!(named, AuthenticationTemplate::Bearer { token: Template::Expression(_) }));
    let named = authentication(authenticated(json!("shared")));
    assert!(matches!(named, AuthenticationTemplate::Bearer { .. }));
    let secret = authentication(authenticated(json!({ "digest": { "use": "login" } })));
    assert!(
        matches!(&secret, AuthenticationTemplate::Secret { scheme, name } if scheme == "digest" && name == "login")
    );
    let oidc =
        json!({ "oidc": { "authority": "http://a", "grant": "password", "username": "u", "password": "p" } });
    assert!(matches!(authentication(authenticated(oidc)), AuthenticationTemplate::Oauth2 { oidc: true, .. }));
}

#[test]
fn policies_that_do_not_hold_together_are_refused() {
    let place = "/do/0/a/with/endpoint/authentication";
    let oauth2 = |extra: Value| {
        let mut properties = json!({ "authority": "http://a", "grant": "client_credentials" });
        for (key, value) in extra.as_object().unwrap() {
            properties[key] = value.clone();
        }
        json!({ "oauth2": properties })
    };
    for (policy, code, path) in [
        (json!({}), "OC-WF-013", ""),
        (json!({ "use": "gone" }), "OC-WF-021", "/use"),
        (json!({ "basic": { "username": "u" } }), "OC-WF-011", "/basic"),
        (json!({ "basic": { "use": "other" } }), "OC-WF-052", "/basic/use"),
        (json!({ "basic": { "use": "login", "username": "u" } }), "OC-WF-010", "/basic/username"),
        (json!({ "bearer": { "token": {} } }), "OC-WF-012", "/bearer/token"),
        (oauth2(json!({ "grant": "magic" })), "OC-WF-013", "/oauth2/grant"),
        (oauth2(json!({ "grant": "authorization_code" })), "OC-WF-020", "/oauth2/grant"),
        (
            oauth2(json!({ "client": { "authentication": "client_secret_jwt" } })),
            "OC-WF-020",
            "/oauth2/client/authentication",
        ),
        (oauth2(json!({ "request": { "encoding": "text/plain" } })), "OC-WF-013", "/oauth2/request/encoding"),
        (oauth2(json!({ "scopes": "a b (" })), "OC-WF-032", "/oauth2/scopes"),
        (oauth2(json!({ "endpoints": { "tokens": "/t" } })), "OC-WF-010", "/oauth2/endpoints/tokens"),
    ] {
        let found = codes(authenticated(policy.clone()));
        let expected = (code, format!("{place}{path}"));
        assert!(found.contains(&expected), "{policy}: {found:?}");
    }
    let mut unused = document(json!([{ "a": { "set": { "x": 1 } } }]));
    unused["use"] = json!({ "authentications": { "x": { "use": "y" } } });
    assert_eq!(
        codes(unused),
        [
            ("OC-WF-010", "/use/authentications/x/use".to_owned()),
            ("OC-WF-013", "/use/authentications/x".to_owned())
        ]
    );
}

#[test]
fn a_queryable_call_says_how_it_is_asked() {
    let inquiry = json!({ "endpoint": "http://x/{id}", "headers": { "A": "b" } });
    let definition = load(http(json!({ "metadata": { "effect": "queryable", "inquiry": inquiry } })));
    let Body::Http(call) = &definition.tasks.0[0].body else { panic!() };
    assert_eq!(call.class, Some(EffectClass::Queryable));
    assert!(call.inquiry.as_ref().is_some_and(|inquiry| inquiry.headers.is_some()));
    let missing = http(json!({ "metadata": { "effect": "queryable" } }));
    assert_eq!(codes(missing), one("OC-WF-011", "/do/0/a/metadata"));
    let idle = http(json!({ "metadata": { "inquiry": inquiry } }));
    assert_eq!(codes(idle), one("OC-WF-013", "/do/0/a/metadata/inquiry"));
    let shell =
        json!([{ "a": { "run": { "shell": { "command": "x" } }, "metadata": { "effect": "queryable" } } }]);
    assert_eq!(codes(document(shell)), one("OC-WF-013", "/do/0/a/metadata/effect"));
}

#[test]
fn containers_and_children_say_what_becomes_of_them() {
    let container = |lifetime: Value| {
        let mut container = json!({ "image": "alpine" });
        if !lifetime.is_null() {
            container["lifetime"] = lifetime;
        }
        document(json!([{ "a": { "run": { "container": container } } }]))
    };
    let keep = |lifetime: Value| match &load(container(lifetime)).tasks.0[0].body {
        Body::Container(container) => match &container.keep {
            Keep::Not => "not",
            Keep::For(_) => "for",
            Keep::Forever => "forever",
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(keep(json!(null)), "forever");
    assert_eq!(keep(json!({ "cleanup": "always" })), "not");
    assert_eq!(keep(json!({ "cleanup": "eventually", "after": "PT1M" })), "for");
    let place = "/do/0/a/run/container/lifetime";
    assert_eq!(codes(container(json!({ "cleanup": "eventually" }))), one("OC-WF-011", place));
    let idle = container(json!({ "cleanup": "never", "after": "PT1M" }));
    assert_eq!(codes(idle), one("OC-WF-013", &format!("{place}/after")));

    let child = |metadata: Value| {
        document(json!([{ "a": {
            "run": { "workflow": { "namespace": "n", "name": "w", "version": "latest" } }, "metadata": metadata,
        } }]))
    };
    let Body::Workflow(kill) = &load(child(json!({ "parentClose": "kill" }))).tasks.0[0].body else {
        panic!()
    };
    assert_eq!(kill.close, ParentClose::Kill);
    let found = codes(child(json!({ "parentClose": "destroy" })));
    assert_eq!(found, one("OC-WF-013", "/do/0/a/metadata/parentClose"));
}

#[test]
fn services_need_what_the_language_demands() {
    let call = |kind: &str, with: Value| codes(document(json!([{ "a": { "call": kind, "with": with } }])));
    let service = json!({ "name": "s", "host": "h", "port": 70_000 });
    let found = call(
        "grpc",
        json!({ "proto": { "endpoint": "http://x/a.proto" }, "service": service, "method": "m" }),
    );
    assert_eq!(found, one("OC-WF-013", "/do/0/a/with/service/port"));
    let found = call("openapi", json!({ "document": { "endpoint": "ftp://x" }, "operationId": "" }));
    let places: Vec<&str> = found.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(places, ["/do/0/a/with/document/endpoint", "/do/0/a/with/operationId"]);
}
