//! What the index knows of one run that has not ended. A run that only waits costs one small entry.

use std::{collections::VecDeque, sync::Arc};

use openclaw_model::{
    ApprovalId, Position, RunId, TaskId, Timestamp, Version,
    event::run::{Concurrency, Intent, Interest, ParentClose, ParentTask, Request},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::small::Small;

/// A run that has not ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct OpenRun {
    /// Of its newest event that the index has seen.
    pub(crate) version: Version,
    /// Whether its first task may have started.
    #[serde(default)]
    pub(crate) begun: bool,
    /// Number of its namespace.
    #[serde(default)]
    pub(crate) namespace: u32,
    /// That nothing is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parked: Option<Parked>,
    /// What only some runs have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) more: Option<Box<More>>,
}

/// Nothing of a run is under way; it waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parked {
    /// As of this version of its stream; a newer event makes it void.
    pub(crate) version: Version,
    /// When it wants to go on by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
}

/// What only some runs have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct More {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<ParentTask>,
    /// The schedule that started it, `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<Concurrency>,
    #[serde(default)]
    pub(crate) priority: i32,
    /// Where it was started.
    #[serde(default)]
    pub(crate) since: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Timestamp>,
    /// It copies the history of another run up to this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) copying: Option<Version>,
    #[serde(default)]
    pub(crate) cancelled: bool,
    #[serde(default)]
    pub(crate) paused: bool,
    /// Tasks that wait for events.
    #[serde(default, skip_serializing_if = "Small::is_empty")]
    pub(crate) listening: Small<TaskId, Listening>,
    /// Tasks whose effects go on in other streams of this server.
    #[serde(default, skip_serializing_if = "Small::is_empty")]
    pub(crate) own: Small<TaskId, Own>,
    /// What effects set going in other streams once people have allowed them.
    #[serde(default, skip_serializing_if = "Small::is_empty")]
    pub(crate) permitted: Small<TaskId, Own>,
    /// Events that it has not taken in or passed over yet, in log order.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) deliveries: VecDeque<Delivery>,
}

/// A task that waits for events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    /// It takes in what stands after this.
    pub(crate) since: Position,
    /// The newest event that it has taken in.
    #[serde(default)]
    pub(crate) newest: Position,
    /// What an event has to look like; empty if anything goes. Shared by the runs that wait for the same.
    #[serde(serialize_with = "write_interests", deserialize_with = "read_interests")]
    pub(crate) interests: Arc<[Interest]>,
}

fn write_interests<S: Serializer>(interests: &Arc<[Interest]>, serializer: S) -> Result<S::Ok, S::Error> {
    interests.as_ref().serialize(serializer)
}

fn read_interests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[Interest]>, D::Error> {
    Vec::deserialize(deserializer).map(Into::into)
}

/// An effect that goes on in another stream of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Own {
    /// A child run.
    Child { run: RunId, wait: bool, close: ParentClose },
    /// A decision of people.
    Approval { approval: ApprovalId },
}

impl Own {
    /// What an intent sets going, if that is in another stream: first the question that a policy wants to be asked.
    pub(crate) fn of(intent: &Intent) -> Option<Self> {
        match intent.verdict.as_ref().and_then(|verdict| verdict.ask.as_ref()) {
            Some(request) => Some(Self::Approval { approval: request.approval }),
            None => Self::of_request(&intent.request),
        }
    }

    /// What a request sets going that people are not, or no more, asked about.
    pub(crate) const fn of_request(request: &Request) -> Option<Self> {
        match request {
            Request::Run(child) => Some(Self::Child { run: child.run, wait: child.wait, close: child.close }),
            Request::Approval(request) => Some(Self::Approval { approval: request.approval }),
            _ => None,
        }
    }

    /// What the task waits for; none if it does not wait.
    pub(crate) const fn awaits(&self) -> Option<Awaited> {
        match self {
            Self::Child { run, wait: true, .. } => Some(Awaited::Run(*run)),
            Self::Child { .. } => None,
            Self::Approval { approval } => Some(Awaited::Approval(*approval)),
        }
    }
}

/// Something whose end wakes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Awaited {
    Run(RunId),
    Approval(ApprovalId),
}

/// An event on its way to tasks of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// Where it stands.
    pub(crate) position: Position,
    /// Which of the events that were made of the one in the log; 0 for that one itself.
    #[serde(default)]
    pub(crate) part: u8,
    /// The tasks that may be interested.
    pub(crate) tasks: Vec<TaskId>,
    /// The CloudEvent; after a restart it is read again.
    #[serde(skip)]
    pub(crate) event: Option<Arc<Value>>,
}

impl OpenRun {
    /// What only some runs have, for a change.
    pub(crate) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Whether nothing is under way and nothing has happened since.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.as_ref().is_some_and(|parked| parked.version >= self.version)
    }

    /// Gives memory back once nothing special is left.
    pub(crate) fn shrink(&mut self) {
        let idle = |more: &More| {
            more.parent.is_none()
                && more.schedule.is_none()
                && more.concurrency.is_none()
                && more.priority == 0
                && more.not_before.is_none()
                && more.copying.is_none()
                && !more.cancelled
                && !more.paused
                && more.listening.is_empty()
                && more.own.is_empty()
                && more.permitted.is_empty()
                && more.deliveries.is_empty()
        };
        if self.more.as_deref().is_some_and(idle) {
            self.more = None;
        }
    }
}
