//! How much there may be of a namespace, and how much there is. Counted where everything is decided, so that of two
//! callers who want the last place exactly one gets it.
//!
//! Invariant: the counts are those of the log with all that is decided and not yet durable; what fails to become durable
//! is taken back.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use openclaw_core::run::State;
use openclaw_model::{
    Event, StreamId, StreamKind, Version,
    event::{RunEvent, WorkflowEvent},
    namespace::{self, Home},
};

use super::Rejection;

/// How much there may be of a namespace; none for as much as one likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Runs that have not ended.
    pub open_runs: Option<u64>,
    /// Registered workflows, however many versions each has.
    pub workflows: Option<u64>,
}

/// How much there is of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Runs that have not ended.
    pub open_runs: u64,
    /// Registered workflows.
    pub workflows: u64,
}

/// Bounds of namespaces, and what there was when the sequencer began.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// By namespace; one that is not there has no bounds.
    pub bounds: BTreeMap<String, Bounds>,
    /// By namespace, as of the head of the log.
    pub census: BTreeMap<String, Census>,
}

/// A change of the counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    namespace: Arc<str>,
    open_runs: i64,
    workflows: i64,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Counted {
    bounds: BTreeMap<String, Bounds>,
    census: HashMap<Arc<str>, Census>,
}

impl From<Room> for Counted {
    fn from(room: Room) -> Self {
        let census = room.census.into_iter().map(|(name, census)| (name.into(), census)).collect();
        Self { bounds: room.bounds, census }
    }
}

impl Counted {
    /// What `events` change for a stream that stands at `version`; `run` is its state before them, with its namespace.
    ///
    /// # Errors
    /// [`Rejection::NoRoom`] when there would be too much of something then.
    pub(super) fn admit(
        &self,
        stream: &StreamId,
        version: Version,
        run: Option<(&State, Option<&Arc<str>>)>,
        events: &[Event],
    ) -> Result<Option<Change>, Rejection> {
        let Some(change) = change(stream, version, run, events) else { return Ok(None) };
        let bounds = self.bounds.get(&*change.namespace).copied().unwrap_or_default();
        let census = self.census.get(&change.namespace).copied().unwrap_or_default();
        let counted = [
            ("open runs", change.open_runs, census.open_runs, bounds.open_runs),
            ("workflows", change.workflows, census.workflows, bounds.workflows),
        ];
        for (what, more, there, most) in counted {
            if let Some(most) = most.filter(|most| more > 0 && there >= *most) {
                return Err(Rejection::NoRoom { what, namespace: change.namespace.to_string(), most });
            }
        }
        Ok(Some(change))
    }

    /// Counts a change.
    pub(super) fn note(&mut self, change: &Change) {
        let census = self.census.entry(change.namespace.clone()).or_default();
        census.open_runs = census.open_runs.saturating_add_signed(change.open_runs);
        census.workflows = census.workflows.saturating_add_signed(change.workflows);
    }

    /// Takes a change back.
    pub(super) fn take_back(&mut self, change: Change) {
        self.note(&Change { open_runs: -change.open_runs, workflows: -change.workflows, ..change });
    }

    #[cfg(test)]
    pub(super) fn census(&self, namespace: &str) -> Census {
        self.census.get(namespace).copied().unwrap_or_default()
    }
}

fn change(
    stream: &StreamId,
    version: Version,
    run: Option<(&State, Option<&Arc<str>>)>,
    events: &[Event],
) -> Option<Change> {
    match stream.kind() {
        StreamKind::Workflow if version == Version::NONE => {
            let Home::Namespace(namespace) = stream.home() else { return None };
            let registered = matches!(events.first(), Some(Event::Workflow(WorkflowEvent::Registered(_))));
            registered.then(|| Change { namespace: namespace.into(), open_runs: 0, workflows: 1 })
        }
        StreamKind::Run => {
            let (state, namespace) = run?;
            let mut open_runs = 0;
            // While a fork is copied, what comes is the history of another run.
            let own = state.fork.is_none();
            for event in events {
                match event {
                    Event::Run(RunEvent::Started(_)) if version == Version::NONE => open_runs += 1,
                    Event::Run(RunEvent::Retried(_)) if own && state.end.is_some() => open_runs += 1,
                    Event::Run(RunEvent::Completed(_) | RunEvent::Faulted(_) | RunEvent::Cancelled(_))
                        if own =>
                    {
                        open_runs -= 1;
                    }
                    _ => {}
                }
            }
            let namespace = match (namespace, events.first().map(namespace::of_first)) {
                (Some(namespace), _) => namespace.clone(),
                (None, Some(Home::Namespace(namespace))) => namespace.into(),
                _ => return None,
            };
            (open_runs != 0).then_some(Change { namespace, open_runs, workflows: 0 })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use openclaw_core::{Decider, run::Run};
    use openclaw_model::{
        Digest, RunId, Timestamp,
        event::run::{RunCompleted, RunRetried, RunStarted, WorkflowRef},
    };
    use uuid::Uuid;

    use super::*;

    const MOST: u64 = 7;

    fn started(namespace: &str) -> Event {
        let workflow = WorkflowRef {
            namespace: namespace.into(),
            name: "w".into(),
            version: "1.0.0".into(),
            digest: Digest([0; 32]),
        };
        RunEvent::Started(RunStarted::new(workflow, serde_json::Value::Null)).into()
    }

    /// Runs of two namespaces that begin, end, are retried, and of which some fail to become durable, in an order that
    /// nobody chose.
    #[test]
    fn the_counts_are_those_of_the_runs_that_are_open_and_never_above_the_bound() {
        let bounds = BTreeMap::from([("a".to_owned(), Bounds { open_runs: Some(MOST), workflows: None })]);
        let mut counted = Counted::from(Room { bounds, census: BTreeMap::new() });
        let mut runs: Vec<(StreamId, &str, State, Version)> = Vec::new();
        let mut open: HashSet<usize> = HashSet::new();
        let (mut random, mut refused) = (0x9e37_79b9_7f4a_7c15_u64, 0);
        for step in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let choice = usize::try_from(random >> 33).expect("31 bits fit");
            let index = choice % (runs.len() + 1);
            if index == runs.len() || runs.len() < 4 {
                let id = StreamId::run(RunId(Uuid::from_u64_pair(1, step)));
                runs.push((id, if choice % 3 == 0 { "b" } else { "a" }, State::default(), Version::NONE));
                continue;
            }
            let (stream, namespace, state, version) = &mut runs[index];
            let name: Arc<str> = (*namespace).into();
            let event: Event = match (*version, state.end.is_some()) {
                (Version::NONE, _) => started(namespace),
                (_, false) => RunEvent::Completed(RunCompleted { output: serde_json::Value::Null }).into(),
                (_, true) => RunEvent::Retried(RunRetried { tasks: vec![] }).into(),
            };
            let known = (*version != Version::NONE).then_some(&name);
            let events = [event];
            let change = match counted.admit(stream, *version, Some((state, known)), &events) {
                Ok(change) => change.expect("each of them opens or ends the run"),
                Err(Rejection::NoRoom { most: MOST, .. }) => {
                    refused += 1;
                    assert_eq!(open.iter().filter(|index| runs[**index].1 == "a").count() as u64, MOST);
                    continue;
                }
                Err(other) => panic!("{other}"),
            };
            counted.note(&change);
            if choice % 11 == 0 {
                counted.take_back(change);
                continue;
            }
            *version = version.next();
            if let Event::Run(event) = &events[0] {
                Run::evolve(state, event, *version, Timestamp::default());
                // A retry of this history, which has no faulted task to go back to, opens it all the same.
                if matches!(event, RunEvent::Retried(_)) {
                    state.end = None;
                }
            }
            if state.end.is_some() {
                open.remove(&index)
            } else {
                open.insert(index)
            };
            for namespace in ["a", "b"] {
                let there = open.iter().filter(|index| runs[**index].1 == namespace).count() as u64;
                assert_eq!(counted.census(namespace).open_runs, there);
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
