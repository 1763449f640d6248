//! From a message's text to the answer's text: batches, notifications, limits, panics.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use jsonrpsee::{
    ConnectionId, Extensions, MethodCallback, Methods,
    types::{ErrorObjectOwned, Id, Params},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::{
    door::{Ask, SharedDoor},
    envelope::{self, Call, Malformed},
    error::{Error, InvalidRequest, Kind},
    json::{self, Fault},
    limits::Limits,
    metrics::{self, Running, UNKNOWN_METHOD},
    registry::Scope,
};

/// Carries out messages.
pub(super) struct Dispatch {
    pub(super) methods: Methods,
    pub(super) limits: Limits,
    pub(super) slots: Arc<Semaphore>,
    /// What each caller may take of them.
    pub(super) door: SharedDoor,
}

/// Whether a message may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may.
    Open,
    /// Its connection has too many in flight: every call of it is answered with "busy".
    Full,
}

/// What goes back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Nothing: there were only notifications.
    Nothing,
    /// The answer to one call.
    One(Answer),
    /// The answers to a batch.
    Batch {
        text: String,
        /// How many of its calls were told to come back later.
        refused: usize,
    },
}

/// The answer to one call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: String,
    /// Its error, if it is one.
    pub(super) kind: Option<Kind>,
    /// How long to wait before asking again, where that is what the error says.
    pub(super) retry_after: Option<Duration>,
}

impl Reply {
    /// The reply to a message that is refused as a whole.
    pub(super) fn refusal(error: Error) -> Self {
        metrics::refused(UNKNOWN_METHOD, error.kind().outcome);
        Self::One(failure("null", error))
    }

    /// How many calls were told to come back later.
    pub(super) fn refused(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(answer) => usize::from(answer.retry_after.is_some()),
            Self::Batch { refused, .. } => *refused,
        }
    }

    /// What to send, if anything.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::One(Answer { text, .. }) | Self::Batch { text, .. } => Some(text),
        }
    }
}

/// A JSON-RPC error object with a verbatim id.
fn failure(id: &str, error: Error) -> Answer {
    let (kind, retry_after) = (Some(error.kind()), error.retry_after());
    let object = ErrorObjectOwned::from(error);
    let object = serde_json::to_string(&object).expect("an error object serialises");
    Answer { text: format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{object}}}"#), kind, retry_after }
}

impl Dispatch {
    /// How many calls a message is, read no further than it takes to count them. At least one, and no more than a
    /// message may have: one that is refused as a whole is one.
    pub(super) fn weight(&self, text: &str) -> usize {
        if !text.trim_start().starts_with('[') {
            return 1;
        }
        let calls = serde_json::from_str::<Vec<&RawValue>>(text).map_or(1, |calls| calls.len());
        if calls > self.limits.batch { 1 } else { calls.max(1) }
    }

    /// Carries out a message: one call or a batch.
    pub(super) async fn message(&self, scope: &Scope, text: &str, admission: Admission) -> Reply {
        if let Err(fault) = json::check(text, self.limits.depth) {
            return Reply::refusal(match fault {
                Fault::Syntax => Error::Parse,
                Fault::TooDeep => Error::InvalidRequest(InvalidRequest::TooDeep(self.limits.depth)),
                Fault::Duplicate(key) => Error::InvalidRequest(InvalidRequest::DuplicateKey(key)),
            });
        }
        let text = text.trim();
        if text.starts_with('[') {
            return self.batch(scope, text, admission).await;
        }
        self.call(scope, text, admission).await.map_or(Reply::Nothing, Reply::One)
    }

    /// The calls of a batch run side by side; the answers keep their order.
    async fn batch(&self, scope: &Scope, text: &str, admission: Admission) -> Reply {
        let refuse = |reason| Reply::refusal(Error::InvalidRequest(reason));
        let Ok(calls) = serde_json::from_str::<Vec<&RawValue>>(text) else {
            return Reply::refusal(Error::Parse);
        };
        if calls.is_empty() {
            return refuse(InvalidRequest::EmptyBatch);
        }
        if calls.len() > self.limits.batch {
            return refuse(InvalidRequest::BatchTooLarge(self.limits.batch));
        }
        if scope.key.is_some() {
            return refuse(InvalidRequest::KeyWithBatch);
        }
        let answers = join_all(calls.iter().map(|call| self.call(scope, call.get(), admission))).await;
        let (mut reply, mut refused) = (String::new(), 0);
        for (call, answer) in calls.iter().zip(answers) {
            let Some(mut answer) = answer else { continue };
            refused += usize::from(answer.retry_after.is_some());
            if reply.len() + answer.text.len() > self.limits.response_bytes {
                let id = envelope::read(call.get()).ok().and_then(|call| call.id).unwrap_or("null");
                answer = failure(id, Error::ResponseTooLarge { limit: self.limits.response_bytes });
            }
            reply.push(if reply.is_empty() { '[' } else { ',' });
            reply.push_str(&answer.text);
        }
        if reply.is_empty() {
            return Reply::Nothing;
        }
        reply.push(']');
        Reply::Batch { text: reply, refused }
    }

    /// One call. None for a notification, whatever becomes of it.
    async fn call(&self, scope: &Scope, text: &str, admission: Admission) -> Option<Answer> {
        let call = match envelope::read(text) {
            Ok(call) => call,
            Err(Malformed { id, error }) => {
                metrics::refused(UNKNOWN_METHOD, error.kind().outcome);
                return Some(failure(id, error));
            }
        };
        let answered = self.carry_out(scope, &call, admission).await;
        let id = call.id?;
        Some(match answered {
            Ok(answered) => with_id(id, &answered),
            Err(error) => failure(id, error),
        })
    }

    /// Runs the method and answers jsonrpsee's response text.
    async fn carry_out(&self, scope: &Scope, call: &Call<'_>, admission: Admission) -> Result<String, Error> {
        let Some((name, MethodCallback::Async(method))) = self.methods.method_with_name(&call.method) else {
            metrics::refused(UNKNOWN_METHOD, Kind::METHOD_NOT_FOUND.outcome);
            return Err(Error::MethodNotFound(call.method.clone()));
        };
        let busy = || {
            metrics::refused(name, Kind::BUSY.outcome);
            Error::Busy { retry_after: self.limits.retry_after }
        };
        if admission == Admission::Full {
            return Err(busy());
        }
        // First what is the caller's alone, so that whoever asks too much does not even try for what all share.
        let _place = self.door.take(&scope.caller.actor, Ask::Call).map_err(|retry_after| {
            metrics::refused(name, Kind::LIMITED.outcome);
            Error::Limited { retry_after }
        })?;
        let _slot = self.slots.try_acquire().map_err(|_| busy())?;

        let running = Running::begin(name);
        let mut extensions = Extensions::new();
        extensions.insert(scope.clone());
        let params = Params::new(call.params).into_owned();
        // The method is called inside the future, so that a panic before its first await is caught as well.
        let work =
            async move { method(Id::Number(0), params, ConnectionId(0), usize::MAX, extensions).await };
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(response) => {
                running.ended(response.as_error_code().map_or("ok", outcome));
                Ok(response.into_json().get().to_owned())
            }
            Err(_) => {
                // The panic hook has told where and why.
                tracing::error!(method = name, "a method panicked");
                running.ended("panic");
                Err(Error::Internal)
            }
        }
    }
}

fn outcome(code: i32) -> &'static str {
    Kind::ALL.iter().find(|kind| kind.number == code).map_or("error", |kind| kind.outcome)
}

/// The response with the caller's own id in place of the number that the registry was called with.
fn with_id(id: &str, response: &str) -> Answer {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Code {
        code: i32,
        #[serde(default)]
        data: Option<Wait>,
    }
    #[derive(Deserialize)]
    struct Wait {
        #[serde(default, rename = "retryAfterMs")]
        retry_after_ms: Option<u64>,
    }
    let parts: Response<'_> = serde_json::from_str(response).expect("the registry answers a response object");
    let (member, body, kind, retry_after) = match (parts.error, parts.result) {
        (Some(error), _) => {
            let read = serde_json::from_str::<Code>(error.get()).ok();
            let code = read.as_ref().map_or(0, |error| error.code);
            let wait = read.and_then(|error| error.data?.retry_after_ms).map(Duration::from_millis);
            ("error", error.get(), Kind::ALL.iter().find(|kind| kind.number == code).copied(), wait)
        }
        (None, result) => ("result", result.map_or("null", RawValue::get), None, None),
    };
    Answer { text: format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":{body}}}"#), kind, retry_after }
}
