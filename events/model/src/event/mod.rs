//! Every event there is, by family. One file per family.

pub mod approval;
pub mod audit;
pub mod credential;
pub mod egress;
mod family;
pub mod policy;
pub mod published;
pub mod run;
pub mod schedule;
pub mod session;
pub mod token;
pub mod user;
pub mod vault;
pub mod webhook;
pub mod workflow;

use alloc::{string::String, vec::Vec};

pub use approval::ApprovalEvent;
pub use audit::AuditEvent;
pub use credential::CredentialEvent;
pub use egress::EgressEvent;
pub use policy::PolicyEvent;
pub use published::PublishedEvent;
pub use run::RunEvent;
pub use schedule::ScheduleEvent;
pub use session::SessionEvent;
pub use token::TokenEvent;
pub use user::UserEvent;
pub use vault::VaultEvent;
pub use webhook::WebhookEvent;
pub use workflow::WorkflowEvent;

/// Why stored data could not be read as an event. Code `OC-LOG-004` in the error pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// This program knows no such type; it was probably written by a newer one.
    #[error("unknown event type {event_type:?}")]
    UnknownType {
        /// The type that was read.
        event_type: String,
    },
    /// The schema is newer than this program, or an upcaster is missing.
    #[error("event {event_type} has schema {schema}, this program reads up to {newest}")]
    UnknownSchema {
        /// The type that was read.
        event_type: String,
        /// The schema that was read.
        schema: u16,
        /// The newest schema this program knows for the type.
        newest: u16,
    },
    /// The data does not have the shape of its type.
    #[error("data of event {event_type} (schema {schema}) cannot be read: {reason}")]
    Malformed {
        /// The type that was read.
        event_type: String,
        /// The schema that was read.
        schema: u16,
        /// What is wrong, with line and column.
        reason: String,
    },
}

/// What happened, typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// To a run.
    Run(RunEvent),
    /// To a session.
    Session(SessionEvent),
    /// To a workflow's versions.
    Workflow(WorkflowEvent),
    /// To a decision of people.
    Approval(ApprovalEvent),
    /// To a workflow's schedule.
    Schedule(ScheduleEvent),
    /// To a webhook.
    Webhook(WebhookEvent),
    /// To an event that somebody published.
    Published(PublishedEvent),
    /// To a token.
    Token(TokenEvent),
    /// To a user.
    User(UserEvent),
    /// To a credential.
    Credential(CredentialEvent),
    /// To the vault.
    Vault(VaultEvent),
    /// To a policy.
    Policy(PolicyEvent),
    /// To a connection to the outside.
    Egress(EgressEvent),
    /// To the server as a whole, for auditors.
    Audit(AuditEvent),
}

impl Event {
    /// Stable dotted type name.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Run(event) => event.event_type(),
            Self::Session(event) => event.event_type(),
            Self::Workflow(event) => event.event_type(),
            Self::Approval(event) => event.event_type(),
            Self::Schedule(event) => event.event_type(),
            Self::Webhook(event) => event.event_type(),
            Self::Published(event) => event.event_type(),
            Self::Token(event) => event.event_type(),
            Self::User(event) => event.event_type(),
            Self::Credential(event) => event.event_type(),
            Self::Vault(event) => event.event_type(),
            Self::Policy(event) => event.event_type(),
            Self::Egress(event) => event.event_type(),
            Self::Audit(event) => event.event_type(),
        }
    }

    /// Schema number that [`Event::encode`] writes.
    #[must_use]
    pub const fn schema(&self) -> u16 {
        match self {
            Self::Run(event) => event.schema(),
            Self::Session(event) => event.schema(),
            Self::Workflow(event) => event.schema(),
            Self::Approval(event) => event.schema(),
            Self::Schedule(event) => event.schema(),
            Self::Webhook(event) => event.schema(),
            Self::Published(event) => event.schema(),
            Self::Token(event) => event.schema(),
            Self::User(event) => event.schema(),
            Self::Credential(event) => event.schema(),
            Self::Vault(event) => event.schema(),
            Self::Policy(event) => event.schema(),
            Self::Egress(event) => event.schema(),
            Self::Audit(event) => event.schema(),
        }
    }

    /// The data as JSON text.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Run(event) => event.encode(),
            Self::Session(event) => event.encode(),
            Self::Workflow(event) => event.encode(),
            Self::Approval(event) => event.encode(),
            Self::Schedule(event) => event.encode(),
            Self::Webhook(event) => event.encode(),
            Self::Published(event) => event.encode(),
            Self::Token(event) => event.encode(),
            Self::User(event) => event.encode(),
            Self::Credential(event) => event.encode(),
            Self::Vault(event) => event.encode(),
            Self::Policy(event) => event.encode(),
            Self::Egress(event) => event.encode(),
            Self::Audit(event) => event.encode(),
        }
    }

    /// Reads data of a type and schema that [`Event::event_type`] and [`Event::schema`] once gave.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(event_type: &str, schema: u16, data: &[u8]) -> Result<Self, DecodeError> {
        let family = event_type.split('.').next().unwrap_or_default();
        match family {
            "run" => RunEvent::decode(event_type, schema, data).map(Self::Run),
            "session" => SessionEvent::decode(event_type, schema, data).map(Self::Session),
            "workflow" => WorkflowEvent::decode(event_type, schema, data).map(Self::Workflow),
            "approval" => ApprovalEvent::decode(event_type, schema, data).map(Self::Approval),
            "schedule" => ScheduleEvent::decode(event_type, schema, data).map(Self::Schedule),
            "webhook" => WebhookEvent::decode(event_type, schema, data).map(Self::Webhook),
            "event" => PublishedEvent::decode(event_type, schema, data).map(Self::Published),
            "token" => TokenEvent::decode(event_type, schema, data).map(Self::Token),
            "user" => UserEvent::decode(event_type, schema, data).map(Self::User),
            "credential" => CredentialEvent::decode(event_type, schema, data).map(Self::Credential),
            "vault" => VaultEvent::decode(event_type, schema, data).map(Self::Vault),
            "policy" => PolicyEvent::decode(event_type, schema, data).map(Self::Policy),
            "egress" => EgressEvent::decode(event_type, schema, data).map(Self::Egress),
            "audit" => AuditEvent::decode(event_type, schema, data).map(Self::Audit),
            _ => Err(DecodeError::UnknownType { event_type: event_type.into() }),
        }
    }
}

macro_rules! from_family {
    ($($family:ident => $variant:ident,)+) => {
        $(impl From<$family> for Event {
            fn from(event: $family) -> Self {
                Self::$variant(event)
            }
        })+
    };
}

from_family! {
    RunEvent => Run,
    SessionEvent => Session,
    WorkflowEvent => Workflow,
    ApprovalEvent => Approval,
    ScheduleEvent => Schedule,
    WebhookEvent => Webhook,
    PublishedEvent => Published,
    TokenEvent => Token,
    UserEvent => User,
    CredentialEvent => Credential,
    VaultEvent => Vault,
    PolicyEvent => Policy,
    EgressEvent => Egress,
    AuditEvent => Audit,
}
