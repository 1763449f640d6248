//! Tool policies, and what they said about the effects of runs.

use std::collections::BTreeMap;

use openclaw_model::{
    Digest, Position, Timestamp,
    event::{
        PolicyEvent, RunEvent,
        policy::{Action, Verdict},
        run::Work,
    },
};

use super::{Place, json, run};

/// Row of `policies`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) version: u64,
    pub(crate) digest: Digest,
    pub(crate) actor: i64,
    pub(crate) changed_at: Timestamp,
    /// JSON.
    pub(crate) document: String,
}

/// Row of `decisions`. They never change.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) run: Position,
    /// Key of the task's row.
    pub(crate) task: Position,
    pub(crate) at: Timestamp,
    pub(crate) action: Action,
    pub(crate) tool: String,
    pub(crate) policy: String,
    pub(crate) version: u64,
    pub(crate) rule: Option<String>,
    /// JSON.
    pub(crate) labels: String,
}

/// Changed rows of the policy tables.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: BTreeMap<Position, Row>,
    /// When policies were removed; none if they are in force again.
    pub(crate) removed: BTreeMap<Position, Option<Timestamp>>,
    pub(crate) decisions: BTreeMap<Position, Decision>,
}

pub(super) fn apply(place: &Place, event: PolicyEvent, changes: &mut Changes) {
    match event {
        PolicyEvent::Changed(data) => {
            changes.removed.insert(place.key, None);
            changes.rows.insert(
                place.key,
                Row {
                    version: data.version,
                    digest: data.digest,
                    actor: place.actor,
                    changed_at: place.at,
                    document: json(&data.document),
                },
            );
        }
        PolicyEvent::Removed(_) => {
            changes.removed.insert(place.key, Some(place.at));
        }
    }
}

/// The decision that an event of a run has in it. What a fork has copied was decided in the other run.
pub(super) fn decided(state: &run::State, place: &Place, event: &RunEvent) -> Option<Decision> {
    let (verdict, task) = match event {
        RunEvent::TaskStarted(data) => match &data.work {
            Work::Effect(intent) => (intent.verdict.as_deref()?, place.position),
            _ => return None,
        },
        RunEvent::EffectJudged(data) => (&*data.verdict, state.open.get(&data.task)?.key),
        _ => return None,
    };
    if state.copies(place.version) {
        return None;
    }
    let Verdict { action, tool, policy, version, rule, labels, ask: _ } = verdict;
    Some(Decision {
        run: place.key,
        task,
        at: place.at,
        action: *action,
        tool: tool.clone(),
        policy: policy.clone(),
        version: *version,
        rule: rule.clone(),
        labels: json(labels),
    })
}
