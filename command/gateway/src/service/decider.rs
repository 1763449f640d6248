//! In whose name an approval is decided.

use futures_util::StreamExt;
use openclaw_core::approval::{Person, State};
use openclaw_log::EventLog;
use openclaw_model::{Actor, Event, RunId, StreamId, Version, access::Need, event::run::RunEvent};

use super::{Service, answer};
use crate::{
    rpc::{Commands, Error, context::CallContext, methods::approval},
    sequencer::Refused,
};

/// Runs above a run that are looked at for whoever started the first of them.
const GENERATIONS: usize = 64;

impl<L: EventLog> Service<L> {
    /// Who decides: a person who logged in as themself; a token as itself, or as whom it names if it may vouch for
    /// people.
    pub(super) async fn decider(
        &self,
        context: &CallContext,
        stream: &StreamId,
        by: Option<approval::Person>,
    ) -> Result<Person, Error> {
        let caller = &context.caller;
        let own = match &caller.person {
            Some(person) => {
                Person { name: person.name.clone(), roles: person.roles.iter().cloned().collect() }
            }
            None => Person { name: caller.actor.0.clone().into_owned(), roles: Vec::new() },
        };
        let Some(by) = by else { return Ok(own) };
        let given = Person { name: by.name, roles: by.roles.into_iter().collect() };
        if given.name == own.name && given.roles.iter().all(|role| own.roles.contains(role)) {
            return Ok(own);
        }
        // Somebody who logged in speaks for nobody else, whatever they may do; a token only where it may vouch.
        let vouching = CallContext { need: Need::Vouch, ..context.clone() };
        if caller.person.is_none()
            && caller.grants.allow_somewhere(Need::Vouch)
            && self.reaches(&vouching, stream).await?
        {
            return Ok(given);
        }
        self.denied(caller, "approval.decide", Need::Vouch);
        Err(Error::Forbidden { needs: Need::Vouch.to_string() })
    }

    /// Refuses whoever started the run that asks: nobody approves what they asked for, unless the workflow names them.
    pub(super) async fn not_the_asker(&self, decider: &Person, state: &State) -> Result<(), Error> {
        let Some(task) = state.task else { return Ok(()) };
        if state.deciders.assignees.contains(&decider.name) {
            return Ok(());
        }
        let asker = self.asker(task.run).await.map_err(answer::refused)?;
        let is_asker = asker.is_some_and(|asker| {
            asker.0 == decider.name || asker.0.strip_prefix("user:").is_some_and(|user| user == decider.name)
        });
        if !is_asker {
            return Ok(());
        }
        Err(Error::Rejected {
            code: "OC-ACC-004".into(),
            reason: format!("{:?} has started the run, and is not named among its assignees", decider.name),
        })
    }

    /// Who started the run, or the first of the runs that led to it; none where that cannot be said.
    async fn asker(&self, mut run: RunId) -> Result<Option<Actor>, Refused> {
        for _ in 0..GENERATIONS {
            let mut history = self.log.read_stream(&StreamId::run(run), Version(1));
            let Some(batch) = history.next().await else { return Ok(None) };
            let batch = batch?;
            let Some(first) = batch.iter().next() else { return Ok(None) };
            let event = first.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
            match event {
                Event::Run(RunEvent::Started(started)) => match started.parent {
                    Some(parent) => run = parent.run,
                    None => return Ok(Some(first.actor.clone())),
                },
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}
