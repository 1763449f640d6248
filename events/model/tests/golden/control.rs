//! Runs under control, runs that wait for events, and the calls that came later.

use openclaw_model::{
    Digest, Event, Position, RunId, TaskId, Timestamp, Version,
    event::{RunEvent, run::*},
};
use serde_json::json;

use crate::{
    people,
    run::{error, intent, started},
};

fn basic() -> Authentication {
    Authentication::Basic { username: "ada".into(), password: "handle".into() }
}

fn http(authentication: Authentication) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: "https://example.com/orders/1".into(),
        headers: Default::default(),
        query: Default::default(),
        body: None,
        output: HttpOutput::Content,
        redirect: false,
        authentication: Some(authentication),
    }
}

fn calls() -> Vec<(&'static str, Event)> {
    let call = |number, request| started(number, TaskKind::Call, intent(request));
    let oauth2 = Authentication::Oauth2(Box::new(Oauth2 {
        authority: "https://auth.example.com".into(),
        token_endpoint: Some("/oauth2/token".into()),
        parameters: [("grant_type".to_owned(), "client_credentials".to_owned())].into(),
        client_id: Some("client".into()),
        client_secret: Some("handle".into()),
        client_authentication: "client_secret_post".into(),
        json: true,
        issuers: vec!["https://auth.example.com".into()],
    }));
    let digest = Authentication::Digest { username: "ada".into(), password: "handle".into() };
    let document = Resource {
        uri: "https://example.com/openapi.json".into(),
        authentication: Some(Authentication::Bearer { token: "handle".into() }),
    };
    let openapi = OpenApiRequest {
        document,
        operation: "findPets".into(),
        parameters: [("status".to_owned(), json!(["available"]))].into(),
        output: HttpOutput::Response,
        redirect: true,
        authentication: Some(basic()),
    };
    let grpc = GrpcRequest {
        proto: Resource { uri: "file:///greet.proto".into(), authentication: None },
        service: "greet.Greeter".into(),
        host: "localhost".into(),
        port: 5011,
        method: "SayHello".into(),
        arguments: json!({ "name": "Ada" }),
        authentication: Some(basic()),
    };
    let container = ContainerRequest {
        image: "alpine:3".into(),
        name: Some("job".into()),
        command: Some("cat".into()),
        ports: [("8080".to_owned(), json!(80))].into(),
        volumes: [("/data".to_owned(), "/srv/data".to_owned())].into(),
        environment: [("KEY".to_owned(), "value".to_owned())].into(),
        stdin: Some("in".into()),
        arguments: vec!["-n".into()],
        pull_policy: "always".into(),
        keep_ms: Some(60_000),
        returns: ProcessReturn::Stdout,
        wait: true,
    };
    let queryable = Work::Effect(Intent {
        key: "0123456789abcdef0123456789abcdef".into(),
        class: EffectClass::Queryable,
        request: Request::Http(http(basic())),
        inquiry: Some(Box::new(http(basic()))),
        verdict: None,
    });
    let interest = Interest([("type".to_owned(), "order\\..*".to_owned())].into());
    let run = RunId("01a20d0b-3133-7309-80b1-7d53166451ad".parse().expect("a UUID"));
    let child = RunRequest {
        run,
        namespace: "examples".into(),
        name: "child".into(),
        version: "1.0.0".into(),
        input: json!(null),
        wait: true,
        close: ParentClose::Kill,
        data_labels: Default::default(),
    };
    vec![
        ("-listen", started(10, TaskKind::Listen, Work::Listen { interests: vec![interest] })),
        ("-oauth2", call(11, Request::Http(http(oauth2)))),
        ("-digest", call(12, Request::Http(http(digest)))),
        ("-queryable", started(13, TaskKind::Call, queryable)),
        ("-openapi", call(14, Request::OpenApi(openapi))),
        ("-grpc", call(15, Request::Grpc(grpc))),
        ("-container", started(16, TaskKind::Run, intent(Request::Container(container)))),
        ("-approval", call(17, Request::Approval(people::request()))),
        ("-close", started(18, TaskKind::Run, intent(Request::Run(child)))),
    ]
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let run = RunId("01a20d0b-3133-7309-80b1-7d53166451ad".parse().expect("a UUID"));
    let at = Timestamp::from_micros(1_794_000_000_123_456);
    let workflow = WorkflowRef {
        namespace: "examples".into(),
        name: "report".into(),
        version: "1.0.0".into(),
        digest: Digest([0xab; 32]),
    };
    let everything = RunStarted {
        parent: Some(ParentTask { run, task: TaskId(3), close: ParentClose::Abandon }),
        labels: [("team".to_owned(), "blue".to_owned())].into(),
        priority: -3,
        concurrency: Some(Concurrency { key: "tenant-1".into(), limit: 2 }),
        not_before: Some(at),
        trigger: Some(Trigger { schedule: "examples/report".into(), due: Some(at) }),
        fork: Some(ForkOrigin { run, at: Version(7), context: Some(json!({ "seen": 1 })) }),
        resources: [("file:///greet.proto".to_owned(), "syntax".to_owned())].into(),
        ..RunStarted::new(workflow, json!({}))
    };
    let reconciled = |resolution| {
        RunEvent::EffectReconciled(EffectReconciled {
            task: TaskId(4),
            resolution,
            note: Some("asked the bank".into()),
        })
    };
    let consumed = |origin| {
        RunEvent::EventConsumed(EventConsumed {
            task: TaskId(4),
            filter: 1,
            origin,
            event: json!({ "id": 1 }),
            keys: [("order".to_owned(), json!("o-1"))].into(),
            until: true,
            last: true,
        })
    };
    let raw_output = Some(json!("raw"));
    let named: Vec<(&'static str, RunEvent)> = vec![
        ("-everything", RunEvent::Started(everything)),
        ("-succeeded", reconciled(Resolution::Succeeded { output: json!({ "ok": true }) })),
        ("-failed", reconciled(Resolution::Failed { error: error() })),
        ("-undone", reconciled(Resolution::NotDone)),
        (
            "",
            RunEvent::TaskHeld(TaskHeld { task: TaskId(4), error: error(), raw_output: raw_output.clone() }),
        ),
        ("-answered", RunEvent::TaskFaulted(TaskFaulted { task: TaskId(4), error: error(), raw_output })),
        ("", RunEvent::Retried(RunRetried { tasks: vec![TaskId(4), TaskId(9)] })),
        ("-event", consumed(Origin::Log { position: Position(77) })),
        ("-signal", consumed(Origin::Signal { version: Version(12) })),
        (
            "",
            RunEvent::ItemCompleted(ItemCompleted {
                task: TaskId(4),
                index: 2,
                output: json!(1),
                context: Some(json!({})),
            }),
        ),
        ("", RunEvent::Paused(RunPaused { reason: Some("a deployment".into()) })),
        ("", RunEvent::Resumed(RunResumed {})),
        ("", RunEvent::Forked(RunForked { shift_ms: 5_000, context: Some(json!({ "seen": 1 })) })),
        ("-kill", RunEvent::CancelRequested(RunCancelRequested { reason: None, kill: true })),
    ];
    let mut samples = calls();
    samples.extend(named.into_iter().map(|(form, event)| (form, event.into())));
    samples
}
