//! `session.end`: closes a conversation.

use alloc::{vec, vec::Vec};

use openclaw_model::event::session::{SessionEnded, SessionEvent};

use super::{Rejection, State};

pub(super) fn decide(state: &State, reason: &str) -> Result<Vec<SessionEvent>, Rejection> {
    state.active()?;
    Ok(vec![SessionEvent::Ended(SessionEnded { reason: reason.into() })])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{create, end, history, when};
    use super::*;

    #[test]
    fn a_session_ends_once() {
        assert!(when(&history(&[create()]), &end()).is_ok());
        assert_eq!(when(&history(&[create(), end()]), &end()), Err(Rejection::Ended));
        assert_eq!(when(&[], &end()), Err(Rejection::NotFound));
    }
}
