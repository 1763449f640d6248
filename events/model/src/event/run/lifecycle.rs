//! What happens to a run as a whole.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::WorkflowError;
use crate::{Digest, RunId, TaskId, Timestamp, Version};

/// Which definition a run executes; it is pinned to the digest for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRef {
    /// Namespace of the document.
    pub namespace: String,
    /// Name of the document.
    pub name: String,
    /// Semantic version of the document.
    pub version: String,
    /// BLAKE3 over the canonical bytes of the definition.
    pub digest: Digest,
}

/// The task that started a child run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentTask {
    /// Its run.
    pub run: RunId,
    /// The task within it.
    pub task: TaskId,
    /// What becomes of the child when nobody waits for it any more.
    #[serde(default, skip_serializing_if = "ParentClose::is_default")]
    pub close: ParentClose,
}

/// What becomes of a child run when its parent ends or stops waiting for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentClose {
    /// It is asked to stop and may compensate.
    #[default]
    Cancel,
    /// It is stopped at once.
    Kill,
    /// It goes on.
    Abandon,
}

impl ParentClose {
    /// Whether it is [`ParentClose::Cancel`], which is not written to the log.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Bounds how many runs of one key are under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// Common to the runs that are counted together.
    pub key: String,
    /// How many of them may be under way; the others wait as `pending`. At least 1.
    pub limit: u32,
}

/// The tick of a schedule that started a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The schedule, `namespace/name`.
    pub schedule: String,
    /// The time it was due, for a run that a time started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
}

/// The place in another run from which a run was forked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForkOrigin {
    /// The other run.
    pub run: RunId,
    /// Its newest event that both have in common.
    pub at: Version,
    /// The context from there on, if it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
}

/// The run was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The definition it executes.
    pub workflow: WorkflowRef,
    /// The document itself, when it was given inline instead of being registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
    /// Raw input.
    pub input: Value,
    /// Who waits for it, for a child run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentTask>,
    /// Texts to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Among runs that wait for the same thing the highest goes first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// With which runs it may not all be under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// Its first task does not start before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The schedule that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Where it was forked from. Its history up to there follows, copied; then `run.forked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<ForkOrigin>,
    /// Texts of the files that the document refers to, by their URI, as they were when the run was started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Labels of the data that its input is made of: those that had reached its parent, or those of the events that
    /// started it. Policies see them, see [`Verdict::labels`](crate::event::policy::Verdict::labels).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub data_labels: BTreeSet<String>,
}

/// Whether a number is zero, which is not written to the log.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl RunStarted {
    /// A run of `workflow` with `input` and nothing else.
    #[must_use]
    pub const fn new(workflow: WorkflowRef, input: Value) -> Self {
        Self {
            workflow,
            definition: None,
            input,
            parent: None,
            labels: BTreeMap::new(),
            priority: 0,
            concurrency: None,
            not_before: None,
            trigger: None,
            fork: None,
            resources: BTreeMap::new(),
            data_labels: BTreeSet::new(),
        }
    }
}

/// The first task may start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRunning {
    /// Transformed input.
    pub input: Value,
    /// When the whole run times out, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// Somebody sent the run a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSignalled {
    /// Its name.
    pub name: String,
    /// What it carries.
    pub data: Value,
}

/// Nothing new is begun for now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPaused {
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResumed {}

/// Failed tasks run again. The run is as it was before they failed, with those tasks to be started anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRetried {
    /// Those tasks.
    pub tasks: Vec<TaskId>,
}

/// A copied history ends here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunForked {
    /// How much later it is than at the fork, in milliseconds; every due time moves on by it.
    pub shift_ms: u64,
    /// The context from here on, if it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
}

/// Somebody asked the run to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCancelRequested {
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it stops without compensation.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub kill: bool,
}

/// The run ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCompleted {
    /// Its transformed output.
    pub output: Value,
}

/// The run ended with an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFaulted {
    /// The error that nothing caught.
    pub error: WorkflowError,
}

/// The run was stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCancelled {
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
