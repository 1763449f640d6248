//! `workflow.register`: adds a version. The same definition again is no change.

use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};

use openclaw_model::{
    Digest,
    event::workflow::{WorkflowEvent, WorkflowRegistered},
};
use serde_json::Value;

use super::{Rejection, State};

pub(super) fn decide(
    state: &State,
    namespace: &str,
    name: &str,
    version: &str,
    digest: Digest,
    definition: &Value,
    resources: &BTreeMap<String, String>,
) -> Result<Vec<WorkflowEvent>, Rejection> {
    match state.versions.get(version) {
        // A retired version that is registered again with the same definition may be started again.
        Some(known) if known.digest == digest && !known.retired => return Ok(vec![]),
        Some(known) if known.digest != digest => {
            return Err(Rejection::Immutable { version: version.into(), digest: known.digest });
        }
        _ => {}
    }
    Ok(vec![WorkflowEvent::Registered(WorkflowRegistered {
        namespace: namespace.into(),
        name: name.into(),
        version: version.into(),
        digest,
        definition: definition.clone(),
        resources: resources.clone(),
    })])
}

#[cfg(test)]
mod tests {
    use super::super::{
        Command,
        tests::{register, when},
    };
    use super::*;

    #[test]
    fn a_version_is_immutable_and_registering_it_again_changes_nothing() {
        let history = when(&[], &register("1.0.0", 1)).unwrap();
        assert_eq!(when(&history, &register("1.0.0", 1)), Ok(vec![]));
        assert!(matches!(when(&history, &register("1.0.0", 2)), Err(Rejection::Immutable { .. })));
        assert!(when(&history, &register("1.0.1", 2)).is_ok());
    }

    #[test]
    fn a_retired_version_comes_back_with_the_same_definition_only() {
        let mut history = when(&[], &register("1.0.0", 1)).unwrap();
        history.extend(when(&history, &Command::Retire { version: "1.0.0".into() }).unwrap());
        assert!(matches!(when(&history, &register("1.0.0", 2)), Err(Rejection::Immutable { .. })));
        assert_eq!(when(&history, &register("1.0.0", 1)).unwrap().len(), 1);
    }
}
