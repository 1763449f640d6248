//! The loop of the sequencer: drain, decide, append, answer. While one drain is being made durable the next is
//! decided, so that the disk and the processor work at the same time.

use std::{borrow::Cow, num::NonZeroUsize, pin::Pin, sync::Arc};

use futures_util::{StreamExt, stream::FuturesOrdered};
use lru::LruCache;
use openclaw_core::Facts;
use openclaw_log::{AppendError, EventLog, Head, Health, StreamHead, frame};
use openclaw_model::{CommandDigest, CommandId, Event, EventId, Recorded, Timestamp, Version};
use openclaw_ports::{Clock, Ids};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Accepted, Commit, Envelope, Expected, Refused, Room, Submission, Work,
    room::{Change, Counted},
    states::States,
};
use crate::metrics;

/// Commands of one drain at most.
const DRAIN: usize = 512;
/// Drains that are decided and not yet durable at most.
const IN_FLIGHT: usize = 4;
/// Answers to keyed commands that are kept in memory; older ones are found in the log.
const ANSWERS: NonZeroUsize = NonZeroUsize::new(8192).expect("not zero");

type Answer = Result<Accepted, Refused>;
type Reply = oneshot::Sender<Answer>;

/// A drain that has been decided.
struct Drain {
    replies: Vec<(Reply, Answer)>,
    commits: Vec<Commit>,
    /// What was counted and is taken back if nothing of it becomes durable.
    changes: Vec<Change>,
}

type Appending = Pin<Box<dyn Future<Output = (Drain, Result<(), AppendError>)> + Send>>;

struct Known {
    digest: CommandDigest,
    accepted: Accepted,
}

pub(super) struct Task<L> {
    log: Arc<L>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    watchers: Vec<mpsc::UnboundedSender<Commit>>,
    states: States,
    answers: LruCache<CommandId, Known>,
    counted: Counted,
    /// The end of the log once everything in flight is durable.
    head: Head,
}

impl<L: EventLog> Task<L> {
    pub(super) fn new(
        log: Arc<L>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        watchers: Vec<mpsc::UnboundedSender<Commit>>,
        room: Room,
    ) -> Self {
        let head = log.head();
        let (states, answers) = (States::new(), LruCache::new(ANSWERS));
        Self { log, clock, ids, watchers, states, answers, counted: room.into(), head }
    }

    /// Runs until it is closed, or every handle is dropped, and everything accepted is durable.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Envelope>, closing: CancellationToken) {
        let mut closed = false;
        let mut in_flight: FuturesOrdered<Appending> = FuturesOrdered::new();
        let mut drained = Vec::with_capacity(DRAIN);
        loop {
            tokio::select! {
                biased;
                Some((drain, result)) = in_flight.next(), if !in_flight.is_empty() => {
                    self.settle(drain, result);
                }
                count = waiting.recv_many(&mut drained, DRAIN), if in_flight.len() < IN_FLIGHT => {
                    if count == 0 {
                        break;
                    }
                    metrics::drained(count);
                    let appending = self.decide(std::mem::take(&mut drained)).await;
                    in_flight.push_back(appending);
                }
                () = closing.cancelled(), if !closed => {
                    closed = true;
                    waiting.close();
                }
            }
        }
        while let Some((drain, result)) = in_flight.next().await {
            self.settle(drain, result);
        }
    }

    /// Decides every command of a drain in order and starts to append what they led to.
    async fn decide(&mut self, drained: Vec<Envelope>) -> Appending {
        let replies = Vec::with_capacity(drained.len());
        let mut drain = Drain { replies, commits: Vec::new(), changes: Vec::new() };
        if let Health::ReadOnly(reason) = self.log.health() {
            for envelope in drained {
                drain.replies.push((envelope.reply, Err(Refused::ReadOnly(reason.clone()))));
            }
            return Box::pin(async { (drain, Ok(())) });
        }
        let before = self.head;
        let mut commands = Vec::new();
        for Envelope { work, reply } in drained {
            let answer = match work {
                Work::Decide(submission) => self.decide_one(&submission, &mut commands, &mut drain).await,
                Work::Recall { id, digest } => self.recall(id, digest).await.unwrap_or(Err(Refused::Unheard)),
            };
            drain.replies.push((reply, answer));
        }
        if commands.is_empty() {
            // Still behind everything in flight: what was decided may rest on it.
            return Box::pin(async { (drain, Ok(())) });
        }
        let (frames, head) = match frame::pack(before, commands) {
            Ok(packed) => packed,
            Err((_, too_large)) => {
                // Deciders keep their commands small, so this is a bug; nothing of the drain was appended.
                tracing::error!(%too_large, "a command does not fit into a frame");
                self.forget(before);
                return Box::pin(
                    async move { (drain, Err(AppendError::Storage(too_large.to_string().into()))) },
                );
            }
        };
        self.head = head;
        let log = self.log.clone();
        Box::pin(async move {
            let result = log.append(frames, before).await.map(|_| ());
            (drain, result)
        })
    }

    async fn decide_one(
        &mut self,
        submission: &Submission,
        commands: &mut Vec<Vec<Recorded>>,
        drain: &mut Drain,
    ) -> Answer {
        if submission.keyed
            && let Some(answer) = self.recall(submission.id, submission.digest).await
        {
            return answer;
        }
        let now = self.now();
        let cached = self.states.load(&*self.log, &submission.stream).await?;
        check(submission.expected, cached.head.version)?;
        let events = cached.decide(&submission.command, &Facts { now })?;
        let change = self.counted.admit(&submission.stream, cached.head.version, cached.run(), &events)?;
        if let Some(change) = change {
            self.counted.note(&change);
            drain.changes.push(change);
        }
        let mut recorded = Vec::with_capacity(events.len());
        for event in &events {
            self.head.position = self.head.position.next();
            self.head.at = now;
            let head = StreamHead { version: cached.head.version.next(), position: self.head.position };
            cached.evolve(event, head, now);
            recorded.push(self::record(submission, event, head, now, EventId(self.ids.next())));
        }
        let accepted = Accepted {
            stream: submission.stream.clone(),
            position: cached.head.position,
            stream_version: cached.head.version,
            events: events.into(),
            repeated: false,
        };
        if !recorded.is_empty() {
            drain.commits.push(Commit {
                stream: submission.stream.clone(),
                position: accepted.position,
                version: accepted.stream_version,
                at: now,
                events: accepted.events.clone(),
            });
            commands.push(recorded);
        }
        if submission.keyed {
            let known = Known { digest: submission.digest, accepted: accepted.clone() };
            self.answers.put(submission.id, known);
        }
        Ok(accepted)
    }

    /// The answer to a command that was given before under this id; none if there was no such command.
    async fn recall(&mut self, id: CommandId, digest: CommandDigest) -> Option<Answer> {
        match self.known(id).await {
            Ok(None) => None,
            Ok(Some(known)) if known.digest == digest => {
                Some(Ok(Accepted { repeated: true, ..known.accepted.clone() }))
            }
            Ok(Some(_)) => Some(Err(Refused::KeyReused)),
            Err(refused) => Some(Err(refused)),
        }
    }

    /// The time of the next event: never before that of the last one.
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.head.at)
    }

    /// The first answer to the command, if there was one.
    async fn known(&mut self, id: CommandId) -> Result<Option<&Known>, Refused> {
        if !self.answers.contains(&id) {
            let Some(first) = self.log.find_command(id)? else { return Ok(None) };
            let mut found: Option<(Recorded, Vec<Event>)> = None;
            let mut history = self.log.read(first);
            'events: while let Some(batch) = history.next().await {
                for recorded in batch?.iter() {
                    if recorded.command != id {
                        break 'events;
                    }
                    let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                    let mut events = found.take().map(|(_, events)| events).unwrap_or_default();
                    events.push(event);
                    found = Some((recorded.clone(), events));
                }
            }
            let Some((last, events)) = found else { return Ok(None) };
            let accepted = Accepted {
                stream: last.stream,
                position: last.position,
                stream_version: last.version,
                events: events.into(),
                repeated: false,
            };
            self.answers.put(id, Known { digest: last.digest, accepted });
        }
        Ok(self.answers.get(&id))
    }

    /// Answers the callers of a drain, now that its fate is known.
    fn settle(&mut self, drain: Drain, result: Result<(), AppendError>) {
        if let Err(error) = result {
            tracing::error!(code = "OC-LOG-003", %error, "an append failed");
            self.forget(self.log.head());
            drain.changes.into_iter().for_each(|change| self.counted.take_back(change));
            for (reply, answer) in drain.replies {
                let refused = answer.err().unwrap_or_else(|| match &error {
                    AppendError::ReadOnly(reason) => Refused::ReadOnly(reason.clone()),
                    AppendError::Storage(reason) => Refused::Storage(reason.clone()),
                    AppendError::WrongHead { .. } => Refused::Storage(error.to_string().into()),
                });
                // A caller that went away needs no answer.
                let _ = reply.send(Err(refused));
            }
            return;
        }
        for commit in drain.commits {
            self.states.settle(&commit.stream);
            for watcher in &self.watchers {
                // A watcher that is gone is stopping; the log has what it missed.
                let _ = watcher.send(commit.clone());
            }
        }
        for (reply, answer) in drain.replies {
            metrics::decided(&answer);
            let _ = reply.send(answer);
        }
    }

    /// Drops everything that was derived from appends that did not happen.
    fn forget(&mut self, head: Head) {
        self.states.clear();
        self.answers.clear();
        self.head = head;
    }
}

pub(super) fn check(expected: Expected, actual: Version) -> Result<(), Refused> {
    let (fits, wanted) = match expected {
        Expected::Any => return Ok(()),
        Expected::NoStream => (actual == Version::NONE, "no stream".to_owned()),
        Expected::Exact(version) => (actual == version, format!("version {version}")),
    };
    if fits { Ok(()) } else { Err(Refused::Conflict { expected: wanted, actual }) }
}

fn record(submission: &Submission, event: &Event, head: StreamHead, at: Timestamp, id: EventId) -> Recorded {
    Recorded {
        position: head.position,
        stream: submission.stream.clone(),
        version: head.version,
        id,
        event_type: Cow::Borrowed(event.event_type()),
        schema: event.schema(),
        at,
        actor: submission.actor.clone(),
        command: submission.id,
        digest: submission.digest,
        causality: submission.causality,
        data: event.encode().into(),
    }
}
