//! `token.issue`, `token.revoke` and `token.list`.

use openclaw_core::token::Command;
use openclaw_log::EventLog;
use openclaw_model::{
    Event, StreamId, StreamKind,
    access::Grants,
    event::token::{TokenEvent, TokenIssued},
};

use super::Service;
use crate::{
    access::Access,
    rpc::{
        Error,
        context::CallContext,
        methods::token::{Accepted, Issue, Issued, Listed, Revoke, Token},
    },
};

impl<L: EventLog> Service<L> {
    /// Who may come in.
    pub(super) fn access(&self) -> Result<&Access, Error> {
        self.access.as_ref().ok_or_else(|| {
            tracing::error!("this server was put together without access control");
            Error::Internal
        })
    }

    pub(super) async fn issue_token(&self, context: CallContext, params: Issue) -> Result<Issued, Error> {
        let access = self.access()?;
        let stream = stream(StreamKind::Token, &params.name)?;
        let grants = Grants(params.scopes);
        covered(&context, &grants)?;
        let (accepted, text) = match self.recall(&context).await? {
            Some(first) => (first, None),
            None => {
                let asked = match params.expires_in {
                    Some(span) => {
                        let millis = u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
                        Some(access.now().plus_millis(millis))
                    }
                    None => params.expires_at,
                };
                let own = access.expiry_of(context.actor());
                if own.is_some_and(|own| asked.is_some_and(|asked| asked > own)) {
                    return Err(too_much("the caller's own token expires before"));
                }
                let (text, hash) = access.fresh_token();
                let command = Command::Issue { hash, grants, expires: asked.or(own) };
                let accepted = self.submit(&context, stream, command, None).await?;
                let text = (!accepted.repeated).then_some(text);
                (accepted, text)
            }
        };
        access.reached(accepted.position).await;
        let expires_at = accepted.events.iter().find_map(|event| match event {
            Event::Token(TokenEvent::Issued(TokenIssued { expires, .. })) => *expires,
            _ => None,
        });
        Ok(Issued {
            name: params.name,
            token: text.map(|text| text.as_str().to_owned()),
            expires_at,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    pub(super) async fn revoke_token(&self, context: CallContext, params: Revoke) -> Result<Accepted, Error> {
        let access = self.access()?;
        let stream = stream(StreamKind::Token, &params.name)?;
        let missing = || Error::NotFound { what: "token", id: params.name.clone() };
        // Of a token that the caller could not have made there is nothing to know.
        let grants = access.token_grants(&params.name).ok_or_else(missing)?;
        if !context.caller.grants.cover(&grants) {
            return Err(missing());
        }
        let command = Command::Revoke { reason: params.reason };
        let accepted = self.submit(&context, stream, command, None).await?;
        access.reached(accepted.position).await;
        Ok(Accepted {
            name: params.name,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    pub(super) fn list_tokens(&self, context: &CallContext) -> Result<Listed, Error> {
        let access = self.access()?;
        let now = access.now();
        let tokens = access.tokens().into_iter().filter_map(|(name, state)| {
            let counts = state.grants(now).is_some();
            let issued = state.issued?;
            context.caller.grants.cover(&issued.grants).then_some(Token {
                name,
                scopes: issued.grants.0,
                counts,
                expires_at: issued.expires,
                last_used_at: state.seen,
                revoked_at: state.revoked,
            })
        });
        Ok(Listed { tokens: tokens.collect() })
    }
}

/// The stream of a token or a user.
pub(super) fn stream(kind: StreamKind, name: &str) -> Result<StreamId, Error> {
    StreamId::new(kind, name).map_err(|error| Error::invalid("name", error.to_string()))
}

/// Refuses to give what the caller does not have.
pub(super) fn covered(context: &CallContext, grants: &Grants) -> Result<(), Error> {
    if context.caller.grants.cover(grants) {
        return Ok(());
    }
    Err(too_much("the caller does not have all of these scopes"))
}

fn too_much(reason: &str) -> Error {
    Error::Rejected {
        code: "OC-ACC-002".into(),
        reason: format!("nobody gives more than they have: {reason}"),
    }
}
