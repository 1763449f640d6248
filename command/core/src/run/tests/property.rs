//! Random histories, as far as the decider lets them through. Histories that the stepper makes are in its own tests.

use alloc::{collections::BTreeSet, format, vec::Vec};

use openclaw_model::event::run::{EffectRedispatched, RunFaulted, TaskCancelled, TaskFaulted, TaskHeld};
use proptest::prelude::*;

use super::*;

/// What may happen next, about the task or effect of this number among those there are.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Start,
    Complete(usize),
    Cancel(usize),
    Hold(usize),
    Unknown(usize),
    Redispatch(usize),
    Reconcile(usize),
    Retry(usize),
    Fault(usize),
    RetryAll,
    Pause,
    Resume,
    Stop,
}

fn turn() -> impl Strategy<Value = Turn> {
    let which = 0usize..8;
    prop_oneof![
        6 => Just(Turn::Start),
        3 => which.clone().prop_map(Turn::Complete),
        2 => which.clone().prop_map(Turn::Cancel),
        2 => which.clone().prop_map(Turn::Hold),
        2 => which.clone().prop_map(Turn::Unknown),
        1 => which.clone().prop_map(Turn::Redispatch),
        2 => which.clone().prop_map(Turn::Reconcile),
        2 => which.clone().prop_map(Turn::Retry),
        1 => which.prop_map(Turn::Fault),
        2 => Just(Turn::RetryAll),
        1 => Just(Turn::Pause),
        2 => Just(Turn::Resume),
        1 => Just(Turn::Stop),
    ]
}

/// The effects of a run in the states that matter, kept apart from the run's own fold.
#[derive(Default)]
struct Expected {
    next: u32,
    owed: BTreeSet<TaskId>,
    unknown: BTreeSet<TaskId>,
    held: BTreeSet<TaskId>,
    answered: BTreeSet<TaskId>,
    /// What was open when the run faulted, and the task that failed.
    faulted: Option<(BTreeSet<TaskId>, BTreeSet<TaskId>, TaskId)>,
    paused: bool,
    stopped: bool,
}

fn nth(set: &BTreeSet<TaskId>, which: usize) -> Option<TaskId> {
    set.iter().nth(which % set.len().max(1)).copied()
}

fn held(task: TaskId) -> RunEvent {
    RunEvent::TaskHeld(TaskHeld { task, error: error(), raw_output: None })
}

fn cancelled(task: TaskId) -> RunEvent {
    let reason = openclaw_model::event::run::CancelReason::Faulted;
    RunEvent::TaskCancelled(TaskCancelled { task, reason })
}

impl Expected {
    /// The command of a turn, and what follows for the effects; none if the turn makes no sense now.
    fn take(&mut self, turn: Turn, version: u64) -> Option<Command> {
        let step = |events: Vec<RunEvent>| Some(Command::Advance { from: Version(version), events });
        if self.faulted.is_some() {
            let Turn::RetryAll = turn else { return None };
            let (owed, unknown, failed) = self.faulted.take()?;
            (self.owed, self.unknown) = (owed, unknown);
            self.owed.remove(&failed);
            return Some(Command::Retry { task: None });
        }
        match turn {
            Turn::Start => {
                self.next += 1;
                self.owed.insert(TaskId(self.next));
                step(vec![task_started(self.next, None, effect())])
            }
            Turn::Complete(which) => {
                let task = nth(&self.owed, which)?;
                self.owed.remove(&task);
                step(vec![task_completed(task.0)])
            }
            Turn::Cancel(which) => {
                let task = nth(&self.owed, which).or(nth(&self.unknown, which))?;
                self.owed.remove(&task);
                self.unknown.remove(&task);
                step(vec![cancelled(task)])
            }
            Turn::Hold(which) => {
                let task = nth(&self.owed, which)?;
                self.owed.remove(&task);
                self.held.insert(task);
                step(vec![held(task)])
            }
            Turn::Unknown(which) => {
                let task = nth(&self.owed, which)?;
                self.owed.remove(&task);
                self.unknown.insert(task);
                step(vec![RunEvent::EffectUnknown(EffectUnknown { task })])
            }
            Turn::Redispatch(which) => {
                let task = nth(&self.unknown, which).or(nth(&self.owed, which))?;
                self.unknown.remove(&task);
                self.owed.insert(task);
                step(vec![RunEvent::EffectRedispatched(EffectRedispatched { task, dispatch: 2 })])
            }
            Turn::Reconcile(which) => {
                let task = nth(&self.unknown, which)?;
                self.unknown.remove(&task);
                let resolution = match which % 2 {
                    0 => {
                        self.owed.insert(task);
                        Resolution::NotDone
                    }
                    _ => {
                        self.answered.insert(task);
                        Resolution::Succeeded { output: Value::Null }
                    }
                };
                Some(Command::Reconcile { task, resolution, note: None })
            }
            Turn::Retry(which) => {
                let task = nth(&self.held, which)?;
                self.held.remove(&task);
                Some(Command::Retry { task: Some(task) })
            }
            Turn::Fault(which) => {
                let task = nth(&self.owed, which)?;
                let (owed, unknown) = (self.owed.clone(), self.unknown.clone());
                let rest = [&self.owed, &self.unknown, &self.held, &self.answered];
                let rest: BTreeSet<TaskId> = rest.into_iter().flatten().copied().collect();
                let fault = TaskFaulted { task, error: error(), raw_output: None };
                let mut events = vec![RunEvent::TaskFaulted(fault)];
                events.extend(rest.into_iter().filter(|other| *other != task).map(cancelled));
                events.push(RunEvent::Faulted(RunFaulted { error: error() }));
                self.faulted = Some((owed, unknown, task));
                (self.owed, self.unknown) = Default::default();
                step(events)
            }
            Turn::Pause => {
                self.paused = true;
                Some(Command::Pause { reason: None })
            }
            Turn::Resume => {
                if !self.paused && self.held.is_empty() {
                    return None;
                }
                self.paused = false;
                // The errors of what is held go up from here.
                self.held.clear();
                Some(Command::Resume)
            }
            Turn::Stop => {
                self.stopped = true;
                Some(Command::Cancel { reason: None, kill: false })
            }
            Turn::RetryAll => None,
        }
    }

    /// What the shell is to do now: nothing of what is paused, nor of what is being cancelled.
    fn owed(&self) -> BTreeSet<TaskId> {
        if self.paused || self.stopped || self.faulted.is_some() {
            BTreeSet::new()
        } else {
            self.owed.clone()
        }
    }
}

proptest! {
    /// DESIGN section 5: for every prefix of every history, what is pending is what was asked for and has no
    /// recorded outcome.
    #[test]
    fn pending_effects_are_those_intended_without_outcome(turns in prop::collection::vec(turn(), 0..60)) {
        let mut history = running();
        let mut expected = Expected::default();
        for turn in turns {
            let Some(command) = expected.take(turn, history.len() as u64) else { continue };
            let events = when(&history, command.clone());
            let events = events.map_err(|rejection| TestCaseError::fail(format!("{command:?}: {rejection}")))?;
            history.extend(events);
            let found: BTreeSet<_> = pending(&given(&history))
                .into_iter()
                .filter_map(|work| match work { Pending::Effect { task, .. } => Some(task), _ => None })
                .collect();
            prop_assert_eq!(&found, &expected.owed(), "after {:?}", turn);
            // A prefix that ends with an error on its way up is followed by what the stepper makes of it.
            if matches!(turn, Turn::Resume) {
                break;
            }
        }
    }
}
