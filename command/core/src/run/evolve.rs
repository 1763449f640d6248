//! Folding events into the state of a run. Total: a recorded event always applies.

use alloc::{boxed::Box, sync::Arc, vec};

use openclaw_model::{
    TaskId, Timestamp, Version,
    event::{
        policy::Action,
        run::{
            EventConsumed, Flow, Origin, Resolution, RunEvent, RunRetried, TaskHeld, TaskKind, TaskSkipped,
            TaskStarted, Work, WorkflowError,
        },
    },
};
use serde_json::Value;

use super::state::{
    Again, BeforeFault, Cancel, End, Ended, Listening, Paused, Phase, Scope, Signal, State, Task,
};

impl State {
    /// Folds an event in.
    pub(super) fn apply(&mut self, event: &RunEvent, version: Version, at: Timestamp) {
        self.version = version;
        self.reached.apply(event);
        match event {
            RunEvent::Started(data) => {
                self.workflow = Some(data.workflow.clone());
                self.definition = data.definition.clone().map(Arc::new);
                self.resources = Arc::new(data.resources.clone());
                self.raw_input = Arc::new(data.input.clone());
                self.started_at = at;
                self.parent = data.parent;
                self.concurrency = data.concurrency.clone();
                self.not_before = data.not_before;
                self.fork = data.fork.clone();
                self.tags = Arc::new(data.labels.clone());
            }
            RunEvent::Running(data) => {
                self.input = Some(Arc::new(data.input.clone()));
                self.deadline = data.deadline;
            }
            RunEvent::TaskStarted(data) => self.start(data, at),
            RunEvent::TaskSkipped(data) => self.skip(data, at),
            RunEvent::TaskCompleted(data) => {
                if let Some(context) = &data.context {
                    self.context = Arc::new(context.clone());
                }
                self.close(data.task, Ok((Arc::new(data.output.clone()), data.then.clone())));
            }
            RunEvent::TaskFaulted(data) => {
                self.remember(data.task, data.raw_output.as_ref(), at);
                self.close(data.task, Err(Some(data.error.clone())));
            }
            RunEvent::TaskCancelled(data) => self.close(data.task, Err(None)),
            RunEvent::TaskRetried(data) => {
                self.before_fault = None;
                if let Some(task) = self.tasks.get_mut(&data.task) {
                    task.phase = Phase::BackingOff { attempt: data.attempt, due: data.due };
                    task.scope = Scope::default();
                }
            }
            RunEvent::ErrorCaught(data) => {
                self.before_fault = None;
                if let Some(task) = self.tasks.get_mut(&data.task) {
                    task.phase = Phase::Catching { error: Arc::new(data.error.clone()) };
                    task.scope = Scope::default();
                }
            }
            RunEvent::EffectRedispatched(data) => {
                if let Some(Phase::Effect { dispatch, unknown, .. }) = self.phase_mut(data.task) {
                    *dispatch = data.dispatch;
                    *unknown = false;
                }
            }
            RunEvent::EffectPermitted(data) => {
                if let Some(Phase::Effect { dispatch, .. }) = self.phase_mut(data.task) {
                    *dispatch = 1;
                }
            }
            RunEvent::EffectJudged(data) => {
                if let Some(Phase::Effect { intent, .. }) = self.phase_mut(data.task) {
                    Arc::make_mut(intent).verdict = Some(data.verdict.clone());
                }
            }
            RunEvent::DataLabelled(_) => {}
            RunEvent::EffectUnknown(data) => {
                if let Some(Phase::Effect { unknown, .. }) = self.phase_mut(data.task) {
                    *unknown = true;
                }
            }
            RunEvent::EffectReconciled(data) => self.reconcile(data.task, &data.resolution, at),
            RunEvent::TaskHeld(data) => self.hold(data),
            RunEvent::Retried(data) => self.retry(data, at),
            RunEvent::EventEmitted(_) => {}
            RunEvent::EventConsumed(data) => self.consume(data),
            RunEvent::ItemCompleted(data) => {
                if let Some(context) = &data.context {
                    self.context = Arc::new(context.clone());
                }
                if let Some(Phase::Listening(listening)) = self.phase_mut(data.task) {
                    listening.outputs.push(Arc::new(data.output.clone()));
                }
            }
            RunEvent::Signalled(data) => self.signals.push(Signal {
                version,
                name: data.name.clone(),
                data: Arc::new(data.data.clone()),
                at,
            }),
            RunEvent::Paused(data) => self.paused = Some(Paused { since: at, reason: data.reason.clone() }),
            RunEvent::Resumed(_) => {
                if let Some(paused) = self.paused.take() {
                    self.shift_deadlines(at.millis_since(paused.since));
                }
            }
            RunEvent::Forked(data) => {
                // A fork of a fork copies the end of the first copy along with everything else.
                if self.fork.as_ref().is_some_and(|fork| fork.at < version) {
                    self.fork = None;
                }
                if let Some(context) = &data.context {
                    self.context = Arc::new(context.clone());
                }
                self.shift_deadlines(data.shift_ms);
                self.shift_timers(data.shift_ms);
            }
            RunEvent::CancelRequested(data) => {
                let earlier = self.cancel.take().and_then(|cancel| cancel.reason);
                self.cancel = Some(Cancel { reason: data.reason.clone().or(earlier), kill: data.kill });
            }
            RunEvent::Completed(data) => self.finish(End::Completed(Arc::new(data.output.clone()))),
            RunEvent::Faulted(data) => self.finish(End::Faulted(data.error.clone())),
            RunEvent::Cancelled(data) => self.finish(End::Cancelled(data.reason.clone())),
        }
    }

    /// Keeps how the run is before the error of `task` goes up, unless it is an error that is going up already.
    fn remember(&mut self, task: TaskId, raw_output: Option<&Value>, at: Timestamp) {
        if self.before_fault.is_none() {
            let (root, tasks) = (self.root.clone(), self.tasks.clone());
            let raw_output = raw_output.cloned().map(Arc::new);
            self.before_fault = Some(Box::new(BeforeFault { task, at, raw_output, root, tasks }));
        }
    }

    fn hold(&mut self, data: &TaskHeld) {
        self.before_fault = None;
        let Some(task) = self.tasks.get_mut(&data.task) else { return };
        let before = match &data.raw_output {
            Some(output) => Phase::Answered { outcome: Ok(Arc::new(output.clone())) },
            None => task.phase.clone(),
        };
        task.phase = Phase::Held { error: Arc::new(data.error.clone()), before: Box::new(before) };
        task.scope.fault = None;
    }

    /// Puts failed tasks back: those that are held, or that which faulted the run.
    fn retry(&mut self, data: &RunRetried, at: Timestamp) {
        if matches!(self.end, Some(End::Faulted(_)))
            && let Some(before) = self.before_fault.take()
        {
            self.end = None;
            (self.root, self.tasks) = (before.root, before.tasks);
            self.shift_deadlines(at.millis_since(before.at));
            if let (Some(output), Some(phase)) = (before.raw_output, self.phase_mut(before.task)) {
                *phase = Phase::Answered { outcome: Ok(output) };
            }
        }
        for id in &data.tasks {
            self.put_back(*id, at);
        }
    }

    /// Lets a failed task go on where it stood if what it did so far is worth keeping, else lets it start anew.
    fn put_back(&mut self, id: TaskId, at: Timestamp) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let parent = task.parent;
        if let Phase::Held { before, .. } = &task.phase {
            task.phase = (**before).clone();
        }
        if task.keeps_its_place() {
            // With all of its time, which may be what it ran out of.
            task.allow_all_its_time(at);
            if let Phase::Branches { outputs, started, .. } = &mut task.phase {
                // Its branches were stopped with it; those without an output start anew.
                *started = outputs.iter().map(Option::is_some).collect();
            }
        } else {
            let reference = task.reference.clone();
            if let Some((Phase::Branches { started, .. }, index)) = self.branch_of(parent, &reference)
                && let Some(started) = started.get_mut(index)
            {
                *started = false;
            }
            self.close(id, Err(None));
        }
        self.restart_attempts(Some(id), at);
        self.restart_attempts(parent, at);
    }

    /// Gives the attempts that a task belongs to all of their time again.
    fn restart_attempts(&mut self, task: Option<TaskId>, at: Timestamp) {
        let mut next = task;
        while let Some(task) = next.and_then(|id| self.tasks.get_mut(&id)) {
            if let Phase::Trying { since, .. } = &mut task.phase {
                *since = at;
            }
            next = task.parent;
        }
    }

    fn reconcile(&mut self, id: TaskId, resolution: &Resolution, at: Timestamp) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        match resolution {
            Resolution::NotDone => {
                if let Phase::Effect { dispatch, unknown, .. } = &mut task.phase {
                    *dispatch += 1;
                    *unknown = false;
                }
                task.allow_all_its_time(at);
            }
            Resolution::Succeeded { output } => {
                task.phase = Phase::Answered { outcome: Ok(Arc::new(output.clone())) };
            }
            Resolution::Failed { error } => {
                task.phase = Phase::Answered { outcome: Err(Arc::new(error.clone())) };
            }
        }
    }

    fn consume(&mut self, data: &EventConsumed) {
        if let Origin::Signal { version } = data.origin {
            self.signals.retain(|signal| signal.version != version);
        }
        let Some(Phase::Listening(listening)) = self.phase_mut(data.task) else { return };
        listening.passed.insert(data.filter);
        listening.keys.extend(data.keys.iter().map(|(name, value)| (name.clone(), value.clone())));
        if !data.until {
            listening.events.push(Arc::new(data.event.clone()));
        }
        listening.complete |= data.last;
    }

    /// Moves all time limits on.
    fn shift_deadlines(&mut self, millis: u64) {
        if let Some(limit) = &mut self.deadline {
            *limit = limit.plus_millis(millis);
        }
        for task in self.tasks.values_mut() {
            if let Some(limit) = &mut task.deadline {
                *limit = limit.plus_millis(millis);
            }
            // The limit of an attempt is counted from here.
            if let Phase::Trying { since, .. } = &mut task.phase {
                *since = since.plus_millis(millis);
            }
        }
    }

    /// Moves all pauses on.
    fn shift_timers(&mut self, millis: u64) {
        for task in self.tasks.values_mut() {
            if let Phase::Timer { due } | Phase::BackingOff { due, .. } = &mut task.phase {
                *due = due.plus_millis(millis);
            }
        }
    }

    fn phase_mut(&mut self, task: TaskId) -> Option<&mut Phase> {
        self.tasks.get_mut(&task).map(|task| &mut task.phase)
    }

    /// A child of `parent` begins: the task above moves on to its branch, iteration or attempt.
    fn begin_round(
        &mut self,
        parent: Option<TaskId>,
        reference: &str,
        iteration: Option<u32>,
        attempt: u32,
        at: Timestamp,
    ) {
        if let Some((Phase::Branches { started, .. }, index)) = self.branch_of(parent, reference) {
            if let Some(started) = started.get_mut(index) {
                *started = true;
            }
            return;
        }
        let Some(task) = parent.and_then(|id| self.tasks.get_mut(&id)) else { return };
        match &mut task.phase {
            Phase::Loop { index, .. } if *index != iteration => {
                *index = iteration;
                // The next iteration begins with the first task again; its input was the output of the last.
                task.scope = Scope::default();
            }
            Phase::Listening(listening) if listening.index != iteration => {
                listening.index = iteration;
                task.scope = Scope::default();
            }
            Phase::BackingOff { attempt: due_attempt, .. } if *due_attempt == attempt => {
                task.phase = Phase::Trying { attempt, since: at };
            }
            _ => {}
        }
    }

    fn start(&mut self, data: &TaskStarted, at: Timestamp) {
        let path = self.path_of(data.parent, &data.name, data.iteration);
        self.begin_round(data.parent, &data.reference, data.iteration, data.attempt, at);
        self.last_task = self.last_task.max(data.task.0);
        if let Some(scope) = self.scope_mut(data.parent) {
            scope.again = None;
            scope.open += 1;
            *scope.visits.entry(data.name.clone()).or_default() += 1;
        }
        let input = Arc::new(data.input.clone());
        let phase = match &data.work {
            Work::Steps if data.kind == TaskKind::Try => Phase::Trying { attempt: 1, since: at },
            Work::Steps => Phase::Steps,
            Work::Loop { items } => Phase::Loop { items: items.clone().into(), index: None },
            Work::Branches { count, compete } => Phase::Branches {
                compete: *compete,
                outputs: vec![None; *count as usize],
                started: vec![false; *count as usize],
            },
            Work::Timer { due } => Phase::Timer { due: *due },
            Work::Listen { interests } => {
                Phase::Listening(Box::new(Listening { interests: interests.clone(), ..Listening::default() }))
            }
            Work::Effect(intent) => {
                // What people are asked about first has not been dispatched.
                let asks = intent.verdict.as_ref().is_some_and(|verdict| verdict.action == Action::Ask);
                Phase::Effect { intent: Arc::new(intent.clone()), dispatch: u32::from(!asks), unknown: false }
            }
        };
        let task = Task {
            parent: data.parent,
            name: data.name.clone(),
            reference: data.reference.clone(),
            kind: data.kind,
            path,
            raw_input: data.raw_input.clone().map_or_else(|| input.clone(), Arc::new),
            input,
            started_at: at,
            deadline: data.deadline,
            phase,
            scope: Scope::default(),
        };
        self.tasks.insert(data.task, task);
    }

    fn skip(&mut self, data: &TaskSkipped, at: Timestamp) {
        self.begin_round(data.parent, &data.reference, data.iteration, data.attempt, at);
        self.last_task = self.last_task.max(data.task.0);
        if let Some(scope) = self.scope_mut(data.parent) {
            scope.again = None;
        }
        let output = Arc::new(data.output.clone());
        self.record(data.parent, &data.name, &data.reference, output, Flow::Continue);
    }

    /// Closes an open task: with an output, with an error, or without either when it was cancelled.
    fn close(&mut self, id: TaskId, outcome: Result<(Arc<Value>, Flow), Option<WorkflowError>>) {
        let Some(task) = self.tasks.remove(&id) else { return };
        if let Some(scope) = self.scope_mut(task.parent) {
            scope.open = scope.open.saturating_sub(1);
        }
        match outcome {
            Ok((output, then)) => self.record(task.parent, &task.name, &task.reference, output, then),
            Err(error) => {
                let Some(scope) = self.scope_mut(task.parent) else { return };
                // The same round again, so that its effects keep their keys.
                if let Some(visits) = scope.visits.get_mut(&task.name) {
                    *visits = visits.saturating_sub(1);
                }
                scope.again = Some(Again { reference: task.reference, raw_input: task.raw_input });
                if let Some(error) = error {
                    // The first error of a scope is the one that is handled.
                    scope.fault.get_or_insert(error);
                }
            }
        }
    }

    /// The phase of the `fork` that is `parent`, if it is one, and which of its branches has this reference.
    fn branch_of(&mut self, parent: Option<TaskId>, reference: &str) -> Option<(&mut Phase, usize)> {
        let fork = self.tasks.get_mut(&parent?)?;
        let branch = reference.strip_prefix(fork.reference.as_str())?.strip_prefix("/fork/branches/")?;
        let index = branch.split('/').next()?.parse().ok()?;
        matches!(fork.phase, Phase::Branches { .. }).then_some((&mut fork.phase, index))
    }

    /// Notes in the scope of `parent` that a child ended well.
    fn record(
        &mut self,
        parent: Option<TaskId>,
        name: &str,
        reference: &str,
        output: Arc<Value>,
        then: Flow,
    ) {
        if let Some((Phase::Branches { outputs, .. }, index)) = self.branch_of(parent, reference)
            && let Some(slot) = outputs.get_mut(index)
        {
            *slot = Some(output.clone());
        }
        if let Some(scope) = self.scope_mut(parent) {
            scope.last = Some(Ended { name: name.into(), reference: reference.into(), output, then });
        }
    }

    fn finish(&mut self, end: End) {
        self.tasks.clear();
        self.root = Scope::default();
        self.end = Some(end);
    }
}
