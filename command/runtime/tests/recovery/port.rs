//! The world that effects act on: it honours keys, fails as it is told, and may be the last thing that a process sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openclaw_model::{
    TaskId,
    event::run::{EffectClass, Intent, Request, WorkflowError},
};
use openclaw_ports::EffectOutcome;
use serde_json::json;
use tokio::sync::Notify;

use crate::workflow::called;

/// On which side of an effect the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It has not happened.
    Before,
    /// It has happened, and nobody was told.
    After,
}

/// What one key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) url: String,
    pub(crate) n: u64,
    pub(crate) class: EffectClass,
}

#[derive(Debug, Default)]
struct Inner {
    requests: BTreeMap<String, u32>,
    done: BTreeMap<String, Done>,
    failed: BTreeMap<String, BTreeSet<TaskId>>,
    /// Keys that came with another content than before.
    conflicts: Vec<String>,
    armed: Option<(Side, u32)>,
}

/// The world. It outlives the processes.
#[derive(Debug, Default)]
pub(crate) struct Port {
    inner: Mutex<Inner>,
    struck: Notify,
}

impl Port {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process is to die at the effect with this number from now, counted from 0.
    pub(crate) fn arm(&self, side: Side, effect: u32) {
        self.inner().armed = Some((side, effect));
    }

    /// Returns when the process is to die.
    pub(crate) async fn struck(&self) {
        self.struck.notified().await;
    }

    /// How often each key was asked for.
    pub(crate) fn requests(&self) -> BTreeMap<String, u32> {
        self.inner().requests.clone()
    }

    /// What happened, by key.
    pub(crate) fn done(&self) -> BTreeMap<String, Done> {
        self.inner().done.clone()
    }

    /// Keys that were used for two different things.
    pub(crate) fn conflicts(&self) -> Vec<String> {
        self.inner().conflicts.clone()
    }

    /// Whether the process is to die on `side` of the effect that is at hand; counts it on the far side.
    fn strikes(&self, side: Side) -> bool {
        let mut inner = self.inner();
        let strikes = inner.armed == Some((side, 0));
        if strikes {
            inner.armed = None;
            self.struck.notify_one();
        } else if side == Side::After
            && let Some((_, left)) = &mut inner.armed
        {
            *left = left.saturating_sub(1);
        }
        strikes
    }

    /// Performs a call. It takes a moment before and after, so that others go on meanwhile.
    pub(crate) async fn perform(&self, task: TaskId, intent: &Intent) -> EffectOutcome {
        let Request::Http(request) = &intent.request else { panic!("only calls come here: {intent:?}") };
        *self.inner().requests.entry(intent.key.clone()).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.strikes(Side::Before) {
            std::future::pending::<()>().await;
        }
        let n = request.body.as_ref().and_then(|body| body["n"].as_u64()).expect("a call has a number");
        let fails = request.url.rsplit('/').next().expect("a URL has a path");
        let outcome =
            self.act(task, intent, Done { url: request.url.clone(), n, class: intent.class }, fails);
        if self.strikes(Side::After) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        outcome
    }

    fn act(&self, task: TaskId, intent: &Intent, done: Done, fails: &str) -> EffectOutcome {
        let mut inner = self.inner();
        let failed = inner.failed.entry(intent.key.clone()).or_default();
        // The same attempt, asked for again, fares as it did: which attempt it is does not depend on crashes.
        let fails = fails == "always"
            || failed.contains(&task)
            || failed.len() < fails.parse::<usize>().expect("a number of failures");
        if fails {
            failed.insert(task);
            return Err(WorkflowError {
                r#type: "https://serverlessworkflow.io/spec/1.0.0/errors/communication".into(),
                status: 503,
                title: None,
                detail: None,
                instance: None,
            });
        }
        let output = json!({ "n": called(done.n) });
        let known = inner.done.entry(intent.key.clone()).or_insert_with(|| done.clone()).clone();
        if known != done {
            inner.conflicts.push(format!("{known:?} and {done:?}"));
        }
        Ok(output)
    }
}
