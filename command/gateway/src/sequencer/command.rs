//! All commands and all rejections, by family.

use openclaw_core::{
    approval, credential, journal, policy, published, run, schedule, session, token, user, webhook, workflow,
};

/// A command for a stream of its family.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// For a run.
    Run(run::Command),
    /// For a session.
    Session(session::Command),
    /// For a workflow.
    Workflow(workflow::Command),
    /// For an event that somebody publishes.
    Published(published::Command),
    /// For a decision of people.
    Approval(approval::Command),
    /// For a receiver of events outside.
    Webhook(webhook::Command),
    /// For the schedule of a workflow.
    Schedule(schedule::Command),
    /// For a token.
    Token(token::Command),
    /// For a user.
    User(user::Command),
    /// For a credential.
    Credential(credential::Command),
    /// For a policy.
    Policy(policy::Command),
    /// For a stream that only records.
    Journal(journal::Command),
}

macro_rules! from_family {
    ($($family:ident => $variant:ident,)+) => {
        $(impl From<$family::Command> for Command {
            fn from(command: $family::Command) -> Self {
                Self::$variant(command)
            }
        })+
    };
}

from_family! {
    run => Run,
    session => Session,
    workflow => Workflow,
    published => Published,
    approval => Approval,
    webhook => Webhook,
    schedule => Schedule,
    token => Token,
    user => User,
    credential => Credential,
    policy => Policy,
    journal => Journal,
}

/// Why the state of a stream does not allow a command.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// A run's.
    #[error(transparent)]
    Run(#[from] run::Rejection),
    /// A session's.
    #[error(transparent)]
    Session(#[from] session::Rejection),
    /// A workflow's.
    #[error(transparent)]
    Workflow(#[from] workflow::Rejection),
    /// A published event's.
    #[error(transparent)]
    Published(#[from] published::Rejection),
    /// An approval's.
    #[error(transparent)]
    Approval(#[from] approval::Rejection),
    /// A webhook's.
    #[error(transparent)]
    Webhook(#[from] webhook::Rejection),
    /// A schedule's.
    #[error(transparent)]
    Schedule(#[from] schedule::Rejection),
    /// A token's.
    #[error(transparent)]
    Token(#[from] token::Rejection),
    /// A user's.
    #[error(transparent)]
    User(#[from] user::Rejection),
    /// A credential's.
    #[error(transparent)]
    Credential(#[from] credential::Rejection),
    /// A policy's.
    #[error(transparent)]
    Policy(#[from] policy::Rejection),
    /// There is as much of it in the namespace as there may be. `OC-NSP-001`.
    #[error("the namespace {namespace:?} has {most} {what}, which is its limit")]
    NoRoom {
        /// Of what, in words.
        what: &'static str,
        /// Where.
        namespace: String,
        /// How much there may be.
        most: u64,
    },
    /// The command belongs to another kind of stream. `OC-CMD-005`.
    #[error("the command does not belong to this kind of stream")]
    WrongStream,
}

impl Rejection {
    /// The code of the error page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Run(rejection) => rejection.code(),
            Self::Session(rejection) => rejection.code(),
            Self::Workflow(rejection) => rejection.code(),
            Self::Published(rejection) => rejection.code(),
            Self::Approval(rejection) => rejection.code(),
            Self::Webhook(rejection) => rejection.code(),
            Self::Schedule(rejection) => rejection.code(),
            Self::Token(rejection) => rejection.code(),
            Self::User(rejection) => rejection.code(),
            Self::Credential(rejection) => rejection.code(),
            Self::Policy(rejection) => rejection.code(),
            Self::NoRoom { .. } => "OC-NSP-001",
            Self::WrongStream => "OC-CMD-005",
        }
    }
}
