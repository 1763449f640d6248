//! `session.message`: records a message of either side.

use alloc::{vec, vec::Vec};

use openclaw_model::event::session::{Attachment, MessageReceived, MessageSent, SessionEvent};

use super::{Rejection, Role, State};

pub(super) fn decide(
    state: &State,
    role: Role,
    content: &str,
    attachments: &[Attachment],
    message_id: &str,
) -> Result<Vec<SessionEvent>, Rejection> {
    state.active()?;
    Ok(vec![match role {
        Role::User => SessionEvent::MessageReceived(MessageReceived {
            content: content.into(),
            attachments: attachments.to_vec(),
            message_id: message_id.into(),
        }),
        Role::Assistant => {
            SessionEvent::MessageSent(MessageSent { content: content.into(), message_id: message_id.into() })
        }
    }])
}

#[cfg(test)]
mod tests {
    use super::super::{
        Command,
        tests::{create, end, history, when},
    };
    use super::*;

    fn message(role: Role) -> Command {
        Command::Message { role, content: "hi".into(), attachments: vec![], message_id: "m".into() }
    }

    #[test]
    fn each_side_has_its_own_event() {
        let given = history(&[create()]);
        assert!(matches!(
            when(&given, &message(Role::User)).unwrap()[..],
            [SessionEvent::MessageReceived(_)]
        ));
        assert!(matches!(
            when(&given, &message(Role::Assistant)).unwrap()[..],
            [SessionEvent::MessageSent(_)]
        ));
    }

    #[test]
    fn a_session_that_is_not_active_takes_no_message() {
        assert_eq!(when(&[], &message(Role::User)), Err(Rejection::NotFound));
        assert_eq!(when(&history(&[create(), end()]), &message(Role::User)), Err(Rejection::Ended));
    }
}
