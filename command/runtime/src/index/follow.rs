//! Folding events into the index.

use std::sync::Arc;

use openclaw_core::run::Phase;
use openclaw_gateway::{
    runs::{self, Folded},
    sequencer::{Commit, Refused},
};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, Position, Recorded, RunId, StreamId, StreamKind, TaskId, Timestamp, Version,
    event::{
        PolicyEvent, PublishedEvent, RunEvent, WorkflowEvent,
        run::{Concurrency, Intent, Origin, RunStarted, Work},
    },
    namespace::{self, Home},
};

use super::{
    OpenRuns, Owed, Wake,
    run::{Listening, More, OpenRun, Own, Parked},
};

/// Where an event stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) version: Version,
    pub(super) at: Timestamp,
}

/// Whether people are asked about an effect first.
fn asks(intent: &Intent) -> bool {
    intent.verdict.as_ref().is_some_and(|verdict| verdict.ask.is_some())
}

/// The bound on runs of a key, which counts within a namespace.
fn within(namespace: &str, bound: Option<&Concurrency>) -> Option<Concurrency> {
    bound.map(|bound| Concurrency { key: namespace::qualify(namespace, &bound.key), limit: bound.limit })
}

/// Whether a stored `run.task_started` is worth reading: only few kinds of work concern the index.
fn concerns(data: &[u8]) -> bool {
    const KEY: &[u8] = b"\"type\":\"";
    const KINDS: [&[u8]; 3] = [b"listen\"", b"run\"", b"approval\""];
    const ASKS: &[u8] = b"\"action\":\"ask\"";
    if data.windows(ASKS.len()).any(|window| window == ASKS) {
        return true;
    }
    let keys = data.windows(KEY.len()).enumerate().filter(|(_, window)| *window == KEY);
    keys.map(|(at, _)| &data[at + KEY.len()..]).any(|kind| KINDS.iter().any(|known| kind.starts_with(known)))
}

impl OpenRuns {
    /// Folds a recorded event in.
    pub(super) async fn read<L: EventLog>(&mut self, log: &L, recorded: &Recorded) -> Result<(), Refused> {
        let place = Place { position: recorded.position, version: recorded.version, at: recorded.at };
        let needed = self.derived.listeners.want_lifecycle()
            || match &*recorded.event_type {
                "run.task_started" => concerns(&recorded.data),
                "run.task_completed" | "run.task_faulted" | "run.task_cancelled" => recorded
                    .stream
                    .as_run()
                    .and_then(|run| self.run(run))
                    .is_some_and(|open| open.more.is_some()),
                "run.task_skipped"
                | "run.task_retried"
                | "run.error_caught"
                | "run.item_completed"
                | "run.effect_redispatched"
                | "run.effect_unknown"
                | "run.task_held" => false,
                kind => !kind.starts_with("session.") && !kind.starts_with("webhook."),
            };
        if needed {
            let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
            self.apply(log, &recorded.stream, &event, place).await
        } else {
            self.pass(&recorded.stream, place);
            Ok(())
        }
    }

    /// Folds the durable events of one command in.
    ///
    /// # Errors
    /// When the log has to be read, because a run goes on from an earlier state, and cannot be.
    pub(crate) async fn follow<L: EventLog>(&mut self, log: &L, commit: &Commit) -> Result<(), Refused> {
        let count = commit.events.len() as u64;
        for (event, ahead) in commit.events.iter().zip((0..count).rev()) {
            let place = Place {
                position: Position(commit.position.0 - ahead),
                version: Version(commit.version.0 - ahead),
                at: commit.at,
            };
            self.apply(log, &commit.stream, event, place).await?;
        }
        Ok(())
    }

    /// Notes that the stream has grown.
    fn pass(&mut self, stream: &StreamId, place: Place) {
        self.known.position = place.position;
        if stream.kind() == StreamKind::Run
            && let Some(run) = stream.as_run()
            && let Some(open) = self.known.runs.get_mut(&run)
        {
            open.version = place.version;
        }
    }

    async fn apply<L: EventLog>(
        &mut self,
        log: &L,
        stream: &StreamId,
        event: &Event,
        place: Place,
    ) -> Result<(), Refused> {
        self.pass(stream, place);
        match event {
            Event::Run(event) => {
                if let Some(run) = stream.as_run() {
                    self.run_event(log, run, event, place).await?;
                }
            }
            Event::Approval(event) => self.approval_event(stream, event),
            Event::Schedule(event) => {
                let name = stream.name().to_owned();
                let runs = &self.known.runs;
                let scheduled = self.known.schedules.entry(name.clone()).or_default();
                let owed =
                    scheduled.follow(&name, event, place.position, place.at, |run| runs.contains_key(&run));
                owed.into_iter().for_each(|owed| self.owe(owed));
                self.wakes.push(Wake::Schedule(name));
            }
            Event::Workflow(WorkflowEvent::Registered(_) | WorkflowEvent::Retired(_)) => {
                if let (Home::Namespace(name), Version(1)) = (stream.home(), place.version) {
                    *self.known.workflows.entry(name).or_default() += 1;
                }
                self.owe(Owed::Settle { workflow: stream.name().to_owned() });
            }
            Event::Published(_) => {}
            Event::Policy(PolicyEvent::Changed(_)) => {
                self.known.policies.insert(stream.name().to_owned());
            }
            Event::Policy(PolicyEvent::Removed(_)) => {
                self.known.policies.remove(stream.name());
            }
            Event::Session(_)
            | Event::Webhook(_)
            | Event::Token(_)
            | Event::User(_)
            | Event::Credential(_)
            | Event::Vault(_)
            | Event::Egress(_)
            | Event::Audit(_) => {}
        }
        if let Event::Published(PublishedEvent::Published(published)) = event
            && let Home::Namespace(namespace) = stream.home()
        {
            self.publish(place.position, 0, &Arc::new(published.event.clone()), &namespace, None);
        }
        Ok(())
    }

    async fn run_event<L: EventLog>(
        &mut self,
        log: &L,
        run: RunId,
        event: &RunEvent,
        place: Place,
    ) -> Result<(), Refused> {
        let copying = self.run(run).and_then(|open| open.more.as_ref()).and_then(|more| more.copying);
        if copying.is_some_and(|until| place.version > Version(1) && place.version <= until) {
            // What happened to the other run; the end of the copy is where this one begins.
            return Ok(());
        }
        match event {
            RunEvent::Started(data) => self.started(run, data, place),
            RunEvent::Running(_) => {
                if let Some(open) = self.known.runs.get_mut(&run) {
                    open.begun = true;
                    self.derived.admission.note(run, open);
                }
            }
            RunEvent::TaskStarted(data) => match &data.work {
                Work::Listen { interests } => {
                    let listening = Listening {
                        since: place.position,
                        newest: Position::START,
                        interests: self.derived.interests.shared(interests),
                    };
                    self.listen(run, data.task, listening);
                }
                Work::Effect(intent) => {
                    if let Some(own) = Own::of(intent) {
                        self.depend(run, data.task, own);
                    }
                    if asks(intent)
                        && let Some(own) = Own::of_request(&intent.request)
                        && let Some(open) = self.known.runs.get_mut(&run)
                    {
                        open.more_mut().permitted.insert(data.task, own);
                    }
                }
                _ => {}
            },
            RunEvent::EffectPermitted(data) => {
                // The question is answered; from here on the task may wait for a child.
                let open = self.known.runs.get_mut(&run);
                let next = open.and_then(|open| open.more.as_deref_mut()?.permitted.remove(&data.task));
                self.task_gone(run, data.task, false);
                if let Some(own) = next {
                    self.depend(run, data.task, own);
                }
            }
            RunEvent::TaskCompleted(data) => self.task_gone(run, data.task, false),
            RunEvent::TaskFaulted(data) => self.task_gone(run, data.task, true),
            RunEvent::TaskCancelled(data) => self.task_gone(run, data.task, true),
            RunEvent::EventConsumed(data) => {
                if let Origin::Log { position } = data.origin {
                    self.consumed(run, data.task, position);
                }
            }
            RunEvent::EventEmitted(data) => {
                if let Some(open) = self.run(run) {
                    let namespace = self.known.namespaces.name(open.namespace);
                    self.publish(place.position, 0, &Arc::new(data.event.clone()), &namespace, None);
                }
            }
            RunEvent::CancelRequested(data) => {
                self.known.owed.remove(&Owed::Close { run, kill: false });
                if data.kill {
                    self.known.owed.remove(&Owed::Close { run, kill: true });
                }
                self.mark(run, |more| more.cancelled = true);
                self.wake(run, Wake::Look(run));
            }
            RunEvent::Paused(_) => {
                self.mark(run, |more| more.paused = true);
                self.wake(run, Wake::Look(run));
            }
            RunEvent::Resumed(_) => {
                self.mark(run, |more| more.paused = false);
                self.wake(run, Wake::Look(run));
                self.admit_like(run);
            }
            RunEvent::Signalled(_) | RunEvent::EffectReconciled(_) => self.wake(run, Wake::Look(run)),
            RunEvent::Retried(_) if self.known.runs.contains_key(&run) => self.wake(run, Wake::Look(run)),
            RunEvent::Retried(_) => {
                let folded = runs::fold(log, run).await?;
                self.reopen(run, &folded, place);
                self.wakes.push(Wake::Recover(run));
            }
            RunEvent::Forked(_) => {
                let folded = runs::fold(log, run).await?;
                self.reopen(run, &folded, place);
                // What could not be asked of a run that is being copied is asked now.
                let of_run = |owed: &&Owed| matches!(owed, Owed::Close { run: other, .. } if *other == run);
                self.wakes.extend(self.known.owed.iter().filter(of_run).cloned().map(Wake::Owe));
            }
            RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_) => {
                self.lifecycle(log, run, event, place).await?;
                self.ended(run, place.at);
                return Ok(());
            }
            _ => {}
        }
        self.lifecycle(log, run, event, place).await
    }

    fn started(&mut self, run: RunId, data: &RunStarted, place: Place) {
        let later = data.not_before.filter(|at| *at > place.at);
        let more = More {
            parent: data.parent,
            schedule: data.trigger.as_ref().map(|trigger| trigger.schedule.clone()),
            concurrency: within(&data.workflow.namespace, data.concurrency.as_ref()),
            priority: data.priority,
            since: if data.concurrency.is_some() { place.position } else { Position::START },
            not_before: later,
            copying: data.fork.as_ref().map(|fork| fork.at),
            ..More::default()
        };
        let mut open = OpenRun {
            version: place.version,
            begun: false,
            namespace: self.known.namespaces.number(&data.workflow.namespace),
            parked: later.map(|due| Parked { version: place.version, due: Some(due) }),
            more: Some(Box::new(more)),
        };
        open.shrink();
        self.derive_run(run, &open);
        self.known.runs.insert(run, open);
        if let Some(trigger) = &data.trigger {
            self.known.owed.remove(&Owed::Start {
                schedule: trigger.schedule.clone(),
                run,
                due: trigger.due,
            });
        }
        if let Some(parent) = data.parent
            && !self.is_owner(parent.run, parent.task)
            && let Some(owed) = Owed::close(run, parent.close)
        {
            // It was started after its parent had given it up.
            self.owe(owed);
        }
        self.wakes.push(match (&data.concurrency, later) {
            (_, Some(_)) => Wake::Due(run),
            (Some(bound), None) if data.fork.is_none() => {
                Wake::Admit(namespace::qualify(&data.workflow.namespace, &bound.key))
            }
            _ => Wake::Begin(run),
        });
    }

    fn is_owner(&self, run: RunId, task: TaskId) -> bool {
        self.run(run).and_then(|open| open.more.as_ref()).is_some_and(|more| more.own.get(&task).is_some())
    }

    /// A run goes on from an earlier state: after a retry, or at the end of a copy.
    fn reopen(&mut self, run: RunId, folded: &Folded, place: Place) {
        let state = &folded.state;
        let namespace = self.known.namespaces.number(&folded.namespace);
        let before = self.known.runs.remove(&run);
        if let Some(before) = &before {
            self.underive(run, before);
        }
        let old = before.and_then(|before| before.more);
        let mut more = More {
            parent: state.parent,
            schedule: old.as_ref().and_then(|old| old.schedule.clone()),
            concurrency: within(&folded.namespace, state.concurrency.as_ref()),
            priority: old.as_ref().map_or(0, |old| old.priority),
            since: place.position,
            not_before: state.not_before.filter(|_| state.input.is_none()),
            cancelled: state.cancel.is_some(),
            paused: state.paused.is_some(),
            ..More::default()
        };
        for (task, open) in &state.tasks {
            match &open.phase {
                Phase::Listening(listening) if !listening.complete => {
                    let listening = Listening {
                        since: place.position,
                        newest: Position::START,
                        interests: self.derived.interests.shared(&listening.interests),
                    };
                    more.listening.insert(*task, listening);
                }
                Phase::Effect { intent, dispatch, .. } => {
                    let asked = *dispatch == 0;
                    let own = if asked { Own::of(intent) } else { Own::of_request(&intent.request) };
                    if asked && let Some(own) = Own::of_request(&intent.request) {
                        more.permitted.insert(*task, own);
                    }
                    if let Some(own) = own {
                        if let Own::Approval { approval } = own {
                            // It is asked for again.
                            self.known.owed.retain(|owed| !owed.voids(approval));
                        }
                        more.own.insert(*task, own);
                    }
                }
                _ => {}
            }
        }
        let mut open = OpenRun {
            version: place.version,
            begun: state.input.is_some(),
            namespace,
            parked: None,
            more: Some(Box::new(more)),
        };
        open.shrink();
        self.derive_run(run, &open);
        self.known.runs.insert(run, open);
    }

    pub(super) fn underive(&mut self, run: RunId, open: &OpenRun) {
        if let Some(key) = self.derived.admission.forget(run, open) {
            self.wakes.push(Wake::Admit(key));
        }
        let Some(more) = &open.more else { return };
        if let Some(parent) = more.parent
            && let Some(children) = self.derived.children.get_mut(&parent.run)
        {
            children.remove(&run);
            if children.is_empty() {
                self.derived.children.remove(&parent.run);
            }
        }
        for (task, listening) in more.listening.iter() {
            self.derived.listeners.remove((run, *task), &listening.interests);
        }
        for (task, own) in more.own.iter() {
            self.forget_awaited(run, *task, own);
        }
    }

    pub(super) fn forget_awaited(&mut self, run: RunId, task: TaskId, own: &Own) {
        let Some(awaited) = own.awaits() else { return };
        if let Some(waiting) = self.derived.awaited.get_mut(&awaited) {
            waiting.remove(&(run, task));
            if waiting.is_empty() {
                self.derived.awaited.remove(&awaited);
            }
        }
    }

    fn listen(&mut self, run: RunId, task: TaskId, listening: Listening) {
        let Some(open) = self.known.runs.get_mut(&run) else { return };
        self.derived.listeners.add((run, task), &listening.interests);
        open.more_mut().listening.insert(task, listening);
    }

    fn mark(&mut self, run: RunId, mark: impl FnOnce(&mut More)) {
        if let Some(open) = self.known.runs.get_mut(&run) {
            mark(open.more_mut());
            open.shrink();
        }
    }

    fn admit_like(&mut self, run: RunId) {
        let key = self.run(run).and_then(|open| open.more.as_ref()?.concurrency.as_ref());
        if let Some(key) = key.map(|bound| bound.key.clone()) {
            self.wakes.push(Wake::Admit(key));
        }
    }
}
