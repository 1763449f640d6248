//! `approval.decide`.

use openclaw_core::approval::{Command, Person, State};
use openclaw_log::EventLog;
use openclaw_model::{Digest, Event, StreamId, event::approval::ApprovalEvent};
use serde_json::Value;

use super::{Service, answer};
use crate::{
    approvals,
    rpc::{
        Error,
        context::CallContext,
        methods::approval::{Decide, Decided},
    },
};

impl<L: EventLog> Service<L> {
    pub(super) async fn decide(&self, context: CallContext, params: Decide) -> Result<Decided, Error> {
        let stream = StreamId::approval(params.approval_id);
        if !self.reaches(&context, &stream).await? {
            return Err(self.absent(&context, &stream, &anything(params.digest).into()).await);
        }
        let answer = params.answer.unwrap_or_default();
        let accepted = match self.recall(&context).await? {
            Some(first) => first,
            None => {
                let by = self.decider(&context, &stream, params.by).await?;
                let state = approvals::fold(&*self.log, params.approval_id).await.map_err(answer::refused)?;
                // If something else is asked by the time that the decision is recorded, it is refused for its digest,
                // which covers the schema. So what is checked here is what counts.
                if state.request.as_ref().is_some_and(|request| request.digest == params.digest) {
                    check(&state, &params.choice, &answer)?;
                }
                self.not_the_asker(&by, &state).await?;
                let command = Command::Decide {
                    by,
                    digest: params.digest,
                    choice: params.choice,
                    answer,
                    comment: params.comment,
                };
                let run = state.task.map(|task| task.run.0);
                self.submit(&context, stream, command, run).await?
            }
        };
        let resolved = accepted.events.iter().find_map(|event| match event {
            Event::Approval(ApprovalEvent::Resolved(resolved)) => Some(resolved),
            _ => None,
        });
        Ok(Decided {
            approval_id: params.approval_id,
            resolved: resolved.is_some(),
            choice: resolved.and_then(|resolved| resolved.choice.clone()),
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }
}

/// A decision that an approval which does not exist refuses like any other.
fn anything(digest: Digest) -> Command {
    let by = Person::default();
    Command::Decide { by, digest, choice: String::new(), answer: Value::Null, comment: None }
}

/// Refuses an answer that does not satisfy the schema of the choice, and any where there is none to give.
fn check(state: &State, choice: &str, answer: &Value) -> Result<(), Error> {
    let Some(choice) = state.choice(choice) else { return Ok(()) };
    let Some(schema) = &choice.schema else {
        return if answer.is_null() {
            Ok(())
        } else {
            Err(Error::invalid("answer", format!("the choice {:?} takes none", choice.name)))
        };
    };
    let refused = |reason: String| Error::Rejected { code: "OC-APR-009".into(), reason };
    let validator = openclaw_workflow::definition::json_schema(schema).map_err(|error| {
        refused(format!("the schema of the choice {:?} cannot be used: {error}", choice.name))
    })?;
    match validator.0.iter_errors(answer).next() {
        None => Ok(()),
        Some(error) => {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
            Err(refused(format!("the answer does not fit the choice {:?}{place}: {error}", choice.name)))
        }
    }
}
