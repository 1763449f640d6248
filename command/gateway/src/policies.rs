//! The policies in force: a register over the log that commits keep up to date.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use openclaw_log::EventLog;
use openclaw_model::{Event, StreamId, StreamKind, Version, event::policy::PolicyEvent, id::InvalidId};
use openclaw_workflow::policy::{self, Policy};

use crate::sequencer::{Commit, Refused};

/// The policies in force.
///
/// Invariant: it never goes back. A commit that comes late, or twice, changes nothing.
#[derive(Debug, Default)]
pub struct Policies {
    now: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    policies: policy::Policies,
    /// Up to which version of its stream each policy is known.
    versions: std::collections::BTreeMap<String, Version>,
}

/// The stream of the policy of `namespace`, [`policy::EVERYWHERE`] for the one that counts everywhere.
///
/// # Errors
/// When the namespace makes no stream id.
pub fn stream(namespace: &str) -> Result<StreamId, InvalidId> {
    StreamId::new(StreamKind::Policy, namespace)
}

impl Policies {
    /// Those of `namespaces`, as they are durable in `log` now. Cost: reads all versions of them.
    ///
    /// # Errors
    /// [`Refused::Unreadable`] when the log or an event cannot be read: a server that does not know what is forbidden
    /// must not start.
    pub async fn load<'n, L: EventLog>(
        log: &L,
        namespaces: impl IntoIterator<Item = &'n str>,
    ) -> Result<Arc<Self>, Refused> {
        let policies = Self::default();
        for namespace in namespaces {
            let stream = stream(namespace).map_err(|error| Refused::Unreadable(error.to_string()))?;
            let mut history = log.read_stream(&stream, Version(1));
            while let Some(batch) = history.next().await {
                for recorded in batch?.iter() {
                    let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                    if let Event::Policy(event) = &event {
                        policies.apply(&stream, event, recorded.version);
                    }
                }
            }
        }
        Ok(Arc::new(policies))
    }

    /// The policies in force now. Cost: a lock held for a moment.
    #[must_use]
    pub fn now(&self) -> policy::Policies {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).policies.clone()
    }

    /// Takes in a commit of any stream.
    pub fn follow(&self, commit: &Commit) {
        let count = commit.events.len() as u64;
        for (event, ahead) in commit.events.iter().zip((0..count).rev()) {
            if let Event::Policy(event) = event {
                self.apply(&commit.stream, event, Version(commit.version.0 - ahead));
            }
        }
    }

    /// Takes in an event of the stream of a policy.
    pub fn apply(&self, stream: &StreamId, event: &PolicyEvent, version: Version) {
        let namespace = stream.name();
        let mut known = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if known.versions.get(namespace).is_some_and(|newest| *newest >= version) {
            return;
        }
        known.versions.insert(namespace.to_owned(), version);
        known.policies = match event {
            PolicyEvent::Changed(data) => {
                known.policies.with(Policy::recorded(namespace, data.version, &data.document))
            }
            PolicyEvent::Removed(_) => known.policies.without(namespace),
        };
    }
}

#[cfg(test)]
mod tests {
    use openclaw_model::{
        Digest,
        event::policy::{PolicyChanged, PolicyRemoved},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn late_and_repeated_commits_change_nothing() {
        let changed = |version| {
            let document = json!({ "default": "deny" });
            PolicyEvent::Changed(PolicyChanged { version, digest: Digest([0; 32]), document })
        };
        let (policies, stream) = (Policies::default(), stream("*").unwrap());
        let version = || policies.now().of("*").map(|policy| policy.version);
        policies.apply(&stream, &changed(1), Version(1));
        policies.apply(&stream, &changed(2), Version(2));
        policies.apply(&stream, &changed(1), Version(1));
        assert_eq!(version(), Some(2));
        policies.apply(&stream, &PolicyEvent::Removed(PolicyRemoved {}), Version(3));
        policies.apply(&stream, &changed(2), Version(2));
        assert_eq!(version(), None);
    }
}
