//! Random documents with random answers and commands, cut anywhere.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_model::event::run::{Resolution, Work};
use proptest::prelude::*;

use super::*;

/// Small documents of nested tasks, with effects as leaves.
fn tasks(depth: u32) -> BoxedStrategy<Vec<Value>> {
    let effect = (0u32..5, any::<bool>(), any::<bool>()).prop_map(|(n, holds, certain)| {
        let mut task = shell(&n.to_string());
        task["metadata"] = json!({
            "onFault": if holds { "pause" } else { "fault" },
            "effect": if certain { "keyed" } else { "irreversible" },
        });
        task
    });
    let leaf = prop_oneof![
        4 => effect,
        2 => (0u32..5).prop_map(|n| json!({ "set": { "n": n } })),
        1 => (1u64..4).prop_map(|n| json!({ "wait": { "seconds": n } })),
        1 => Just(json!({ "listen": { "to": { "one": { "with": { "type": "go" } } } } })),
    ];
    let task = if depth == 0 {
        leaf.boxed()
    } else {
        let nested = tasks(depth - 1);
        let limited = (nested.clone(), 1u64..6)
            .prop_map(|(tasks, limit)| json!({ "do": tasks, "timeout": { "after": { "seconds": limit } } }));
        let undo = json!([{ "undo": shell("undo") }]);
        prop_oneof![
            3 => leaf,
            1 => nested.clone().prop_map(|tasks| json!({ "do": tasks })),
            1 => limited,
            1 => nested.clone().prop_map(|tasks| json!({ "for": { "in": "[1, 2, 3]" }, "do": tasks })),
            1 => nested.clone().prop_map(|tasks| json!({ "fork": { "branches": tasks } })),
            1 => nested.clone().prop_map(|tasks| json!({ "fork": { "branches": tasks, "compete": true } })),
            1 => nested.clone().prop_map(|tasks| json!({ "try": tasks, "catch": { "retry": {
                "delay": { "seconds": 1 }, "limit": { "attempt": { "count": 2 } } } } })),
            1 => nested.prop_map(move |tasks| json!({ "try": tasks, "catch": {
                "errors": { "with": { "type": error::CANCELLED } }, "do": undo } })),
        ]
        .boxed()
    };
    prop::collection::vec(task, 1..4)
        .prop_map(|tasks| {
            tasks.into_iter().enumerate().map(|(n, task)| json!({ format!("t{n}"): task })).collect()
        })
        .boxed()
}

/// What somebody does to a run.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Answer,
    Fail,
    Wait,
    Crash,
    Pause,
    Resume,
    Retry,
    Signal,
    Reconcile,
    Cancel,
    Kill,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => Just(Deed::Answer),
        4 => Just(Deed::Fail),
        4 => Just(Deed::Wait),
        2 => Just(Deed::Crash),
        1 => Just(Deed::Pause),
        2 => Just(Deed::Resume),
        3 => Just(Deed::Retry),
        2 => Just(Deed::Signal),
        2 => Just(Deed::Reconcile),
        1 => prop_oneof![3 => Just(Deed::Cancel), 1 => Just(Deed::Kill)],
    ]
}

impl Bench {
    /// Does it, if it can be done now. The stepper itself checks that what it says is a legal step.
    fn undergo(&mut self, deed: Deed) {
        let unknown =
            self.state.tasks.iter().find_map(|(id, task)| {
                matches!(task.phase, Phase::Effect { unknown: true, .. }).then_some(*id)
            });
        let command = match deed {
            Deed::Answer | Deed::Fail => {
                if let Some((task, _)) = self.effects().into_iter().next() {
                    let fails = matches!(deed, Deed::Fail);
                    self.answer(task, if fails { Err(broken()) } else { Ok(json!({ "n": 1 })) });
                }
                return;
            }
            Deed::Wait => {
                self.now = self.due().unwrap_or(self.now.plus_millis(500)).max(self.now);
                return self.step(Stimulus::None);
            }
            Deed::Crash => return self.step(Stimulus::Recovered),
            Deed::Pause => Command::Pause { reason: None },
            Deed::Resume => Command::Resume,
            Deed::Retry => Command::Retry { task: None },
            Deed::Signal => Command::Signal { name: "go".into(), data: json!(1) },
            Deed::Reconcile => {
                let Some(task) = unknown else { return };
                let resolution = match self.history.len() % 3 {
                    0 => Resolution::NotDone,
                    1 => Resolution::Failed { error: broken() },
                    _ => Resolution::Succeeded { output: json!({ "n": 2 }) },
                };
                Command::Reconcile { task, resolution, note: None }
            }
            Deed::Cancel => Command::Cancel { reason: None, kill: false },
            Deed::Kill => Command::Cancel { reason: None, kill: true },
        };
        // Refused where it makes no sense.
        let _ = self.command(command);
    }

    /// What a run needs to come to its end, whatever happened to it.
    fn next_need(&self) -> Option<Deed> {
        if self.state.end.is_some() {
            return None;
        }
        let any = |wanted: fn(&Phase) -> bool| self.state.tasks.values().any(|task| wanted(&task.phase));
        Some(if self.state.paused.is_some() && self.state.cancel.is_none() {
            Deed::Resume
        } else if !self.effects().is_empty() {
            Deed::Answer
        } else if any(|phase| matches!(phase, Phase::Held { .. })) {
            Deed::Retry
        } else if any(|phase| matches!(phase, Phase::Effect { unknown: true, .. })) {
            Deed::Reconcile
        } else if self.due().is_some() {
            Deed::Wait
        } else {
            Deed::Signal
        })
    }

    fn folded(&self) -> State {
        let mut folded = State::default();
        for (index, (event, at)) in self.history.iter().zip(&self.times).enumerate() {
            Run::evolve(&mut folded, event, Version(index as u64 + 1), *at);
        }
        folded
    }
}

/// The effects that a history has asked for and that have no recorded outcome, told from the events alone.
#[derive(Default)]
struct Ledger {
    owed: BTreeSet<TaskId>,
    parents: BTreeMap<TaskId, TaskId>,
    compensating: BTreeSet<TaskId>,
    paused: bool,
    cancelled: bool,
    /// What was owed when the error that goes up came up.
    before_fault: Option<BTreeSet<TaskId>>,
}

impl Ledger {
    fn note(&mut self, event: &RunEvent) {
        match event {
            RunEvent::TaskStarted(data) => {
                self.parents.extend(data.parent.map(|parent| (data.task, parent)));
                if matches!(data.work, Work::Effect(_)) {
                    self.owed.insert(data.task);
                }
            }
            RunEvent::TaskFaulted(data) => {
                self.before_fault.get_or_insert_with(|| self.owed.clone());
                self.owed.remove(&data.task);
            }
            RunEvent::TaskHeld(data) => {
                self.before_fault = None;
                self.owed.remove(&data.task);
            }
            RunEvent::ErrorCaught(data) => {
                self.before_fault = None;
                if data.error.r#type == error::CANCELLED {
                    self.compensating.insert(data.task);
                }
            }
            RunEvent::TaskRetried(_) => self.before_fault = None,
            RunEvent::TaskCompleted(data) => {
                self.owed.remove(&data.task);
            }
            RunEvent::TaskCancelled(data) => {
                self.owed.remove(&data.task);
            }
            RunEvent::EffectUnknown(data) => {
                self.owed.remove(&data.task);
            }
            RunEvent::EffectReconciled(data) => match data.resolution {
                Resolution::NotDone => {
                    self.owed.insert(data.task);
                }
                _ => {
                    self.owed.remove(&data.task);
                }
            },
            RunEvent::Retried(data) => {
                // After a fault all is as before, but for what failed.
                self.owed.extend(self.before_fault.take().unwrap_or_default());
                self.owed.retain(|task| !data.tasks.contains(task));
            }
            RunEvent::Paused(_) => self.paused = true,
            RunEvent::Resumed(_) => self.paused = false,
            RunEvent::CancelRequested(_) => self.cancelled = true,
            RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_) => self.owed.clear(),
            _ => {}
        }
    }

    fn owed(&self) -> BTreeSet<TaskId> {
        if self.paused && !self.cancelled {
            return BTreeSet::new();
        }
        self.owed.iter().copied().filter(|task| !self.cancelled || self.compensates(*task)).collect()
    }

    fn compensates(&self, task: TaskId) -> bool {
        let mut at = Some(&task);
        while let Some(task) = at {
            if self.compensating.contains(task) {
                return true;
            }
            at = self.parents.get(task);
        }
        false
    }
}

fn effects(state: &State) -> BTreeSet<TaskId> {
    let effect = |work| match work {
        Pending::Effect { task, .. } => Some(task),
        _ => None,
    };
    pending(state).into_iter().filter_map(effect).collect()
}

/// DESIGN section 5: for every prefix of the history, the effects that are pending are those asked for and without
/// outcome.
fn check_pending(bench: &Bench) -> Result<(), TestCaseError> {
    let mut state = State::default();
    let mut ledger = Ledger::default();
    for (index, (event, at)) in bench.history.iter().zip(&bench.times).enumerate() {
        Run::evolve(&mut state, event, Version(index as u64 + 1), *at);
        ledger.note(event);
        let what = || format!("after event {index}, {event:?}");
        prop_assert_eq!(effects(&state), ledger.owed(), "{}", what());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Cutting a run anywhere and folding it again from its events leaves the same run; what is pending is exactly what
    /// is owed; a run that waits for nothing can be stepped no further; and every run can be brought to its end.
    #[test]
    fn a_run_folded_from_its_events_goes_on_as_if_it_had_never_stopped(
        tasks in tasks(2),
        extended in any::<bool>(),
        deeds in prop::collection::vec(deed(), 0..40),
        batch in 1usize..80,
    ) {
        let mut document = json!({ "do": tasks });
        if extended {
            let log = json!({ "extend": "run", "before": [{ "log": { "set": { "log": 1 } } }], "after": [{ "log": { "set": { "log": 2 } } }] });
            document["use"] = json!({ "extensions": [{ "log": log }] });
        }
        let mut bench = Bench::of(document, json!({ "n": 0 }));
        bench.limits.events = batch;
        bench.step(Stimulus::None);
        let mut deeds = deeds.into_iter();
        for round in 0.. {
            prop_assert!(
                round < 1_000,
                "the run does not end: {:#?}",
                &bench.history[bench.history.len() - 8..]
            );
            let folded = bench.folded();
            prop_assert_eq!(format!("{folded:?}"), format!("{:?}", bench.state));
            prop_assert!(!pending(&folded).contains(&Pending::Step), "it stopped on its way: {:#?}", folded);
            let Some(deed) = deeds.next().or_else(|| bench.next_need()) else { break };
            bench.undergo(deed);
        }
        check_pending(&bench)?;
        prop_assert_eq!(pending(&bench.state), []);
    }
}
