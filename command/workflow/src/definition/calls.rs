//! The typed form of calls beyond HTTP, and of authentication.

use openclaw_model::event::{
    approval::Deciders,
    run::{EffectClass, HttpOutput, ProcessReturn},
};

use super::model::Duration;
use crate::expression::Template;

/// How a call proves who it is. Texts may hold handles of secrets.
#[derive(Debug)]
pub enum AuthenticationTemplate {
    /// `basic`.
    Basic {
        /// Name.
        username: Template,
        /// Password.
        password: Template,
    },
    /// `bearer`.
    Bearer {
        /// Token.
        token: Template,
    },
    /// `digest`.
    Digest {
        /// Name.
        username: Template,
        /// Password.
        password: Template,
    },
    /// `oauth2` and `oidc`: an object with the properties of the specification, rendered as a whole.
    Oauth2 {
        /// The properties.
        properties: Template,
        /// Whether the token endpoint is found by discovery.
        oidc: bool,
    },
    /// Any scheme whose properties are those of a secret.
    Secret {
        /// `basic`, `bearer`, `digest`, `oauth2` or `oidc`.
        scheme: String,
        /// Name of the secret.
        name: String,
    },
}

/// A text outside the document.
#[derive(Debug)]
pub struct ResourceTemplate {
    /// Its URI, or a URI template.
    pub uri: Template,
    /// How the caller proves who it is there.
    pub authentication: Option<AuthenticationTemplate>,
}

/// `call: openapi`.
#[derive(Debug)]
pub struct OpenApiCall {
    /// The document.
    pub document: ResourceTemplate,
    /// Id of the operation.
    pub operation: Template,
    /// Arguments, an object.
    pub parameters: Option<Template>,
    /// What it outputs.
    pub output: HttpOutput,
    /// Whether 300 to 399 are no errors.
    pub redirect: bool,
    /// How it proves who it is.
    pub authentication: Option<AuthenticationTemplate>,
    /// Declared by `metadata.effect`, else keyed.
    pub class: Option<EffectClass>,
}

/// `call: grpc`.
#[derive(Debug)]
pub struct GrpcCall {
    /// The proto file.
    pub proto: ResourceTemplate,
    /// Full name of the service.
    pub service: Template,
    /// Host.
    pub host: Template,
    /// Port.
    pub port: Option<Template>,
    /// Method.
    pub method: Template,
    /// The message, an object.
    pub arguments: Option<Template>,
    /// How it proves who it is.
    pub authentication: Option<AuthenticationTemplate>,
    /// Declared by `metadata.effect`, else keyed.
    pub class: Option<EffectClass>,
}

/// `call: approval`.
#[derive(Debug)]
pub struct ApprovalCall {
    /// What is asked, in a line.
    pub title: Template,
    /// What the deciders should know.
    pub details: Option<Template>,
    /// What exactly is decided about.
    pub subject: Option<Template>,
    /// What may be chosen: names with title and schema.
    pub choices: Vec<ChoiceTemplate>,
    /// People by name, an array.
    pub assignees: Option<Template>,
    /// People by role, an array.
    pub roles: Option<Template>,
    /// How many have to choose the same.
    pub quorum: u32,
    /// When the time is over, and what then.
    pub deadline: Option<DeadlineTemplate>,
}

/// Something that may be chosen.
#[derive(Debug)]
pub struct ChoiceTemplate {
    /// Its name.
    pub name: String,
    /// What people see.
    pub title: Option<String>,
    /// JSON Schema of the answer.
    pub schema: Option<serde_json::Value>,
}

/// The end of the time to decide.
#[derive(Debug)]
pub struct DeadlineTemplate {
    /// After this long.
    pub after: Duration,
    /// What then.
    pub outcome: OutcomeTemplate,
}

/// What happens when nobody decided in time.
#[derive(Debug)]
pub enum OutcomeTemplate {
    /// It is denied.
    Deny,
    /// This counts as chosen.
    Default {
        /// Name of the choice.
        choice: String,
        /// Its answer.
        answer: Option<Template>,
    },
    /// Others are asked.
    Escalate {
        /// Who.
        to: Deciders,
        /// How long they have; as long as the first if none.
        after: Option<Duration>,
    },
}

/// `run: container`.
#[derive(Debug)]
pub struct Container {
    /// The image.
    pub image: Template,
    /// Name of the container.
    pub name: Option<Template>,
    /// Command line.
    pub command: Option<Template>,
    /// Ports, an object.
    pub ports: Option<Template>,
    /// Volumes, an object.
    pub volumes: Option<Template>,
    /// Environment, an object.
    pub environment: Option<Template>,
    /// Standard input.
    pub stdin: Option<Template>,
    /// Arguments, an array.
    pub arguments: Option<Template>,
    /// `ifNotPresent`, `always` or `never`.
    pub pull_policy: String,
    /// How long it is kept after its end.
    pub keep: Keep,
    /// What it outputs.
    pub returns: ProcessReturn,
    /// Whether the task waits for its end.
    pub wait: bool,
    /// Declared by `metadata.effect`, else keyed: a container carries the effect's key, so that it is found again.
    pub class: Option<EffectClass>,
}

/// How long a container is kept after its end.
#[derive(Debug)]
pub enum Keep {
    /// Not at all (`always` cleaned up).
    Not,
    /// This long (`eventually`).
    For(Duration),
    /// For ever (`never` cleaned up).
    Forever,
}
