//! Tests: every way of an effect to the network passes the gate.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use openclaw_egress::{Connection, Ended, Gate, Origin, Policy, Recorder, Recording, Refused};
use openclaw_model::event::run::{
    Authentication, GrpcRequest, HttpOutput, HttpRequest, Oauth2, OpenApiRequest, Resource,
};
use openclaw_model::{RunId, TaskId};
use openclaw_ports::EffectOutcome;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Exposure, GrpcEffects, HttpEffects, OpenApiEffects,
    http::Limits,
    testing::{Answer, Local, json as answer, through},
};

/// Remembers what was refused.
#[derive(Default)]
struct Refusals(Mutex<Vec<(Origin, String)>>);

impl Recorder for Refusals {
    fn opened<'a>(&'a self, _: &'a Connection) -> Recording<'a> {
        Box::pin(async { Ok(()) })
    }

    fn denied<'a>(&'a self, origin: Origin, refused: &'a Refused) -> Recording<'a> {
        self.0.lock().unwrap().push((origin, refused.target.to_string()));
        Box::pin(async { Ok(()) })
    }

    fn closed<'a>(&'a self, _: &'a Ended) -> Recording<'a> {
        Box::pin(async { Ok(()) })
    }
}

/// A server that may be called, one that may not, and effects that are to find out.
struct World {
    open: Local,
    closed: Local,
    http: Arc<HttpEffects>,
    refusals: Arc<Refusals>,
}

impl World {
    /// The open server answers with what `open` makes of the address of the closed one.
    async fn start(open: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let closed = Local::start(|_, _| answer("1")).await;
        let url = closed.url.clone();
        let open = Local::start(move |_, _| open(&url)).await;
        let refusals = Arc::new(Refusals::default());
        let allowed = open.url.trim_start_matches("http://").parse().unwrap();
        let policy = Policy::new(vec![allowed], vec![], vec![]).unwrap();
        let http = Arc::new(through(Gate::new(policy, refusals.clone()), Limits::default()));
        Self { open, closed, http, refusals }
    }

    async fn call(&self, request: &HttpRequest) -> EffectOutcome {
        self.http.perform(request, "k", &mut Exposure::nothing(), CancellationToken::new()).await
    }

    /// The effect was refused with the code, on record, and the closed server heard nothing.
    fn refused(&self, outcome: EffectOutcome) {
        let error = outcome.unwrap_err();
        let detail = error.detail.unwrap();
        assert_eq!((error.status, error.r#type.rsplit('/').next()), (403, Some("authorization")), "{detail}");
        let port = self.closed.url.rsplit(':').next().unwrap();
        assert!(detail.contains("OC-EGR-001") && detail.contains(&format!(":{port}")), "{detail}");
        assert!(detail.contains("--allow-private-egress"), "{detail}");
        assert_eq!(self.closed.seen().len(), 0);
        let refusals = self.refusals.0.lock().unwrap();
        assert!(refusals.last().is_some_and(|(_, target)| target.ends_with(port)), "{refusals:?}");
    }

    fn port(server: &Local) -> u16 {
        server.url.rsplit(':').next().unwrap().parse().unwrap()
    }
}

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: BTreeMap::new(),
        query: BTreeMap::new(),
        body: None,
        output: HttpOutput::Content,
        redirect: true,
        authentication: None,
    }
}

#[tokio::test]
async fn a_call_is_refused_by_address_and_by_name_and_recorded_for_its_task() {
    let world = World::start(|_| answer("1")).await;
    let origin = Origin::task(RunId(Uuid::from_u64_pair(0, 1)), TaskId(2));
    let port = World::port(&world.closed);
    assert_eq!(world.call(&get(&world.open.url)).await, Ok(json!(1)));
    for host in ["127.0.0.1", "localhost", "LOCALHOST.", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let outcome = origin.of(world.call(&get(&format!("http://{host}:{port}/?q=secret")))).await;
        assert!(!outcome.as_ref().unwrap_err().detail.as_ref().unwrap().contains("secret"));
        world.refused(outcome);
    }
    let refusals = world.refusals.0.lock().unwrap();
    assert!(refusals.len() == 6 && refusals.iter().all(|(of, _)| *of == origin), "{refusals:?}");
}

#[tokio::test]
async fn a_metadata_service_is_refused() {
    let world = World::start(|_| answer("1")).await;
    let error = world.call(&get("http://169.254.169.254/latest/meta-data/")).await.unwrap_err();
    let detail = error.detail.unwrap();
    assert!(error.status == 403 && detail.contains("metadata"), "{detail}");
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_the_call_itself_could_not_go() {
    for host in ["127.0.0.1", "localhost"] {
        let world = World::start(move |closed| {
            let there = closed.replace("127.0.0.1", host);
            (307, vec![("location", there)], String::new())
        })
        .await;
        let outcome = world.call(&get(&world.open.url)).await;
        assert_eq!(world.open.seen().len(), 1);
        world.refused(outcome);
    }
}

#[tokio::test]
async fn tokens_are_fetched_from_nowhere_else() {
    let world = World::start(|closed| answer(json!({ "token_endpoint": format!("{closed}/token") }))).await;
    let call = |authority: &str, endpoint: Option<&str>| {
        let grant = Oauth2 {
            authority: authority.into(),
            token_endpoint: endpoint.map(str::to_owned),
            client_id: Some("me".into()),
            client_secret: Some("pass".into()),
            client_authentication: "client_secret_post".into(),
            ..Oauth2::default()
        };
        HttpRequest { authentication: Some(Authentication::Oauth2(Box::new(grant))), ..get(&world.open.url) }
    };
    world.refused(world.call(&call(&world.closed.url, Some("/token"))).await);
    world.refused(world.call(&call(&world.closed.url, None)).await);
    world.refused(world.call(&call(&world.open.url, None)).await);
}

#[tokio::test]
async fn documents_and_the_servers_they_name_are_no_way_around() {
    const DOCUMENT: &str = r#"{ "openapi": "3.1.0", "servers": [ { "url": "THERE" } ],
        "paths": { "/x": { "get": { "operationId": "x" } } } }"#;
    let world = World::start(|closed| answer(DOCUMENT.replace("THERE", closed))).await;
    let effects = OpenApiEffects::new(world.http.clone());
    for document in [&world.closed.url, &world.open.url] {
        let request = OpenApiRequest {
            document: Resource { uri: document.clone(), authentication: None },
            operation: "x".into(),
            parameters: BTreeMap::new(),
            output: HttpOutput::Content,
            redirect: false,
            authentication: None,
        };
        let mut exposure = Exposure::nothing();
        let outcome = effects.perform(&request, None, "k", &mut exposure, CancellationToken::new()).await;
        world.refused(outcome);
    }
}

#[tokio::test]
async fn grpc_and_its_proto_files_are_no_way_around() {
    const PROTO: &str = "syntax = \"proto3\"; message M {} service S { rpc Do(M) returns (M); }";
    let world = World::start(|_| answer("1")).await;
    let effects = GrpcEffects::new(world.http.clone());
    for (host, recorded) in [("127.0.0.1", Some(PROTO)), ("localhost", Some(PROTO)), ("127.0.0.1", None)] {
        let request = GrpcRequest {
            proto: Resource { uri: world.closed.url.clone(), authentication: None },
            service: "S".into(),
            host: host.into(),
            port: World::port(&world.closed),
            method: "Do".into(),
            arguments: json!({}),
            authentication: None,
        };
        let mut exposure = Exposure::nothing();
        let outcome = effects.perform(&request, recorded, "k", &mut exposure, CancellationToken::new()).await;
        world.refused(outcome);
    }
}
