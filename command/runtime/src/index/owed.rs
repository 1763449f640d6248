//! What is owed to other streams: child runs are closed, approvals voided, the runs of schedules started. A debt is
//! folded from the log and stands until the log shows that it was paid, so it survives any crash.

use openclaw_model::{ApprovalId, RunId, TaskId, Timestamp, event::run::ParentClose};
use serde::{Deserialize, Serialize};

/// Something owed. Doing it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "owed", rename_all = "snake_case")]
pub(crate) enum Owed {
    /// A run that nobody waits for any more is asked to stop.
    Close {
        /// Which.
        run: RunId,
        /// Whether without compensation.
        kill: bool,
    },
    /// A decision that nobody waits for any more is void.
    Void {
        /// Which.
        approval: ApprovalId,
        /// The task that waited; if another asks by now, nothing happens.
        task: TaskId,
    },
    /// The run of a tick is started.
    Start {
        /// The schedule, `namespace/name`.
        schedule: String,
        /// The run, as the tick chose it.
        run: RunId,
        /// When it was due; none for a run that events start.
        due: Option<Timestamp>,
    },
    /// The schedule of a workflow is brought in line with its versions.
    Settle {
        /// The workflow, `namespace/name`.
        workflow: String,
    },
}

impl Owed {
    /// What becomes of a child by this policy; none if nothing.
    pub(crate) fn close(run: RunId, close: ParentClose) -> Option<Self> {
        match close {
            ParentClose::Cancel => Some(Self::Close { run, kill: false }),
            ParentClose::Kill => Some(Self::Close { run, kill: true }),
            ParentClose::Abandon => None,
        }
    }

    /// Whether it voids this approval.
    pub(crate) fn voids(&self, approval: ApprovalId) -> bool {
        matches!(self, Self::Void { approval: other, .. } if *other == approval)
    }
}
