//! Events that runs publish and wait for.

use alloc::{collections::BTreeMap, string::String};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Position, TaskId, Version};

/// A task published an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventEmitted {
    /// Which task.
    pub task: TaskId,
    /// The CloudEvent, in its JSON form.
    pub event: Value,
}

/// Attributes that an event has to have, as far as they are known without the event: texts that the attribute equals,
/// or regular expressions that it matches as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Interest(pub BTreeMap<String, String>);

/// A `listen` task took an event in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventConsumed {
    /// Which task.
    pub task: TaskId,
    /// Index of the filter that it passed, in order of declaration; those of `until` follow the others.
    pub filter: u32,
    /// Where it came from.
    pub origin: Origin,
    /// The event as the task reads it: its data, or the whole CloudEvent.
    pub event: Value,
    /// Correlation values that became known with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Value>,
    /// Whether it only counts for `until`, and is no part of the output.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub until: bool,
    /// Whether the task takes in no more after it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub last: bool,
}

/// Where an event that a run takes in came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Origin {
    /// It stands in the log.
    Log {
        /// There.
        position: Position,
    },
    /// It was sent to the run as a signal.
    Signal {
        /// Where it stands in the run's stream.
        version: Version,
    },
}

/// The tasks of a `foreach` are through with one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemCompleted {
    /// The `listen` task.
    pub task: TaskId,
    /// Which event, from 0.
    pub index: u32,
    /// What came of it.
    pub output: Value,
    /// The new context, when the iteration exported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
}
