//! The transport over a fake behind it: what it lets through, and what it answers for itself.

mod conformance;
mod discover;
mod door;
mod events;
mod hostile;
mod over_http;
mod over_websocket;
mod scopes;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router, body::Body};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use openclaw_model::{Actor, Digest, Position, SessionId, Version, access::Grants};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::{
    methods::{
        approval, control, credential, event, fork, policy, run, schedule, session, system, token, user,
        vault, webhook, workflow,
    },
    *,
};

/// Answers at once, but for the calls that a test asks to panic, to wait or to be large.
struct Fake {
    calls: Mutex<Vec<CallContext>>,
    finished: AtomicUsize,
    /// `session.set_state` waits for a permit of it.
    gate: Semaphore,
}

impl Fake {
    fn new() -> Arc<Self> {
        Arc::new(Self { calls: Mutex::default(), finished: AtomicUsize::new(0), gate: Semaphore::new(0) })
    }

    fn note(&self, context: CallContext) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(context);
    }

    fn calls(&self) -> Vec<CallContext> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn finished(&self, count: usize) {
        while self.finished.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }
}

fn accepted(session_id: SessionId) -> session::Accepted {
    session::Accepted { session_id, position: Position(7), stream_version: Version(3) }
}

impl Commands for Fake {
    async fn workflow_register(
        &self,
        context: CallContext,
        _: workflow::Register,
    ) -> Result<workflow::Registered, Error> {
        self.note(context);
        Ok(workflow::Registered {
            namespace: "n".into(),
            name: "m".into(),
            version: "1.0.0".into(),
            digest: Digest([1; 32]),
            position: Position(7),
            stream_version: Version(3),
        })
    }

    async fn workflow_validate(
        &self,
        _: CallContext,
        _: workflow::Validate,
    ) -> Result<workflow::Validated, Error> {
        Ok(workflow::Validated { valid: true, problems: Vec::new(), warnings: Vec::new() })
    }

    async fn workflow_retire(&self, _: CallContext, _: workflow::Retire) -> Result<workflow::Retired, Error> {
        Err(Error::Conflict { actual: Version(9) })
    }

    async fn run_start(&self, _: CallContext, params: run::Start) -> Result<run::Started, Error> {
        Err(Error::NotFound { what: "workflow", id: params.workflow.map(|it| it.name).unwrap_or_default() })
    }

    async fn run_cancel(&self, _: CallContext, _: run::Cancel) -> Result<run::Accepted, Error> {
        Err(Error::Rejected { code: "OC-RUN-001".into(), reason: "the run has ended".into() })
    }

    async fn run_signal(&self, _: CallContext, _: run::Signal) -> Result<run::Accepted, Error> {
        Err(Error::ReadOnly { reason: "disk full".into() })
    }

    async fn run_kill(&self, _: CallContext, _: control::Kill) -> Result<run::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn run_pause(&self, _: CallContext, _: control::Pause) -> Result<run::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn run_resume(&self, _: CallContext, _: control::Resume) -> Result<run::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn run_retry(&self, _: CallContext, _: control::Retry) -> Result<run::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn run_fork(&self, _: CallContext, _: fork::Fork) -> Result<fork::Forked, Error> {
        Err(Error::Stopping)
    }

    async fn effect_reconcile(&self, _: CallContext, _: control::Reconcile) -> Result<run::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn approval_decide(&self, _: CallContext, _: approval::Decide) -> Result<approval::Decided, Error> {
        Err(Error::Stopping)
    }

    async fn schedule_pause(&self, _: CallContext, _: schedule::Pause) -> Result<schedule::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn schedule_resume(
        &self,
        _: CallContext,
        _: schedule::Resume,
    ) -> Result<schedule::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn webhook_register(
        &self,
        _: CallContext,
        _: webhook::Register,
    ) -> Result<webhook::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn webhook_remove(&self, _: CallContext, _: webhook::Remove) -> Result<webhook::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn webhook_redrive(&self, _: CallContext, _: webhook::Redrive) -> Result<webhook::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn webhook_drop(&self, _: CallContext, _: webhook::Drop) -> Result<webhook::Accepted, Error> {
        Err(Error::Stopping)
    }

    async fn policy_set(&self, _: CallContext, _: policy::Set) -> Result<policy::Accepted, Error> {
        Ok(<policy::Set as methods::Call>::example().1)
    }

    async fn policy_remove(&self, _: CallContext, _: policy::Remove) -> Result<policy::Accepted, Error> {
        Ok(<policy::Remove as methods::Call>::example().1)
    }

    async fn policy_get(&self, _: CallContext, _: policy::Get) -> Result<policy::InForce, Error> {
        Ok(<policy::Get as methods::Call>::example().1)
    }

    async fn policy_test(&self, _: CallContext, _: policy::Test) -> Result<policy::Tested, Error> {
        Ok(<policy::Test as methods::Call>::example().1)
    }

    async fn policy_replay(&self, _: CallContext, _: policy::Replay) -> Result<policy::Replayed, Error> {
        Ok(<policy::Replay as methods::Call>::example().1)
    }

    async fn event_publish(
        &self,
        context: CallContext,
        params: event::Publish,
    ) -> Result<event::Published, Error> {
        self.note(context);
        let text = |name: &str| params.event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("id") == "taken" {
            return Err(Error::Rejected {
                code: "OC-EVT-001".into(),
                reason: "another event has this id".into(),
            });
        }
        let (id, source) = (text("id"), text("source"));
        Ok(event::Published { id, source, position: Position(7), stream_version: Version(1) })
    }

    async fn session_create(
        &self,
        context: CallContext,
        params: session::Create,
    ) -> Result<session::Accepted, Error> {
        self.note(context);
        Ok(accepted(params.session_id.unwrap_or_else(|| SessionId::new("made").expect("a session id"))))
    }

    async fn session_message(
        &self,
        context: CallContext,
        params: session::Message,
    ) -> Result<session::MessageAdded, Error> {
        self.note(context);
        let message_id = if params.content == "large" {
            "x".repeat(3_000)
        } else {
            params.content.chars().rev().collect()
        };
        Ok(session::MessageAdded {
            message_id,
            session_id: params.session_id,
            position: Position(7),
            stream_version: Version(3),
        })
    }

    async fn session_set_state(
        &self,
        context: CallContext,
        params: session::SetState,
    ) -> Result<session::Accepted, Error> {
        self.note(context);
        self.gate.acquire().await.expect("the gate is never closed").forget();
        self.finished.fetch_add(1, Ordering::SeqCst);
        Ok(accepted(params.session_id))
    }

    async fn session_end(&self, _: CallContext, _: session::End) -> Result<session::Accepted, Error> {
        panic!("as the test wants")
    }

    async fn token_issue(&self, _: CallContext, _: token::Issue) -> Result<token::Issued, Error> {
        Ok(<token::Issue as methods::Call>::example().1)
    }

    async fn token_revoke(&self, _: CallContext, _: token::Revoke) -> Result<token::Accepted, Error> {
        Ok(<token::Revoke as methods::Call>::example().1)
    }

    async fn token_list(&self, _: CallContext, _: token::List) -> Result<token::Listed, Error> {
        Ok(<token::List as methods::Call>::example().1)
    }

    async fn user_add(&self, _: CallContext, _: user::Add) -> Result<user::Accepted, Error> {
        Ok(<user::Add as methods::Call>::example().1)
    }

    async fn user_change(&self, _: CallContext, _: user::Change) -> Result<user::Accepted, Error> {
        Ok(<user::Change as methods::Call>::example().1)
    }

    async fn user_set_password(&self, _: CallContext, _: user::SetPassword) -> Result<user::Accepted, Error> {
        Ok(<user::SetPassword as methods::Call>::example().1)
    }

    async fn user_remove(&self, _: CallContext, _: user::Remove) -> Result<user::Accepted, Error> {
        Ok(<user::Remove as methods::Call>::example().1)
    }

    async fn user_list(&self, _: CallContext, _: user::List) -> Result<user::Listed, Error> {
        Ok(<user::List as methods::Call>::example().1)
    }

    async fn credential_set(&self, _: CallContext, _: credential::Set) -> Result<credential::Stored, Error> {
        Ok(<credential::Set as methods::Call>::example().1)
    }

    async fn credential_rotate(
        &self,
        _: CallContext,
        _: credential::Rotate,
    ) -> Result<credential::Stored, Error> {
        Ok(<credential::Rotate as methods::Call>::example().1)
    }

    async fn credential_delete(
        &self,
        _: CallContext,
        _: credential::Delete,
    ) -> Result<credential::Deleted, Error> {
        Ok(<credential::Delete as methods::Call>::example().1)
    }

    async fn credential_list(
        &self,
        _: CallContext,
        _: credential::List,
    ) -> Result<credential::Listed, Error> {
        Ok(<credential::List as methods::Call>::example().1)
    }

    async fn vault_status(&self, _: CallContext, _: vault::Status) -> Result<vault::Standing, Error> {
        Ok(<vault::Status as methods::Call>::example().1)
    }

    async fn vault_init(&self, _: CallContext, _: vault::Init) -> Result<vault::Made, Error> {
        Ok(<vault::Init as methods::Call>::example().1)
    }

    async fn vault_unseal(&self, _: CallContext, _: vault::Unseal) -> Result<vault::Standing, Error> {
        Ok(<vault::Unseal as methods::Call>::example().1)
    }

    async fn vault_seal(&self, _: CallContext, _: vault::Seal) -> Result<vault::Standing, Error> {
        Ok(<vault::Seal as methods::Call>::example().1)
    }

    async fn vault_rotate_key(&self, _: CallContext, _: vault::RotateKey) -> Result<vault::Made, Error> {
        Ok(<vault::RotateKey as methods::Call>::example().1)
    }

    async fn vault_change_passphrase(
        &self,
        _: CallContext,
        _: vault::ChangePassphrase,
    ) -> Result<vault::Recorded, Error> {
        Ok(<vault::ChangePassphrase as methods::Call>::example().1)
    }

    async fn vault_new_recovery_key(
        &self,
        _: CallContext,
        _: vault::NewRecoveryKey,
    ) -> Result<vault::Made, Error> {
        Ok(<vault::NewRecoveryKey as methods::Call>::example().1)
    }

    async fn vault_export(&self, _: CallContext, _: vault::Export) -> Result<vault::Copy, Error> {
        Ok(<vault::Export as methods::Call>::example().1)
    }

    async fn vault_import(&self, _: CallContext, _: vault::Import) -> Result<vault::Imported, Error> {
        Ok(<vault::Import as methods::Call>::example().1)
    }

    async fn system_health(&self, _: CallContext, _: system::Health) -> Result<system::HealthReport, Error> {
        Ok(<system::Health as methods::Call>::example().1)
    }

    async fn system_version(
        &self,
        _: CallContext,
        _: system::Version,
    ) -> Result<system::VersionReport, Error> {
        Ok(system::VersionReport { name: "openclaw".into(), version: "0".into(), dsl: "1.0.1".into() })
    }
}

/// Small, so that the bounds are met quickly.
fn limits() -> Limits {
    Limits {
        body_bytes: 64 << 10,
        response_bytes: 2_000,
        in_flight: 8,
        socket_in_flight: 4,
        socket_write: Duration::from_secs(5),
        ..Limits::default()
    }
}

fn caller() -> Caller {
    Caller { actor: Actor("token:test".into()), grants: Arc::new(Grants::all()), person: None }
}

fn authenticated(rpc: &Rpc) -> Router {
    rpc.router().layer(Extension(caller()))
}

/// One POST with a JSON body, straight into the router.
async fn post(router: &Router, body: impl Into<Body>) -> (StatusCode, String) {
    post_with(router, &[], body).await
}

async fn post_with(router: &Router, headers: &[(&str, &str)], body: impl Into<Body>) -> (StatusCode, String) {
    let mut request = Request::post("/rpc").header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response =
        router.clone().oneshot(request.body(body.into()).expect("a request")).await.expect("infallible");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body in memory").to_bytes();
    (status, String::from_utf8(body.into()).expect("answers are UTF-8"))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A served router on a real socket, for WebSockets.
struct Served {
    address: std::net::SocketAddr,
    _tasks: tokio::task::JoinSet<()>,
}

impl Served {
    async fn new(rpc: &Rpc) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let router = authenticated(rpc);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { address, _tasks: tasks }
    }

    async fn connect(&self) -> Socket {
        let url = format!("ws://{}/rpc", self.address);
        tokio_tungstenite::connect_async(url).await.expect("the handshake is accepted").0
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

fn call(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}
