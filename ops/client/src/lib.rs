//! Typed client of an openclaw server: commands over JSON-RPC, queries and subscriptions over GraphQL.
//!
//! ```no_run
//! # async fn example() -> Result<(), openclaw_client::Error> {
//! use openclaw_client::{Client, StartRun, WorkflowRef};
//!
//! let client = Client::new("http://127.0.0.1:7710", "token from DIR/token")?;
//! let run = client
//!     .start_run(&StartRun {
//!         workflow: Some(WorkflowRef::latest("examples", "greet")),
//!         wait: Some("10s".into()),
//!         ..StartRun::default()
//!     }, Some("order-17"))
//!     .await?;
//! println!("{} is {:?}", run.run_id, run.status);
//! # Ok(())
//! # }
//! ```
//!
//! Invariant: a command is sent a second time only if it carries an idempotency key.

mod call;
mod control;
mod error;
mod graphql;
mod methods;
mod subscribe;
mod tls;

pub use call::{Client, Download};
pub use control::{
    DeadLetters, Decide, Decided, EffectOutcome, ForkAt, ForkRun, ForkedRun, HaltRun, Person, PublishEvent,
    PublishedEvent, ReconcileEffect, Recorded, RegisterWebhook, RemoveWebhook, ResumeRun, RetryRun,
    ScheduleName,
};
pub use error::{Error, GraphqlError, RpcError};
pub use methods::{
    Accepted, Attachment, CancelRun, Concurrency, CreateSession, EndSession, Finding, Health, MessageAdded,
    Problem, RegisterWorkflow, Registered, RetireWorkflow, Retired, Run, RunAccepted, SendMessage, SetState,
    SignalRun, StartRun, Status, ValidateWorkflow, Validated, Version, WorkflowRef,
};
pub use subscribe::Updates;
