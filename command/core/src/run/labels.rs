//! Labels of the data that has reached a run, so that policies can tell a run that has read a web page from one that
//! has not. They are derived from what is recorded anyway.
//!
//! Invariant: labels only grow. What has been read cannot be unread.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};

use openclaw_model::{
    TaskId,
    event::{
        policy::Action,
        run::{Intent, Request, RunEvent, Work},
    },
};

/// A set of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(u8);

/// Every label and its name.
const ALL: [(Labels, &str); 5] = [
    (Labels::UNTRUSTED, "untrusted"),
    (Labels::WEB, "web"),
    (Labels::TOOL_OUTPUT, "tool_output"),
    (Labels::MESSAGE, "message"),
    (Labels::SECRET, "secret"),
];

impl Labels {
    /// No label.
    pub const NONE: Self = Self(0);
    /// Somebody outside may have written it. Every source below implies it.
    pub const UNTRUSTED: Self = Self(1);
    /// It came over the network.
    pub const WEB: Self = Self(1 << 1);
    /// A process or a container wrote it.
    pub const TOOL_OUTPUT: Self = Self(1 << 2);
    /// It came as an event or a signal.
    pub const MESSAGE: Self = Self(1 << 3);
    /// The run may use secrets.
    pub const SECRET: Self = Self(1 << 4);

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The label called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known)| *known == name).map(|(label, _)| *label)
    }

    /// The names there are.
    pub fn known() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(_, name)| *name)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        ALL.iter().filter(move |(label, _)| self.contains(*label)).map(|(_, name)| *name)
    }

    /// As events have them.
    #[must_use]
    pub fn to_set(self) -> BTreeSet<String> {
        self.names().map(String::from).collect()
    }

    /// From an event. Names that this program does not know count as [`Labels::UNTRUSTED`]: a newer program gave them.
    #[must_use]
    pub fn of_set(names: &BTreeSet<String>) -> Self {
        names.iter().fold(Self::NONE, |all, name| all.and(Self::named(name).unwrap_or(Self::UNTRUSTED)))
    }
}

/// Which labels have reached a run, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    labels: Labels,
    /// What the outcome of an effect brings, unless it waits for people. Those that were cancelled stay, because a
    /// retry may bring them back.
    open: BTreeMap<TaskId, Labels>,
    /// Effects that wait for people.
    asking: BTreeMap<TaskId, Labels>,
}

impl Reached {
    /// The labels.
    #[must_use]
    pub const fn labels(&self) -> Labels {
        self.labels
    }

    /// Folds an event in.
    pub fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started(data) => self.add(Labels::of_set(&data.data_labels)),
            RunEvent::TaskStarted(data) => {
                if let Work::Effect(intent) = &data.work {
                    self.intend(data.task, intent);
                }
            }
            RunEvent::EffectPermitted(data) => {
                if let Some(brings) = self.asking.remove(&data.task) {
                    self.open.insert(data.task, brings);
                }
            }
            RunEvent::TaskCompleted(data) => {
                let brings = self.open.remove(&data.task);
                self.add(brings.unwrap_or_default());
            }
            RunEvent::TaskFaulted(data) => self.heard_of(data.task),
            RunEvent::TaskHeld(data) => self.heard_of(data.task),
            RunEvent::EffectReconciled(data) => self.heard_of(data.task),
            RunEvent::DataLabelled(data) => self.add(Labels::of_set(&data.labels)),
            RunEvent::EventConsumed(_) => self.add(Labels::UNTRUSTED.and(Labels::MESSAGE)),
            _ => {}
        }
    }

    fn intend(&mut self, task: TaskId, intent: &Intent) {
        let brings = brought_by(&intent.request);
        if brings.is_empty() {
            return;
        }
        match intent.verdict.as_ref().map(|verdict| verdict.action) {
            None | Some(Action::Allow) => {
                self.open.insert(task, brings);
            }
            Some(Action::Ask) => {
                self.asking.insert(task, brings);
            }
            // It never happens.
            Some(Action::Deny) => {}
        }
    }

    /// The effect of a task said something, an error for example.
    fn heard_of(&mut self, task: TaskId) {
        let brings = self.open.get(&task).copied();
        self.add(brings.unwrap_or_default());
    }

    fn add(&mut self, labels: Labels) {
        self.labels = self.labels.and(labels);
    }
}

/// Labels of what an effect gives back. A child run has labels of its own, see [`RunEvent::DataLabelled`].
const fn brought_by(request: &Request) -> Labels {
    let from = match request {
        Request::Http(_) | Request::OpenApi(_) | Request::Grpc(_) => Labels::WEB,
        Request::Process(process) if process.wait => Labels::TOOL_OUTPUT,
        Request::Container(container) if container.wait => Labels::TOOL_OUTPUT,
        // Nothing comes back, or the decision of people, or an answer of this server.
        Request::Process(_)
        | Request::Container(_)
        | Request::Run(_)
        | Request::Approval(_)
        | Request::Command(_) => return Labels::NONE,
    };
    from.and(Labels::UNTRUSTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_are_not_trusted() {
        for name in Labels::known() {
            let label = Labels::named(name).unwrap();
            assert_eq!(label.names().collect::<alloc::vec::Vec<_>>(), [name]);
            assert_eq!(Labels::of_set(&label.to_set()), label);
        }
        let newer = BTreeSet::from([String::from("hologram")]);
        assert_eq!(Labels::of_set(&newer), Labels::UNTRUSTED);
        assert!(Labels::named("hologram").is_none());
    }
}
