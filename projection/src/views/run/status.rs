//! How runs, tasks and effects stand.

/// Declares a status with its stable names, as the Serverless Workflow specification has them.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
        }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the read model.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The status of this name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use status;

status! {
    /// How a run stands.
    RunStatus {
        /// Accepted, its input is not validated yet.
        Pending = "pending",
        /// At work.
        Running = "running",
        /// All that is open waits for a time, an event or people.
        Waiting = "waiting",
        /// It is paused, or somebody has to decide about an effect or a failed task.
        Suspended = "suspended",
        /// Stopped before its end.
        Cancelled = "cancelled",
        /// Ended with an error.
        Faulted = "faulted",
        /// Ended well.
        Completed = "completed",
    }
}

impl RunStatus {
    /// Whether the run is over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Faulted | Self::Completed)
    }
}

status! {
    /// How one execution of a task stands.
    TaskStatus {
        /// At work, or with children at work.
        Running = "running",
        /// It waits for a time, an event or people.
        Waiting = "waiting",
        /// The outcome of its effect is unknown, or it failed and somebody has to decide.
        Suspended = "suspended",
        /// Stopped before its end.
        Cancelled = "cancelled",
        /// Ended with an error.
        Faulted = "faulted",
        /// Ended well.
        Completed = "completed",
        /// Its condition was false.
        Skipped = "skipped",
    }
}

status! {
    /// What is known of an effect (DESIGN, section 7).
    EffectState {
        /// It was decided on and dispatched.
        Intended = "intended",
        /// It was dispatched again: after a restart, or because somebody found that it had not happened.
        Redispatched = "redispatched",
        /// Nobody knows what became of it.
        Unknown = "unknown",
        /// Somebody said what became of it.
        Reconciled = "reconciled",
        /// It happened.
        Succeeded = "succeeded",
        /// It failed.
        Failed = "failed",
        /// Its task was stopped before the outcome was there.
        Cancelled = "cancelled",
    }
}

impl EffectState {
    /// Whether the outcome is outstanding.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Intended | Self::Redispatched | Self::Unknown)
    }
}
