//! `session.create`: opens a conversation, or opens it again after its end.

use alloc::{vec, vec::Vec};

use openclaw_model::event::session::{SessionEvent, SessionStarted};

use super::{Phase, Rejection, State};

pub(super) fn decide(
    state: &State,
    channel: &str,
    peer_id: &str,
    agent_id: &str,
    account: &str,
) -> Result<Vec<SessionEvent>, Rejection> {
    if state.phase == Phase::Active {
        return Err(Rejection::Exists);
    }
    Ok(vec![SessionEvent::Started(SessionStarted {
        channel: channel.into(),
        peer_id: peer_id.into(),
        agent_id: agent_id.into(),
        account: account.into(),
    })])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{create, end, history, when};
    use super::*;

    #[test]
    fn a_session_is_created_once_and_again_after_its_end() {
        assert!(matches!(when(&[], &create()).unwrap()[..], [SessionEvent::Started(_)]));
        assert_eq!(when(&history(&[create()]), &create()), Err(Rejection::Exists));
        assert!(when(&history(&[create(), end()]), &create()).is_ok());
    }
}
