//! Intents: what a task is about to do to the world.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ParentClose, SandboxRequest};
use crate::{
    RunId,
    event::{approval::ApprovalRequest, policy::Verdict},
};

/// How often an effect may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// It changes nothing.
    Pure,
    /// Doing it again leaves the world as doing it once does.
    Idempotent,
    /// The receiver honours the idempotency key.
    Keyed,
    /// The receiver can be asked what became of it.
    Queryable,
    /// It may not be repeated when its outcome is unknown.
    Irreversible,
}

impl EffectClass {
    /// Whether it may be tried again when its outcome is unknown.
    #[must_use]
    pub const fn may_repeat(self) -> bool {
        matches!(self, Self::Pure | Self::Idempotent | Self::Keyed)
    }
}

/// What a task is about to do to the world, with every expression already evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Idempotency key: the same for every retry and after every restart. Hexadecimal.
    pub key: String,
    /// How often it may happen.
    pub class: EffectClass,
    /// What it does.
    pub request: Request,
    /// How to ask what became of it, for [`EffectClass::Queryable`]: a request that succeeds with the outcome, or gives
    /// 404 when it did not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inquiry: Option<Box<HttpRequest>>,
    /// What the policies said about it; none while no policy counts for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Box<Verdict>>,
}

/// The kinds of effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// `call: http`.
    Http(HttpRequest),
    /// `call: openapi`.
    OpenApi(OpenApiRequest),
    /// `call: grpc`.
    Grpc(GrpcRequest),
    /// `run: shell` and `run: script`.
    Process(ProcessRequest),
    /// `run: container`.
    Container(ContainerRequest),
    /// `run: workflow`.
    Run(RunRequest),
    /// `call: approval`.
    Approval(ApprovalRequest),
    /// `call` of one of this server's own commands.
    Command(CommandRequest),
}

/// `call: http`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Upper case.
    pub method: String,
    /// Absolute, with the template expanded and without the query of `query`.
    pub url: String,
    /// Request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Query parameters that are added to the URL.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Body; JSON unless it is a string and a content type is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// What the task outputs.
    pub output: HttpOutput,
    /// Whether status codes 300 to 399 are no errors.
    pub redirect: bool,
    /// How the caller proves who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// How a caller proves who it is. Texts may hold handles of secrets, whose values are put in when the request is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case")]
pub enum Authentication {
    /// RFC 7617.
    Basic {
        /// Name.
        username: String,
        /// Password.
        password: String,
    },
    /// RFC 6750.
    Bearer {
        /// Token.
        token: String,
    },
    /// RFC 7616.
    Digest {
        /// Name.
        username: String,
        /// Password.
        password: String,
    },
    /// A token that is fetched first, from an OAuth2 server.
    Oauth2(Box<Oauth2>),
}

/// How to get a token (dsl-reference, "OAUTH2 Authentication" and "OpenIdConnect Authentication").
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Oauth2 {
    /// URI of the authority.
    pub authority: String,
    /// Path of the token endpoint under it; none if it is found by discovery (`oidc`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// Parameters of the token request except the credentials of the client: `grant_type`, `scope`, `audience` and
    /// what the grant needs.
    pub parameters: BTreeMap<String, String>,
    /// Client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// How the client proves who it is: `client_secret_basic`, `client_secret_post` or `none`.
    pub client_authentication: String,
    /// Whether the token request is JSON instead of a form.
    #[serde(default)]
    pub json: bool,
    /// Issuers of which one has to have issued the token; empty if any may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<String>,
}

/// A text outside the document: of a file, whose text is recorded with the definition, or of a web address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its URI.
    pub uri: String,
    /// How the caller proves who it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// `call: openapi`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenApiRequest {
    /// The OpenAPI document.
    pub document: Resource,
    /// Id of the operation.
    pub operation: String,
    /// Arguments by name of the parameter.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// What the task outputs.
    pub output: HttpOutput,
    /// Whether status codes 300 to 399 are no errors.
    pub redirect: bool,
    /// How the caller proves who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// `call: grpc`, unary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrpcRequest {
    /// The proto file.
    pub proto: Resource,
    /// Full name of the service.
    pub service: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Method.
    pub method: String,
    /// The message, in the JSON form of proto3.
    pub arguments: Value,
    /// How the caller proves who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// `run: container`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerRequest {
    /// The image.
    pub image: String,
    /// Name of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Command line that runs in it instead of the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Ports of the host by port of the container.
    #[serde(default)]
    pub ports: BTreeMap<String, Value>,
    /// Paths of the host by path in the container.
    #[serde(default)]
    pub volumes: BTreeMap<String, String>,
    /// Its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// `ifNotPresent`, `always` or `never`.
    pub pull_policy: String,
    /// How long it is kept after its end, in milliseconds; none for ever, zero not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_ms: Option<u64>,
    /// What the task outputs.
    pub returns: ProcessReturn,
    /// Whether the task waits for the end of the container.
    pub wait: bool,
}

/// What `call: http` outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpOutput {
    /// The body in base 64.
    Raw,
    /// The body, as JSON where it is JSON.
    #[default]
    Content,
    /// Request, status, headers and content.
    Response,
}

/// `run: shell` and `run: script`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessRequest {
    /// What runs.
    pub program: Program,
    /// Standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The whole environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What the task outputs.
    pub returns: ProcessReturn,
    /// Whether the task waits for the end of the process.
    pub wait: bool,
    /// What the task asks of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Box<SandboxRequest>>,
}

/// What a process runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Program {
    /// A command line for the shell.
    Shell {
        /// The command line.
        command: String,
    },
    /// A script.
    Script {
        /// Its language.
        language: ScriptLanguage,
        /// Its text.
        code: String,
    },
}

/// The script languages of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptLanguage {
    /// Run by Node.js.
    Javascript,
    /// Run by CPython.
    Python,
}

/// What `run: shell` and `run: script` output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessReturn {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
    /// The exit code.
    Code,
    /// All three.
    All,
    /// Nothing.
    None,
}

/// `run: workflow`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The child's id, chosen with the intent, so that starting it twice starts it once.
    pub run: RunId,
    /// Namespace of the workflow.
    pub namespace: String,
    /// Name of the workflow.
    pub name: String,
    /// Its version, or `latest`.
    pub version: String,
    /// The child's input.
    pub input: Value,
    /// Whether the task waits for the child's end.
    pub wait: bool,
    /// What becomes of the child when nobody waits for it any more.
    #[serde(default, skip_serializing_if = "ParentClose::is_default")]
    pub close: ParentClose,
    /// Labels of the data that had reached the parent: its input is made of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub data_labels: BTreeSet<String>,
}

/// A command of this server, as over JSON-RPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// For example `session.message`.
    pub method: String,
    /// Its parameters.
    pub params: Value,
}
