//! Folded states of streams: a bounded cache over the log.

use std::{num::NonZeroUsize, sync::Arc};

use futures_util::StreamExt;
use lru::LruCache;
use openclaw_core::{
    Decider, Facts, approval, credential, journal, policy, published, run, schedule, session, token, user,
    webhook, workflow,
};
use openclaw_log::{EventLog, StreamHead};
use openclaw_model::{Event, Position, StreamId, StreamKind, Timestamp, Version, event::RunEvent};

use super::{Command, Refused, Rejection};

/// Invariant: larger than the number of commands that can be decided but not yet durable, so that the state of a
/// stream with such commands is never evicted and folded again without them.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// The state of one stream.
pub(super) struct Cached {
    state: State,
    pub(super) head: StreamHead,
    /// Of a run that was started.
    namespace: Option<Arc<str>>,
}

enum State {
    Run(Box<run::State>),
    Session(session::State),
    Workflow(workflow::State),
    Published(published::State),
    Approval(Box<approval::State>),
    Webhook(Box<webhook::State>),
    Schedule(Box<schedule::State>),
    Token(Box<token::State>),
    User(Box<user::State>),
    Credential(credential::State),
    Policy(policy::State),
    Journal(StreamKind),
}

impl Cached {
    pub(super) fn new(kind: StreamKind) -> Self {
        let state = match kind {
            StreamKind::Run => State::Run(Box::default()),
            StreamKind::Session => State::Session(session::State::default()),
            StreamKind::Workflow => State::Workflow(workflow::State::default()),
            StreamKind::Event => State::Published(published::State::default()),
            StreamKind::Approval => State::Approval(Box::default()),
            StreamKind::Webhook => State::Webhook(Box::default()),
            StreamKind::Schedule => State::Schedule(Box::default()),
            StreamKind::Token => State::Token(Box::default()),
            StreamKind::User => State::User(Box::default()),
            StreamKind::Credential => State::Credential(credential::State::default()),
            StreamKind::Policy => State::Policy(policy::State::default()),
            StreamKind::Vault | StreamKind::Egress | StreamKind::Audit => State::Journal(kind),
        };
        let head = StreamHead { version: Version::NONE, position: Position::START };
        Self { state, head, namespace: None }
    }

    /// What `command` leads to in this state.
    pub(super) fn decide(&self, command: &Command, facts: &Facts) -> Result<Vec<Event>, Rejection> {
        fn typed<E: Into<Event>>(events: Vec<E>) -> Vec<Event> {
            events.into_iter().map(Into::into).collect()
        }
        match (&self.state, command) {
            (State::Run(state), Command::Run(command)) => Ok(typed(run::Run::decide(state, command, facts)?)),
            (State::Session(state), Command::Session(command)) => {
                Ok(typed(session::Session::decide(state, command, facts)?))
            }
            (State::Workflow(state), Command::Workflow(command)) => {
                Ok(typed(workflow::Workflow::decide(state, command, facts)?))
            }
            (State::Published(state), Command::Published(command)) => {
                Ok(typed(published::Published::decide(state, command, facts)?))
            }
            (State::Approval(state), Command::Approval(command)) => {
                Ok(typed(approval::Approval::decide(state, command, facts)?))
            }
            (State::Webhook(state), Command::Webhook(command)) => {
                Ok(typed(webhook::Webhook::decide(state, command, facts)?))
            }
            (State::Schedule(state), Command::Schedule(command)) => {
                Ok(typed(schedule::Schedule::decide(state, command, facts)?))
            }
            (State::Token(state), Command::Token(command)) => {
                Ok(typed(token::Token::decide(state, command, facts)?))
            }
            (State::User(state), Command::User(command)) => {
                Ok(typed(user::User::decide(state, command, facts)?))
            }
            (State::Credential(state), Command::Credential(command)) => {
                Ok(typed(credential::Credential::decide(state, command, facts)?))
            }
            (State::Policy(state), Command::Policy(command)) => {
                Ok(typed(policy::Policy::decide(state, command, facts)?))
            }
            (State::Journal(kind), Command::Journal(command)) if *kind == records(command) => {
                let Ok(events) = journal::Journal::decide(&(), command, facts);
                Ok(events)
            }
            _ => Err(Rejection::WrongStream),
        }
    }

    /// Folds an event in, which stands at `head` in its stream.
    pub(super) fn evolve(&mut self, event: &Event, head: StreamHead, at: Timestamp) {
        self.head = head;
        match (&mut self.state, event) {
            (State::Run(state), Event::Run(event)) => {
                // Only the first start is its own; those after it are copied.
                if let (RunEvent::Started(started), Version(1)) = (event, head.version) {
                    self.namespace = Some(started.workflow.namespace.as_str().into());
                }
                run::Run::evolve(state, event, head.version, at);
            }
            (State::Session(state), Event::Session(event)) => {
                session::Session::evolve(state, event, head.version, at);
            }
            (State::Workflow(state), Event::Workflow(event)) => {
                workflow::Workflow::evolve(state, event, head.version, at);
            }
            (State::Published(state), Event::Published(event)) => {
                published::Published::evolve(state, event, head.version, at);
            }
            (State::Approval(state), Event::Approval(event)) => {
                approval::Approval::evolve(state, event, head.version, at);
            }
            (State::Webhook(state), Event::Webhook(event)) => {
                webhook::Webhook::evolve(state, event, head.version, at);
            }
            (State::Schedule(state), Event::Schedule(event)) => {
                schedule::Schedule::evolve(state, event, head.version, at);
            }
            (State::Token(state), Event::Token(event)) => {
                token::Token::evolve(state, event, head.version, at);
            }
            (State::User(state), Event::User(event)) => {
                user::User::evolve(state, event, head.version, at);
            }
            (State::Credential(state), Event::Credential(event)) => {
                credential::Credential::evolve(state, event, head.version, at);
            }
            (State::Policy(state), Event::Policy(event)) => {
                policy::Policy::evolve(state, event, head.version, at);
            }
            // An event of another family cannot stand in the stream: `decide` made it or `load` checked it.
            _ => {}
        }
    }

    /// The run, if it is one, with its namespace once it is started.
    pub(super) fn run(&self) -> Option<(&run::State, Option<&Arc<str>>)> {
        match &self.state {
            State::Run(state) => Some((state, self.namespace.as_ref())),
            _ => None,
        }
    }

    /// Whether nothing can be decided for the stream any more, so that it need not stay in memory.
    fn is_final(&self) -> bool {
        matches!(&self.state, State::Run(state) if state.end.is_some())
    }
}

/// The kind of stream that a journal's command belongs to.
const fn records(command: &journal::Command) -> StreamKind {
    match command {
        journal::Command::Vault(_) => StreamKind::Vault,
        journal::Command::Egress(_) => StreamKind::Egress,
        journal::Command::Audit(_) => StreamKind::Audit,
    }
}

/// The cache.
pub(super) struct States {
    cache: LruCache<StreamId, Cached>,
}

impl States {
    pub(super) fn new() -> Self {
        Self { cache: LruCache::new(CACHED) }
    }

    /// The state of `stream`, folded from the log if it is not cached.
    pub(super) async fn load<L: EventLog>(
        &mut self,
        log: &L,
        stream: &StreamId,
    ) -> Result<&mut Cached, Refused> {
        if !self.cache.contains(stream) {
            let mut cached = Cached::new(stream.kind());
            if log.stream_head(stream)?.is_some() {
                let mut history = log.read_stream(stream, Version(1));
                while let Some(batch) = history.next().await {
                    for recorded in batch?.iter() {
                        let event =
                            recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                        let head = StreamHead { version: recorded.version, position: recorded.position };
                        cached.evolve(&event, head, recorded.at);
                    }
                }
            }
            self.cache.put(stream.clone(), cached);
        }
        Ok(self.cache.get_mut(stream).expect("it was put there just now"))
    }

    /// Forgets `stream` if nothing can be decided for it any more. Called once its events are durable.
    pub(super) fn settle(&mut self, stream: &StreamId) {
        if self.cache.peek(stream).is_some_and(Cached::is_final) {
            self.cache.pop(stream);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.cache.clear();
    }
}
