use std::{
    convert::Infallible,
    sync::Mutex,
    task::{Context, Poll},
    time::Duration,
};

use openclaw_model::event::run::{Oauth2, Resource};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, NamedService, UnaryService},
};
use tonic_prost::ProstCodec;

use super::*;
use crate::effects::{
    exposure::tests::{Vault, handle},
    http::Limits,
    testing::{Local, json as answer, limited},
};

const PROTO: &str = r#"
syntax = "proto3";
package greet.v1;
import "google/protobuf/timestamp.proto";
enum Mood { CALM = 0; GLAD = 1; }
message Hello {
  string name = 1;
  repeated int64 ids = 2;
  google.protobuf.Timestamp at = 3;
  Mood mood = 4;
  bytes raw = 5;
}
message Greeting { string text = 1; int32 count = 2; map<string, string> metadata = 3; }
service Greeter {
  rpc SayHello(Hello) returns (Greeting);
  rpc Chat(stream Hello) returns (stream Greeting);
}
"#;

/// The messages once more, by hand: what we send is read by a codec that is not ours.
#[derive(Clone, PartialEq, prost::Message)]
struct Hello {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, repeated, tag = "2")]
    ids: Vec<i64>,
    #[prost(message, optional, tag = "3")]
    at: Option<Moment>,
    #[prost(int32, tag = "4")]
    mood: i32,
    #[prost(bytes = "vec", tag = "5")]
    raw: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Moment {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int32, tag = "2")]
    count: i32,
    #[prost(map = "string, string", tag = "3")]
    metadata: std::collections::HashMap<String, String>,
}

/// A service of tonic's.
#[derive(Clone, Default)]
struct Greeter {
    heard: Arc<Mutex<Vec<Hello>>>,
}

impl NamedService for Greeter {
    const NAME: &'static str = "greet.v1.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greeter = self.clone();
        assert_eq!(request.uri().path(), "/greet.v1.Greeter/SayHello");
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(greeter, request).await) })
    }
}

impl UnaryService<Hello> for Greeter {
    type Response = Greeting;
    type Future = BoxFuture<Response<Greeting>, Status>;

    fn call(&mut self, request: Request<Hello>) -> Self::Future {
        let heard = Arc::clone(&self.heard);
        Box::pin(async move {
            let names = ["authorization", "idempotency-key", "grpc-timeout"];
            let value = |name: &str| request.metadata().get(name)?.to_str().ok().map(str::to_owned);
            let metadata = names.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect();
            let authorization = value("authorization");
            let hello = request.into_inner();
            heard.lock().unwrap().push(hello.clone());
            match hello.name.as_str() {
                "nobody" => Err(Status::not_found("no such pérson")),
                "slow" => std::future::pending().await,
                "large" => Ok(Response::new(Greeting { text: "x".repeat(2000), ..Greeting::default() })),
                "token" if authorization.as_deref() == Some("Bearer t0") => {
                    Err(Status::new(Code::Unauthenticated, "expired"))
                }
                name => Ok(Response::new(Greeting { text: format!("Hello {name}"), count: 0, metadata })),
            }
        })
    }
}

struct Running {
    port: u16,
    greeter: Greeter,
    _serving: JoinSet<()>,
}

async fn serve() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, greeter) = (listener.local_addr().unwrap().port(), Greeter::default());
    let server = tonic::transport::Server::builder().add_service(greeter.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move { server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() });
    Running { port, greeter, _serving: serving }
}

fn request(port: u16, arguments: Value) -> GrpcRequest {
    GrpcRequest {
        proto: Resource { uri: "file:///greet.proto".into(), authentication: None },
        service: "greet.v1.Greeter".into(),
        host: "localhost".into(),
        port,
        method: "SayHello".into(),
        arguments,
        authentication: None,
    }
}

fn effects(limits: Limits) -> GrpcEffects {
    GrpcEffects::new(Arc::new(limited(limits)))
}

async fn perform(request: &GrpcRequest) -> EffectOutcome {
    with(request, PROTO, &mut Exposure::nothing()).await
}

async fn with(request: &GrpcRequest, proto: &str, exposure: &mut Exposure<'_>) -> EffectOutcome {
    effects(Limits::default())
        .perform(request, Some(proto), "key-1", exposure, CancellationToken::new())
        .await
}

fn kind(outcome: EffectOutcome) -> (u16, String, String) {
    let error = outcome.unwrap_err();
    (error.status, error.r#type.rsplit('/').next().unwrap().to_owned(), error.detail.unwrap())
}

#[tokio::test]
async fn a_message_goes_there_and_one_comes_back() {
    let server = serve().await;
    let arguments = json!({
        "name": "Ada", "ids": [1, "9007199254740993"], "at": "1970-01-01T00:01:00Z", "mood": "GLAD", "raw": "AAE="
    });
    let outcome = perform(&request(server.port, arguments)).await.unwrap();
    assert_eq!(outcome["text"], "Hello Ada");
    assert_eq!(outcome["count"], 0, "a default is there too");
    assert_eq!(outcome["metadata"], json!({ "idempotency-key": "key-1", "grpc-timeout": "60000m" }));
    let heard = server.greeter.heard.lock().unwrap()[0].clone();
    let expected = Hello {
        name: "Ada".into(),
        ids: vec![1, 9_007_199_254_740_993],
        at: Some(Moment { seconds: 60 }),
        mood: 1,
        raw: vec![0, 1],
    };
    assert_eq!(heard, expected);
    assert_eq!(perform(&request(server.port, Value::Null)).await.unwrap()["text"], "Hello ");
}

#[tokio::test]
async fn a_status_is_a_communication_error_with_the_http_status_that_belongs_to_it() {
    let server = serve().await;
    let (status, kind, detail) = kind(perform(&request(server.port, json!({ "name": "nobody" }))).await);
    assert_eq!((status, kind.as_str()), (404, "communication"));
    assert!(detail.contains("answered NOT_FOUND: no such pérson"), "{detail}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (status, kind, _) = self::kind(perform(&request(closed, json!({}))).await);
    assert_eq!((status, kind.as_str()), (503, "communication"));
    let web = Local::start(|_, _| answer("1")).await;
    let port = web.url.rsplit(':').next().unwrap().parse().unwrap();
    let (status, _, detail) = self::kind(perform(&request(port, json!({}))).await);
    assert!(status == 500 && detail.contains("without a status"), "{detail}");
}

#[tokio::test]
async fn time_and_size_are_limited_and_a_call_can_be_cancelled() {
    let server = serve().await;
    let hurried = effects(Limits { total: Duration::from_millis(100), ..Limits::default() });
    let slow = request(server.port, json!({ "name": "slow" }));
    let mut nothing = Exposure::nothing();
    let outcome = hurried.perform(&slow, Some(PROTO), "k", &mut nothing, CancellationToken::new()).await;
    let (status, kind, _) = kind(outcome);
    assert!(
        matches!((status, kind.as_str()), (408, "timeout") | (504 | 499, "communication")),
        "{status} {kind}"
    );

    let small = effects(Limits { response_bytes: 1000, ..Limits::default() });
    let large = request(server.port, json!({ "name": "large" }));
    let outcome = small.perform(&large, Some(PROTO), "k", &mut nothing, CancellationToken::new()).await;
    assert!(self::kind(outcome).2.contains("more than 1000 bytes"));

    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = small.perform(&slow, Some(PROTO), "k", &mut nothing, cancel).await;
    assert!(self::kind(outcome).2.contains("cancelled"));
}

#[tokio::test]
async fn what_is_wrong_with_the_call_is_named() {
    let with_service = |service: &str| GrpcRequest { service: service.into(), ..request(1, json!({})) };
    let with_method = |method: &str| GrpcRequest { method: method.into(), ..request(1, json!({})) };
    for (request, expected) in [
        (
            with_service("greet.v1.Greter"),
            "no service \"greet.v1.Greter\". Did you mean \"greet.v1.Greeter\"?",
        ),
        (with_method("SayHelo"), "Did you mean \"SayHello\"?"),
        (with_method("Chat"), "streams"),
        (GrpcRequest { host: "a/b".into(), ..request(1, json!({})) }, "no host"),
    ] {
        let (status, kind, detail) = kind(perform(&request).await);
        assert_eq!((status, kind.as_str()), (400, "configuration"));
        assert!(detail.contains(expected), "{detail}");
    }
    let (status, kind, detail) = kind(perform(&request(1, json!({ "nam": "x" }))).await);
    assert_eq!((status, kind.as_str()), (400, "validation"));
    assert!(detail.contains("nam"), "{detail}");

    let compile =
        async |proto: &str| self::kind(with(&request(1, json!({})), proto, &mut Exposure::nothing()).await).2;
    assert!(compile("syntax = \"proto3\";\nmessage {").await.contains("does not compile"));
    assert!(
        compile("syntax = \"proto3\";\nimport \"other.proto\";")
            .await
            .contains("import 'other.proto' not found; only")
    );
    assert!(compile("syntax = \"proto3\";\nmessage A { B b = 1; }").await.contains('B'));
}

#[tokio::test]
async fn secrets_are_in_metadata_and_arguments_and_a_token_is_replaced_once() {
    let server = serve().await;
    let vault = Vault::of("name", json!("s3cret"));
    let (listed, name) = (vault.listed(), handle("name", ""));
    let mut exposure = Exposure::new(&vault, &listed);
    let basic = Authentication::Bearer { token: name.clone() };
    let call = GrpcRequest { authentication: Some(basic), ..request(server.port, json!({ "name": name })) };
    let outcome = with(&call, PROTO, &mut exposure).await;
    assert_eq!(outcome.as_ref().unwrap()["metadata"]["authorization"], "Bearer s3cret");
    assert!(!exposure.outcome(outcome).unwrap().to_string().contains("s3cret"));
    assert_eq!(server.greeter.heard.lock().unwrap()[0].name, "s3cret");

    let tokens = Local::start(|_, number| answer(json!({ "access_token": format!("t{number}") }))).await;
    let grant = Oauth2 {
        authority: tokens.url.clone(),
        token_endpoint: Some("t".into()),
        client_authentication: "none".into(),
        ..Oauth2::default()
    };
    let call = GrpcRequest {
        authentication: Some(Authentication::Oauth2(Box::new(grant))),
        ..request(server.port, json!({ "name": "token" }))
    };
    let outcome = perform(&call).await.unwrap();
    assert_eq!(outcome["metadata"]["authorization"], "Bearer t1");
    assert_eq!(tokens.seen().len(), 2);
}

#[test]
fn only_this_machine_is_spoken_to_in_plaintext_unless_the_host_says_so() {
    for (host, port, expected) in [
        ("localhost", 5011, "http://localhost:5011/"),
        ("127.0.0.9", 80, "http://127.0.0.9/"),
        ("::1", 1, "http://[::1]:1/"),
        ("[::1]", 1, "http://[::1]:1/"),
        ("localhost", 443, "https://localhost/"),
        ("greeter.example", 50051, "https://greeter.example:50051/"),
        ("10.0.0.1", 1, "https://10.0.0.1:1/"),
        ("http://greeter.example", 1, "http://greeter.example:1/"),
        ("https://localhost", 1, "https://localhost:1/"),
    ] {
        let request = GrpcRequest { host: host.into(), ..request(port, json!({})) };
        assert_eq!(address(&request).unwrap().as_str(), expected);
    }
    for host in ["", "a b", "u@h", "h?x", "http://"] {
        assert!(address(&GrpcRequest { host: host.into(), ..request(1, json!({})) }).is_err(), "{host}");
    }
}
