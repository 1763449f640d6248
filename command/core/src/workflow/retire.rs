//! `workflow.retire`: a version may no longer be started; runs that use it go on.

use alloc::{vec, vec::Vec};

use openclaw_model::event::workflow::{WorkflowEvent, WorkflowRetired};

use super::{Rejection, State};

pub(super) fn decide(state: &State, version: &str) -> Result<Vec<WorkflowEvent>, Rejection> {
    match state.versions.get(version) {
        None => Err(Rejection::NotFound { version: version.into() }),
        Some(known) if known.retired => Ok(vec![]),
        Some(_) => Ok(vec![WorkflowEvent::Retired(WorkflowRetired { version: version.into() })]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Command,
        tests::{register, when},
    };
    use super::*;

    #[test]
    fn a_known_version_is_retired_once() {
        let retire = Command::Retire { version: "1.0.0".into() };
        assert!(matches!(when(&[], &retire), Err(Rejection::NotFound { .. })));
        let mut history = when(&[], &register("1.0.0", 1)).unwrap();
        history.extend(when(&history, &retire).unwrap());
        assert_eq!(when(&history, &retire), Ok(vec![]));
    }
}
