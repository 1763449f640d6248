//! `policy.replay`: what other rules would have said about recorded effects.
//!
//! The log is read once, in stretches. What has to be known of a run - which data had reached it - is folded as its
//! events come by; of a run that began earlier its stream is read up to there. Only a bounded number of runs is kept.

use std::{collections::BTreeMap, num::NonZeroUsize};

use futures_util::StreamExt;
use lru::LruCache;
use openclaw_core::run::{Labels, Reached};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, Position, Recorded, RunId, StreamId, StreamKind, Version,
    event::{
        RunEvent,
        run::{TaskStarted, Work, WorkflowRef},
    },
};
use openclaw_workflow::policy::{self, Policies};

use super::{Guard, Service, action, answer, candidate, reach};
use crate::{
    rpc::{
        Error,
        context::CallContext,
        methods::policy::{Change, Replay, Replayed},
    },
    sequencer::Refused,
};

/// Runs that are kept at a time.
const KEPT: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");
/// Events that are read for one answer.
const STRETCH: u64 = 50_000;

/// What is known of a run at a place of its history.
#[derive(Debug, Default)]
struct Trace {
    workflow: Option<WorkflowRef>,
    tags: BTreeMap<String, String>,
    reached: Reached,
    /// Whether its document lists secrets.
    secrets: bool,
    /// Its history up to here is that of another run, which decided then.
    copied: Version,
}

impl<L: EventLog> Service<L> {
    pub(in crate::service) async fn replay_policy(
        &self,
        context: CallContext,
        params: Replay,
    ) -> Result<Replayed, Error> {
        reach(&context, &params.namespace)?;
        let guard = self.guard()?;
        let policies = guard.policies.now().with(candidate(&params.namespace, params.document)?);
        let head = self.log.head().position;
        let to = params.to.map_or(head, |to| to.min(head));
        let mut traces: LruCache<RunId, Trace> = LruCache::new(KEPT);
        let mut replayed = Replayed { changes: Vec::new(), judged: 0, next: None };
        let from = params.from.max(Position(1));
        let mut history = self.log.read(from);
        while let Some(batch) = history.next().await {
            for recorded in batch.map_err(|error| answer::refused(error.into()))?.iter() {
                if recorded.position > to {
                    return Ok(replayed);
                }
                let far = recorded.position.0 - from.0 >= STRETCH;
                if far || replayed.changes.len() >= params.limit as usize {
                    replayed.next = Some(recorded.position);
                    return Ok(replayed);
                }
                self.take(&context, guard, &policies, recorded, &mut traces, &mut replayed).await?;
            }
        }
        Ok(replayed)
    }

    async fn take(
        &self,
        context: &CallContext,
        guard: &Guard,
        policies: &Policies,
        recorded: &Recorded,
        traces: &mut LruCache<RunId, Trace>,
        replayed: &mut Replayed,
    ) -> Result<(), Error> {
        let (StreamKind::Run, Some(run)) = (recorded.stream.kind(), recorded.stream.as_run()) else {
            return Ok(());
        };
        if !concerns(&recorded.event_type) {
            return Ok(());
        }
        let Event::Run(event) = decode(recorded)? else { return Ok(()) };
        if traces.get(&run).is_none() {
            let trace = self.trace(run, recorded.version).await?;
            traces.put(run, trace);
        }
        let trace = traces.get_mut(&run).expect("it was put there");
        if let RunEvent::TaskStarted(started) = &event
            && recorded.version > trace.copied
        {
            let reaches = trace.workflow.as_ref().is_some_and(|known| context.reaches(&known.namespace));
            if reaches {
                judge(guard, policies, recorded, run, started, trace, replayed);
            }
        }
        self.follow(trace, &event).await?;
        if matches!(event, RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_)) {
            traces.pop(&run);
        }
        Ok(())
    }

    /// What is known of `run` just before `version`.
    async fn trace(&self, run: RunId, version: Version) -> Result<Trace, Error> {
        let mut trace = Trace::default();
        let mut history = self.log.read_stream(&StreamId::run(run), Version(1));
        while let Some(batch) = history.next().await {
            for recorded in batch.map_err(|error| answer::refused(error.into()))?.iter() {
                if recorded.version >= version {
                    return Ok(trace);
                }
                if concerns(&recorded.event_type)
                    && let Event::Run(event) = decode(recorded)?
                {
                    self.follow(&mut trace, &event).await?;
                }
            }
        }
        Ok(trace)
    }

    async fn follow(&self, trace: &mut Trace, event: &RunEvent) -> Result<(), Error> {
        trace.reached.apply(event);
        // Those after the first are copied with the history of another run.
        if let (RunEvent::Started(data), None) = (event, &trace.workflow) {
            trace.workflow = Some(data.workflow.clone());
            trace.tags = data.labels.clone();
            trace.copied = data.fork.as_ref().map_or(Version::NONE, |fork| fork.at);
            let program =
                self.definitions.of_run(&data.workflow, data.definition.as_ref(), &data.resources).await;
            // One that cannot be read counts as holding secrets, which is the stricter guess.
            trace.secrets = program.map_or(true, |program| !program.definition().secrets.is_empty());
        }
        Ok(())
    }
}

/// Whether an event says anything about which data reached a run, or is an intent.
fn concerns(event_type: &str) -> bool {
    matches!(
        event_type,
        "run.started"
            | "run.task_started"
            | "run.task_completed"
            | "run.task_faulted"
            | "run.task_held"
            | "run.effect_permitted"
            | "run.effect_reconciled"
            | "run.data_labelled"
            | "run.event_consumed"
            | "run.completed"
            | "run.faulted"
            | "run.cancelled"
    )
}

fn decode(recorded: &Recorded) -> Result<Event, Error> {
    recorded.decode().map_err(|error| answer::refused(Refused::Unreadable(error.to_string())))
}

fn judge(
    guard: &Guard,
    policies: &Policies,
    recorded: &Recorded,
    run: RunId,
    started: &TaskStarted,
    trace: &Trace,
    replayed: &mut Replayed,
) {
    let (Work::Effect(intent), Some(workflow)) = (&started.work, &trace.workflow) else { return };
    // What was decided then had these labels; where nothing was, they are derived as they would have been.
    let labels = match intent.verdict.as_deref() {
        Some(verdict) => Labels::of_set(&verdict.labels),
        None if trace.secrets => trace.reached.labels().and(Labels::SECRET),
        None => trace.reached.labels(),
    };
    let Some(usage) = policy::Use::of(&intent.request, labels, workflow, &trace.tags) else { return };
    replayed.judged += 1;
    let new = policy::decide(policies, &usage, &*guard.evaluator, false);
    let new_action = new.as_ref().map_or_else(Default::default, |decision| decision.action);
    let old = intent.verdict.as_deref();
    let old_action = old.map_or_else(Default::default, |verdict| verdict.action);
    if new_action == old_action {
        return;
    }
    replayed.changes.push(Change {
        position: recorded.position,
        at: recorded.at,
        run_id: run,
        task: started.task,
        name: started.name.clone(),
        agent: usage.agent(),
        tool: usage.tool.to_owned(),
        labels: labels.to_set(),
        old: action(old_action),
        old_rule: old.and_then(|verdict| verdict.rule.clone()),
        new: action(new_action),
        new_policy: new.as_ref().map(|decision| decision.policy.namespace.to_string()),
        new_rule: new.and_then(|decision| decision.rule).map(|rule| rule.name.clone()),
    });
}
