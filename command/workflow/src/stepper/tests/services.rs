//! What calls of services, containers and approvals are about to do.

use openclaw_model::{
    Digest,
    event::{
        approval::{DeadlineOutcome, Deciders},
        run::{Authentication, ContainerRequest, Oauth2},
    },
};

use super::*;

fn call(kind: &str, with: Value) -> Bench {
    run(json!([{ "c": { "call": kind, "with": with } }]), json!({ "n": 3, "who": "Ada" }))
}

fn authenticated(authentication: Value, secrets: Value) -> Bench {
    let names: Vec<&String> = secrets.as_object().unwrap().keys().collect();
    let with = json!({ "method": "get", "endpoint": { "uri": "http://localhost", "authentication": authentication } });
    let mut bench = Bench::of(
        json!({ "use": { "secrets": names }, "do": [{ "c": { "call": "http", "with": with } }] }),
        json!({ "user": "ada", "realm": "main" }),
    );
    bench.secrets = secrets;
    bench.step(Stimulus::None);
    bench
}

fn proof(authentication: Value, secrets: Value) -> Authentication {
    let bench = authenticated(authentication, secrets);
    match bench.effects().first().map(|(_, request)| request.clone()) {
        Some(Request::Http(request)) => request.authentication.expect("it proves who it is"),
        other => panic!("{other:?} {:?}", bench.state.end),
    }
}

fn oauth2(authentication: Value, secrets: Value) -> Oauth2 {
    match proof(authentication, secrets) {
        Authentication::Oauth2(oauth2) => *oauth2,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_proves_itself_with_texts_expressions_and_handles() {
    let secrets = || json!({ "pw": "<pw>", "login": { "username": "<u>", "password": "<p>" }, "key": { "token": "<t>" } });
    let basic = json!({ "basic": { "username": "${ .user }", "password": "${ $secrets.pw }" } });
    let expected = Authentication::Basic { username: "ada".into(), password: "<pw>".into() };
    assert_eq!(proof(basic, secrets()), expected);
    let expected = Authentication::Digest { username: "<u>".into(), password: "<p>".into() };
    assert_eq!(proof(json!({ "digest": { "use": "login" } }), secrets()), expected);
    let expected = Authentication::Bearer { token: "<t>".into() };
    assert_eq!(proof(json!({ "bearer": { "use": "key" } }), secrets()), expected);
    let expected = Authentication::Bearer { token: "<pw>".into() };
    assert_eq!(proof(json!({ "bearer": { "use": "pw" } }), secrets()), expected, "a text is a token");
}

#[test]
fn a_secret_that_does_not_exist_or_does_not_fit_is_an_authorization_error() {
    let bench = authenticated(json!({ "bearer": { "use": "gone" } }), json!({ "gone": null, "other": "x" }));
    assert_eq!(bench.error().status, 403, "{:?}", bench.error());
    let bench = authenticated(json!({ "basic": { "use": "key" } }), json!({ "key": { "token": "<t>" } }));
    let error = bench.error();
    assert_eq!((error.status, error.instance.as_deref()), (403, Some("/do/0/c")));
    assert!(error.detail.as_deref().unwrap().contains("username"), "{error:?}");
    let mut bench = Bench::of(
        json!({ "use": { "secrets": ["gone"] }, "do": [{ "a": { "set": { "x": "${ $secrets.gone }" } } }] }),
        json!({}),
    );
    bench.step(Stimulus::None);
    assert_eq!(bench.error().status, 403);
}

#[test]
fn a_token_request_has_the_parameters_of_its_grant() {
    let properties = json!({
        "authority": "http://localhost/{realm}", "grant": "client_credentials",
        "client": { "id": "me", "secret": "${ $secrets.pw }" }, "scopes": ["a", "b"], "audiences": ["${ .user }"],
    });
    let token = oauth2(json!({ "oauth2": properties }), json!({ "pw": "<pw>" }));
    assert_eq!(
        (token.authority.as_str(), token.token_endpoint.as_deref()),
        ("http://localhost/main", Some("/oauth2/token"))
    );
    assert_eq!((token.client_id.as_deref(), token.client_secret.as_deref()), (Some("me"), Some("<pw>")));
    assert_eq!((token.client_authentication.as_str(), token.json), ("client_secret_post", false));
    let expected = [("audience", "ada"), ("grant_type", "client_credentials"), ("scope", "a b")];
    assert_eq!(
        token.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
        expected
    );

    let exchange = json!({
        "authority": "http://localhost", "grant": "urn:ietf:params:oauth:grant-type:token-exchange",
        "client": { "id": "me", "assertion": "jwt", "authentication": "private_key_jwt" },
        "subject": { "token": "s", "type": "t" }, "actor": { "token": "a", "type": "u" },
        "request": { "encoding": "application/json" }, "issuers": ["http://localhost"],
    });
    let token = oauth2(json!({ "oidc": exchange }), json!({}));
    assert_eq!((token.token_endpoint, token.json, token.issuers.len()), (None, true, 1));
    for (name, value) in [("subject_token", "s"), ("actor_token_type", "u"), ("client_assertion", "jwt")] {
        assert_eq!(token.parameters[name], value);
    }
    let secret =
        json!({ "k": { "authority": "<a>", "grant": "<g>", "client": { "id": "<i>", "secret": "<s>" } } });
    let token = oauth2(json!({ "oauth2": { "use": "k" } }), secret);
    assert_eq!((token.authority.as_str(), token.parameters["grant_type"].as_str()), ("<a>", "<g>"));
    assert_eq!(token.client_secret.as_deref(), Some("<s>"));
}

#[test]
fn openapi_and_grpc_calls_are_evaluated() {
    let bench = call(
        "openapi",
        json!({
            "document": { "endpoint": "http://localhost/openapi.json" }, "operationId": "find", "redirect": true,
            "parameters": { "limit": "${ .n }", "tags": ["a", "${ .who }"] }, "output": "response",
        }),
    );
    let Request::OpenApi(request) = &bench.effects()[0].1 else { panic!() };
    assert_eq!((request.operation.as_str(), request.redirect), ("find", true));
    assert_eq!(request.parameters["tags"], json!(["a", "Ada"]));
    assert_eq!(request.parameters["limit"], json!(3));
    assert_eq!(bench.intents()[0].class, EffectClass::Keyed);

    let service = |port: Value| json!({ "name": "greet.Greeter", "host": "localhost", "port": port });
    let with = |port: Value| {
        json!({
            "proto": { "endpoint": "http://localhost/greet.proto" }, "service": service(port),
            "method": "SayHello", "arguments": { "name": "${ .who }" },
        })
    };
    let bench = call("grpc", with(json!("${ 5000 + .n }")));
    let Request::Grpc(request) = &bench.effects()[0].1 else { panic!("{:?}", bench.state.end) };
    assert_eq!((request.port, &request.arguments), (5_003, &json!({ "name": "Ada" })));
    assert_eq!(call("grpc", with(json!("${ .who }"))).error().status, 400);
}

#[test]
fn a_container_is_evaluated() {
    let container = json!({
        "image": "alpine:${ .n }", "name": "job-${ .who }", "command": "cat", "stdin": "${ . }",
        "environment": { "N": "${ .n }" }, "ports": { "8080": 80 }, "arguments": ["-n", "${ .n }"],
        "lifetime": { "cleanup": "eventually", "after": { "minutes": 1 } }, "pullPolicy": "always",
    });
    let bench = run(
        json!([{ "c": { "run": { "container": container, "return": "code" } } }]),
        json!({ "n": 3, "who": "Ada" }),
    );
    let Request::Container(request) = bench.effects()[0].1.clone() else { panic!() };
    let ContainerRequest { image, name, stdin, arguments, keep_ms, pull_policy, .. } = request;
    assert_eq!((image.as_str(), name.as_deref()), ("alpine:3", Some("job-Ada")));
    assert_eq!(stdin.as_deref(), Some("{\"n\":3,\"who\":\"Ada\"}"));
    assert_eq!(arguments, ["-n", "3"]);
    assert_eq!((keep_ms, pull_policy.as_str()), (Some(60_000), "always"));
    assert_eq!(request.ports["8080"], json!(80));
}

#[test]
fn an_approval_is_bound_to_what_it_is_about() {
    let with = |subject: Value| {
        json!({
            "title": "Pay ${ .n }?", "subject": subject, "assignees": ["${ .who }", "bob"], "quorum": 2,
            "choices": ["yes", { "name": "no", "schema": { "type": "string" } }],
            "deadline": { "after": { "hours": 1 }, "outcome": { "escalate": { "roles": ["boss"] } } },
        })
    };
    let asked = |subject: Value| {
        let bench = call("approval", with(subject));
        assert_eq!(bench.state.status(), Status::Waiting);
        match &bench.effects()[0].1 {
            Request::Approval(request) => (request.clone(), bench.intents()[0].key.clone(), bench.now),
            other => panic!("{other:?}"),
        }
    };
    let (request, key, now) = asked(json!({ "amount": "${ .n }" }));
    assert_eq!(request.approval.to_string(), key, "asking twice asks once");
    assert_eq!((request.title.as_str(), &request.subject), ("Pay 3?", &json!({ "amount": 3 })));
    assert_eq!((request.deciders.assignees.join(" "), request.quorum), ("Ada bob".to_owned(), 2));
    let deadline = request.deadline.clone().unwrap();
    assert_eq!(deadline.due, now.plus_millis(3_600_000));
    let to = Deciders { assignees: vec![], roles: vec!["boss".into()] };
    assert_eq!(deadline.outcome, DeadlineOutcome::Escalate { to, after_ms: 3_600_000 });
    let (same, ..) = asked(json!({ "amount": 3 }));
    assert_eq!(same.digest, request.digest);
    let (other, ..) = asked(json!({ "amount": 4 }));
    assert_ne!(other.digest, request.digest);
    assert_ne!(other.digest, Digest([0; 32]));
    let plain = call("approval", json!({ "title": "Well?" }));
    let Request::Approval(request) = &plain.effects()[0].1 else { panic!() };
    let names: Vec<&str> = request.choices.iter().map(|choice| choice.name.as_str()).collect();
    assert_eq!((names, request.quorum), (vec!["approve", "deny"], 1));
}

#[test]
fn a_child_run_is_closed_as_its_document_says() {
    use openclaw_model::event::run::ParentClose;
    let closes = |wait: bool, metadata: Value| {
        let child = json!({ "namespace": "a", "name": "b", "version": "latest" });
        let bench = run(
            json!([{ "c": { "run": { "workflow": child, "await": wait }, "metadata": metadata } }]),
            json!({}),
        );
        match &bench.effects()[0].1 {
            Request::Run(request) => request.close,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closes(true, json!({})), ParentClose::Cancel);
    assert_eq!(closes(false, json!({})), ParentClose::Abandon);
    assert_eq!(closes(false, json!({ "parentClose": "kill" })), ParentClose::Kill);
}
