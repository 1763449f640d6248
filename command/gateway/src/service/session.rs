//! `session.create`, `session.message`, `session.set_state` and `session.end`.

use openclaw_core::session::{Command, Role};
use openclaw_log::EventLog;
use openclaw_model::{
    Event, SessionId, StreamId,
    event::session::{Attachment, SessionEvent},
};

use super::{Service, reach};
use crate::{
    rpc::{
        Error,
        context::CallContext,
        methods::session::{Accepted, Create, End, Message, MessageAdded, Role as SaidBy, SetState},
    },
    sequencer,
};

impl<L: EventLog> Service<L> {
    pub(super) async fn create(&self, context: CallContext, params: Create) -> Result<Accepted, Error> {
        let agent_id = params.agent_id.unwrap_or_else(|| "default".into());
        let channel = params.channel.unwrap_or_else(|| "api".into());
        let account = params.account.unwrap_or_else(|| "gateway".into());
        // Without a peer the conversation is nobody else's.
        let peer_id = params.peer_id.unwrap_or_else(|| self.ids.next().to_string());
        let given = params.session_id.as_ref().map(SessionId::as_str);
        let session = match given {
            Some(session) => session.to_owned(),
            None => format!("agent:{agent_id}:channel:{channel}:account:{account}:dm:{peer_id}"),
        };
        let (namespace, session) = reach::whole(&context, params.namespace, &session)?;
        reach::admit(&context, &namespace)?;
        let session = SessionId::new(&session).map_err(|error| {
            let field = if given.is_some() { "sessionId" } else { "peerId" };
            Error::invalid(field, format!("makes a session id that {}", error.reason))
        })?;
        let command = Command::Create { channel, peer_id, agent_id, account };
        let accepted = self.submit(&context, StreamId::session(&session), command, None).await?;
        answer(&accepted)
    }

    pub(super) async fn message(&self, context: CallContext, params: Message) -> Result<MessageAdded, Error> {
        let command = Command::Message {
            role: match params.role {
                None | Some(SaidBy::User) => Role::User,
                Some(SaidBy::Assistant) => Role::Assistant,
            },
            content: params.content,
            attachments: params
                .attachments
                .into_iter()
                .map(|attachment| Attachment {
                    kind: attachment.kind,
                    mime_type: attachment.mime_type,
                    size: attachment.size,
                })
                .collect(),
            message_id: self.ids.next().to_string(),
        };
        let stream = stream(&context, &params.session_id)?;
        let accepted = self.submit_to(&context, stream, command, None).await?;
        let message_id = accepted.events.iter().find_map(|event| match event {
            Event::Session(SessionEvent::MessageReceived(data)) => Some(data.message_id.clone()),
            Event::Session(SessionEvent::MessageSent(data)) => Some(data.message_id.clone()),
            _ => None,
        });
        Ok(MessageAdded {
            message_id: message_id.ok_or(Error::Internal)?,
            session_id: session_of(&accepted)?,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    pub(super) async fn set_state(&self, context: CallContext, params: SetState) -> Result<Accepted, Error> {
        let command = Command::SetState { key: params.key, value: params.value };
        let stream = stream(&context, &params.session_id)?;
        answer(&self.submit_to(&context, stream, command, None).await?)
    }

    pub(super) async fn end(&self, context: CallContext, params: End) -> Result<Accepted, Error> {
        let command = Command::End { reason: params.reason.unwrap_or_else(|| "user_requested".into()) };
        let stream = stream(&context, &params.session_id)?;
        answer(&self.submit_to(&context, stream, command, None).await?)
    }
}

/// The stream of the session that the caller calls so.
fn stream(context: &CallContext, session: &SessionId) -> Result<StreamId, Error> {
    let (_, whole) = reach::whole(context, None, session.as_str())?;
    let session = SessionId::new(&whole).map_err(|error| Error::invalid("sessionId", error.to_string()))?;
    Ok(StreamId::session(&session))
}

fn session_of(accepted: &sequencer::Accepted) -> Result<SessionId, Error> {
    SessionId::new(accepted.stream.name()).map_err(|_| Error::Internal)
}

fn answer(accepted: &sequencer::Accepted) -> Result<Accepted, Error> {
    Ok(Accepted {
        session_id: session_of(accepted)?,
        position: accepted.position,
        stream_version: accepted.stream_version,
    })
}
