//! `session.set_state`: sets a key of the session's state.

use alloc::{vec, vec::Vec};

use openclaw_model::event::session::{SessionEvent, StateChanged};
use serde_json::Value;

use super::{Rejection, State};

pub(super) fn decide(state: &State, key: &str, value: &Value) -> Result<Vec<SessionEvent>, Rejection> {
    state.active()?;
    Ok(vec![SessionEvent::StateChanged(StateChanged { key: key.into(), value: value.clone() })])
}

#[cfg(test)]
mod tests {
    use super::super::{
        Command,
        tests::{create, end, history, when},
    };
    use super::*;

    #[test]
    fn state_is_set_while_the_session_is_active() {
        let command = Command::SetState { key: "k".into(), value: 1.into() };
        let expected = SessionEvent::StateChanged(StateChanged { key: "k".into(), value: 1.into() });
        assert_eq!(when(&history(&[create()]), &command), Ok(vec![expected]));
        assert_eq!(when(&[], &command), Err(Rejection::NotFound));
        assert_eq!(when(&history(&[create(), end()]), &command), Err(Rejection::Ended));
    }
}
