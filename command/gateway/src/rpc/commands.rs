//! What the transport hands its calls to.

use std::future::Future;

use super::{
    context::CallContext,
    error::Error,
    methods::{run, session, system, workflow},
};

/// Carries the methods out. The transport has checked the parameters against their types and [`Call::check`], found
/// the key and counted the call; everything about state is left to the implementation.
///
/// Invariant: the future of a call is never dropped half-way. A caller that goes away changes nothing.
///
/// [`Call::check`]: super::methods::Call::check
pub trait Commands: Send + Sync + 'static {
    /// `workflow.register`
    fn workflow_register(
        &self,
        context: CallContext,
        params: workflow::Register,
    ) -> impl Future<Output = Result<workflow::Registered, Error>> + Send;

    /// `workflow.validate`
    fn workflow_validate(
        &self,
        context: CallContext,
        params: workflow::Validate,
    ) -> impl Future<Output = Result<workflow::Validated, Error>> + Send;

    /// `workflow.retire`
    fn workflow_retire(
        &self,
        context: CallContext,
        params: workflow::Retire,
    ) -> impl Future<Output = Result<workflow::Retired, Error>> + Send;

    /// `run.start`
    fn run_start(
        &self,
        context: CallContext,
        params: run::Start,
    ) -> impl Future<Output = Result<run::Started, Error>> + Send;

    /// `run.cancel`
    fn run_cancel(
        &self,
        context: CallContext,
        params: run::Cancel,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `run.signal`
    fn run_signal(
        &self,
        context: CallContext,
        params: run::Signal,
    ) -> impl Future<Output = Result<run::Accepted, Error>> + Send;

    /// `session.create`
    fn session_create(
        &self,
        context: CallContext,
        params: session::Create,
    ) -> impl Future<Output = Result<session::Accepted, Error>> + Send;

    /// `session.message`
    fn session_message(
        &self,
        context: CallContext,
        params: session::Message,
    ) -> impl Future<Output = Result<session::MessageAdded, Error>> + Send;

    /// `session.set_state`
    fn session_set_state(
        &self,
        context: CallContext,
        params: session::SetState,
    ) -> impl Future<Output = Result<session::Accepted, Error>> + Send;

    /// `session.end`
    fn session_end(
        &self,
        context: CallContext,
        params: session::End,
    ) -> impl Future<Output = Result<session::Accepted, Error>> + Send;

    /// `system.health`
    fn system_health(
        &self,
        context: CallContext,
        params: system::Health,
    ) -> impl Future<Output = Result<system::HealthReport, Error>> + Send;

    /// `system.version`
    fn system_version(
        &self,
        context: CallContext,
        params: system::Version,
    ) -> impl Future<Output = Result<system::VersionReport, Error>> + Send;
}
