//! Asking the policies about what a task is about to do, and again when people have allowed it.

use openclaw_core::run::{Labels, Phase};
use openclaw_model::{
    TaskId,
    event::{
        policy::{Action, Verdict},
        run::{EffectJudged, EffectPermitted, Intent, Request, RunEvent, WorkflowError},
    },
};

use super::super::Step;
use crate::{error, policy};

impl Step<'_> {
    /// Labels of the data that has reached the run. One whose document lists secrets may hold them from its start.
    pub(super) fn labels(&self) -> Labels {
        let reached = self.state.reached.labels();
        if self.program.definition.secrets.is_empty() { reached } else { reached.and(Labels::SECRET) }
    }

    /// What the policies say about `request`, whose effect has `key`; none if none counts for the run.
    pub(super) fn verdict_on(&self, request: &Request, key: &str) -> Option<Box<Verdict>> {
        if self.around.policies.is_empty() {
            return None;
        }
        let workflow = self.state.workflow.as_ref()?;
        let usage = policy::Use::of(request, self.labels(), workflow, &self.state.tags)?;
        let decision = policy::decide(self.around.policies, &usage, self.around.evaluator, false)?;
        Some(Box::new(decision.verdict(&usage, self.around.run, key, self.around.now)))
    }

    /// People allow the effect of `task`. They did so under the policies that had asked them: those of now are asked
    /// again, which may want to know something else by now, or nothing any more.
    pub(in crate::stepper) fn permitted(&mut self, task: TaskId) {
        let Some(Phase::Effect { intent, dispatch: 0, .. }) =
            self.state.tasks.get(&task).map(|open| &open.phase)
        else {
            return;
        };
        if self.state.cancel.is_some() && !self.state.compensates(task) {
            return;
        }
        let intent = intent.clone();
        let asked = |verdict: &Verdict| verdict.ask.as_ref().map(|request| request.digest);
        match self.verdict_on(&intent.request, &intent.key) {
            Some(verdict) if verdict.action == Action::Deny => self.fault(task, denial(&verdict)),
            Some(verdict)
                if verdict.action == Action::Ask
                    && asked(&verdict) != intent.verdict.as_deref().and_then(asked) =>
            {
                self.emit(RunEvent::EffectJudged(EffectJudged { task, verdict }));
            }
            _ => self.emit(RunEvent::EffectPermitted(EffectPermitted { task })),
        }
    }
}

/// The error of a task whose effect the policies deny; none if they do not.
#[must_use]
pub fn denied(intent: &Intent) -> Option<WorkflowError> {
    intent.verdict.as_deref().filter(|verdict| verdict.action == Action::Deny).map(denial)
}

/// The error of a task whose effect `verdict` denies.
#[must_use]
pub fn denial(verdict: &Verdict) -> WorkflowError {
    error::authorization(format!("OC-POL-002: {} is denied by {}", verdict.tool, by(verdict)))
}

/// The error of a task whose effect people did not allow; `late` says that nobody decided in time.
#[must_use]
pub fn refusal(verdict: &Verdict, late: bool) -> WorkflowError {
    let (tool, by) = (&verdict.tool, by(verdict));
    error::authorization(if late {
        format!("OC-POL-004: nobody allowed {tool} in time, which {by} asks for")
    } else {
        format!("OC-POL-003: people denied {tool}, about which {by} asks")
    })
}

fn by(verdict: &Verdict) -> String {
    let Verdict { policy, version, rule, .. } = verdict;
    match rule {
        Some(rule) => format!("rule {rule:?} of policy {policy:?} (version {version})"),
        None => format!("the default of policy {policy:?} (version {version})"),
    }
}
