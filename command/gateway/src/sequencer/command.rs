//! All commands and all rejections, by family.

use openclaw_core::{approval, published, run, schedule, session, webhook, workflow};

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
}

impl From<schedule::Command> for Command {
    fn from(command: schedule::Command) -> Self {
        Self::Schedule(command)
    }
}

impl From<approval::Command> for Command {
    fn from(command: approval::Command) -> Self {
        Self::Approval(command)
    }
}

impl From<webhook::Command> for Command {
    fn from(command: webhook::Command) -> Self {
        Self::Webhook(command)
    }
}

impl From<run::Command> for Command {
    fn from(command: run::Command) -> Self {
        Self::Run(command)
    }
}

impl From<session::Command> for Command {
    fn from(command: session::Command) -> Self {
        Self::Session(command)
    }
}

impl From<workflow::Command> for Command {
    fn from(command: workflow::Command) -> Self {
        Self::Workflow(command)
    }
}

impl From<published::Command> for Command {
    fn from(command: published::Command) -> Self {
        Self::Published(command)
    }
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
            Self::WrongStream => "OC-CMD-005",
        }
    }
}
