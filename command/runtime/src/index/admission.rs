//! Which of the runs with a common concurrency key may be under way.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use openclaw_model::{Position, RunId, Timestamp};

use super::run::OpenRun;

/// Runs of one key.
#[derive(Clone, Debug, Default)]
struct Group {
    /// Those under way, or let in to be.
    inside: BTreeSet<RunId>,
    /// The others: highest priority first, then the oldest.
    waiting: BTreeSet<(Reverse<i32>, Position, RunId)>,
}

/// Runs with a concurrency key, by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admission {
    groups: HashMap<String, Group>,
}

impl Admission {
    /// Takes notice of a run: as under way if it has begun, else as waiting. Nothing for a run without a key.
    pub(crate) fn note(&mut self, run: RunId, open: &OpenRun) {
        let Some(more) = &open.more else { return };
        let Some(concurrency) = &more.concurrency else { return };
        let group = self.groups.entry(concurrency.key.clone()).or_default();
        let place = (Reverse(more.priority), more.since, run);
        if open.begun {
            group.waiting.remove(&place);
            group.inside.insert(run);
        } else if !group.inside.contains(&run) {
            group.waiting.insert(place);
        }
    }

    /// Forgets a run that has ended. Its key, if it had one, may have room now.
    pub(crate) fn forget(&mut self, run: RunId, open: &OpenRun) -> Option<String> {
        let more = open.more.as_ref()?;
        let key = more.concurrency.as_ref()?.key.clone();
        let group = self.groups.get_mut(&key)?;
        group.inside.remove(&run);
        group.waiting.remove(&(Reverse(more.priority), more.since, run));
        if group.inside.is_empty() && group.waiting.is_empty() {
            self.groups.remove(&key);
        }
        Some(key)
    }

    /// Whether the run may be under way as far as its key is concerned.
    pub(crate) fn admits(&self, run: RunId, open: &OpenRun) -> bool {
        let key = open.more.as_ref().and_then(|more| more.concurrency.as_ref()).map(|bound| &bound.key);
        open.begun
            || key.is_none_or(|key| self.groups.get(key).is_some_and(|group| group.inside.contains(&run)))
    }

    /// Lets in those that have room now, in their order, and returns them. Runs that wait for a time or are paused are
    /// passed over; the first that finds no room stops the queue.
    pub(crate) fn let_in<'a>(
        &mut self,
        key: &str,
        now: Timestamp,
        run: impl Fn(RunId) -> Option<&'a OpenRun>,
    ) -> Vec<RunId> {
        let Some(group) = self.groups.get_mut(key) else { return Vec::new() };
        let room = |limit: u32, let_in: &[_]| group.inside.len() + let_in.len() < limit as usize;
        let mut let_in = Vec::new();
        for place in &group.waiting {
            let Some(more) = run(place.2).and_then(|open| open.more.as_deref()) else { continue };
            if more.paused || more.not_before.is_some_and(|at| at > now) {
                continue;
            }
            if !room(more.concurrency.as_ref().map_or(u32::MAX, |bound| bound.limit.max(1)), &let_in) {
                break;
            }
            let_in.push(*place);
        }
        for place in &let_in {
            group.waiting.remove(place);
            group.inside.insert(place.2);
        }
        let_in.into_iter().map(|place| place.2).collect()
    }
}
