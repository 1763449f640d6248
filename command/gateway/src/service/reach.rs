//! What a caller reaches. Whatever is in another namespace does not exist for the caller: a command about it is answered
//! as the sequencer would answer one about nothing, down to the expected version and the idempotency key.

use openclaw_log::{EventLog, Health};
use openclaw_model::{StreamId, access::Namespaces, namespace};
use uuid::Uuid;

use super::{Service, answer, expected};
use crate::{
    homes::{Homes, Whereabouts},
    rpc::{Error, context::CallContext},
    sequencer::{self, Accepted, Command},
};

impl<L: EventLog> Service<L> {
    /// Where things are.
    #[must_use]
    pub const fn homes(&self) -> &Homes<L> {
        &self.homes
    }

    /// Whether the caller may do this to the thing whose stream this is. To what is not there everybody may: that it is
    /// not there is the answer.
    pub(super) async fn reaches(&self, context: &CallContext, stream: &StreamId) -> Result<bool, Error> {
        // Most callers reach everything; for them nothing is looked up.
        let Namespaces::Only(some) = context.caller.grants.namespaces(context.need) else { return Ok(true) };
        Ok(match self.homes.of(stream).await.map_err(answer::refused)? {
            Whereabouts::In(namespace) => some.contains(&*namespace),
            Whereabouts::Nowhere => false,
            Whereabouts::Missing => true,
        })
    }

    /// Submits a command about something that exists already, if the caller reaches it.
    pub(super) async fn submit_to(
        &self,
        context: &CallContext,
        stream: StreamId,
        command: impl Into<Command>,
        correlation: Option<Uuid>,
    ) -> Result<Accepted, Error> {
        let command = command.into();
        if self.reaches(context, &stream).await? {
            self.submit(context, stream, command, correlation).await
        } else {
            Err(self.absent(context, &stream, &command).await)
        }
    }

    /// The answer to a command about something that is not there.
    pub(super) async fn absent(&self, context: &CallContext, stream: &StreamId, command: &Command) -> Error {
        if let Health::ReadOnly(reason) = self.sequencer.health() {
            return Error::ReadOnly { reason: reason.to_string() };
        }
        if let Err(error) = self.recall(context).await {
            return error;
        }
        answer::refused(sequencer::absent(stream.kind(), expected(context), command))
    }
}

/// Refuses to make something in a namespace that the caller does not reach. The answer is the same whatever is there.
///
/// # Errors
/// [`Error::Forbidden`].
pub(super) fn admit(context: &CallContext, namespace: &str) -> Result<(), Error> {
    if context.reaches(namespace) {
        return Ok(());
    }
    Err(Error::Forbidden { needs: format!("{}@{namespace}", context.need) })
}

/// The namespace of something that is made without saying where: the only one that the caller reaches, or else the
/// default.
pub(super) fn usual(context: &CallContext) -> String {
    match context.caller.grants.namespaces(context.need) {
        Namespaces::Only(some) if some.len() == 1 => some.into_iter().next().unwrap_or_default(),
        _ => namespace::DEFAULT.to_owned(),
    }
}

/// The whole name of something that the caller calls `name`, and its namespace: the one in front of the name, the one
/// that is given beside it, or [`usual`].
///
/// # Errors
/// [`Error::InvalidParams`] when the two differ.
pub(super) fn whole(
    context: &CallContext,
    given: Option<String>,
    name: &str,
) -> Result<(String, String), Error> {
    match (namespace::split(name), given) {
        ((Some(own), _), Some(given)) if own != given => {
            Err(Error::invalid("namespace", "is not the one that stands before the name"))
        }
        ((Some(own), _), _) => Ok((own.to_owned(), name.to_owned())),
        ((None, _), given) => {
            let namespace = given.unwrap_or_else(|| usual(context));
            let whole = namespace::qualify(&namespace, name);
            Ok((namespace, whole))
        }
    }
}
