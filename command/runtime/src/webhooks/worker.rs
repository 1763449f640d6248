//! The worker of one webhook: delivers what comes, and beside it dead letters that somebody wants tried again.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use openclaw_core::webhook::{Command, Rejection, State};
use openclaw_gateway::sequencer::{self, Refused, Submission};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, CommandDigest, CommandId, Position, Recorded, StreamId, Timestamp, envelope::Causality, namespace,
};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Parts,
    delivery::{Message, Sender},
    source::Source,
};
use crate::{lifecycle, metrics};

/// Deliveries after which it is recorded how far they have come, at the latest.
const DELIVERIES: u64 = 100;
/// Time after which it is recorded at the latest.
const RECORD: Duration = Duration::from_secs(1);
/// Events of no interest after which it is recorded at the latest, so that a start need not read them again.
const OF_NO_INTEREST: u64 = 8_192;

/// Why a worker leaves.
enum Leave {
    /// The webhook was removed, or the server stops.
    Done,
    /// The log cannot be read or written.
    Failed(Refused),
}

impl From<Refused> for Leave {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Stopping | Refused::Rejected(sequencer::Rejection::Webhook(Rejection::NotFound)) => {
                Self::Done
            }
            other => Self::Failed(other),
        }
    }
}

/// What became of the attempts to deliver something.
enum Outcome {
    Delivered,
    /// In vain, as often as it may be tried.
    GivenUp {
        attempts: u32,
        error: String,
        since: Timestamp,
    },
}

/// Works until the webhook is removed or `stopping` fires.
pub(super) async fn work<L: EventLog>(
    parts: Arc<Parts<L>>,
    stream: StreamId,
    state: watch::Receiver<Arc<State>>,
    stopping: CancellationToken,
) {
    let sender = Sender::new(parts.gate.clone(), parts.limits);
    let new = |state| Worker {
        parts: &*parts,
        stream: &stream,
        sender: &sender,
        state,
        stopping: stopping.clone(),
    };
    let (mut following, mut redriving) = (new(state.clone()), new(state));
    let leave = tokio::select! {
        leave = following.follow() => leave,
        leave = redriving.redrive() => leave,
    };
    if let Leave::Failed(refused) = leave {
        tracing::warn!(webhook = stream.name(), %refused, "a webhook is told nothing more until the next start");
    }
}

struct Worker<'a, L> {
    parts: &'a Parts<L>,
    stream: &'a StreamId,
    sender: &'a Sender,
    state: watch::Receiver<Arc<State>>,
    stopping: CancellationToken,
}

/// How far the deliveries have come, beyond what is recorded.
struct Progress {
    recorded: Position,
    through: Position,
    delivered: u64,
    since: Instant,
}

impl<L: EventLog> Worker<'_, L> {
    /// Delivers every event after the cursor, in order.
    async fn follow(&mut self) -> Leave {
        let cursor = self.state.borrow().cursor;
        let mut progress =
            Progress { recorded: cursor, through: cursor, delivered: 0, since: Instant::now() };
        let leave = match self.deliver(&mut progress).await {
            Ok(never) => match never {},
            Err(leave) => leave,
        };
        // What was delivered is recorded even when the server stops, so that it is not delivered again.
        if let (Leave::Done, Err(Leave::Failed(refused))) = (&leave, self.record(&mut progress).await) {
            return Leave::Failed(refused);
        }
        leave
    }

    async fn deliver(&mut self, progress: &mut Progress) -> Result<std::convert::Infallible, Leave> {
        let mut source = Source::new(self.parts.log.clone(), namespace::of_name(self.stream.name()));
        let mut tail = self.parts.log.tail(progress.through.next());
        loop {
            let record_at = progress.since + RECORD;
            tokio::select! {
                batch = tail.next() => {
                    let batch = batch.ok_or(Leave::Done)?.map_err(|error| Leave::Failed(error.into()))?;
                    for recorded in batch.iter() {
                        self.pass(&mut source, recorded, progress).await?;
                    }
                }
                () = sleep_until(record_at), if progress.delivered > 0 => self.record(progress).await?,
                changed = self.state.changed() => self.go_on(changed.is_ok())?,
                () = self.stopping.cancelled() => return Err(Leave::Done),
            }
        }
    }

    /// Delivers what one log event means.
    async fn pass(
        &mut self,
        source: &mut Source<L>,
        recorded: &Recorded,
        progress: &mut Progress,
    ) -> Result<(), Leave> {
        let position = recorded.position;
        let target = self.state.borrow().target.clone().ok_or(Leave::Done)?;
        let events = source.events(recorded, &target).await?;
        let mut events = events.into_iter();
        while let Some((number, event)) = events.next() {
            if progress.delivered == 0 {
                progress.since = Instant::now();
            }
            match self.insist(position, number, &event).await? {
                Outcome::Delivered => progress.delivered += 1,
                Outcome::GivenUp { attempts, error, since } => {
                    // Those after it of the same log event wait with it.
                    let rest: Vec<Value> =
                        std::iter::once(event).chain(events.by_ref().map(|(_, rest)| rest)).collect();
                    let event = match <[Value; 1]>::try_from(rest) {
                        Ok([event]) => event,
                        Err(rest) => Value::Array(rest),
                    };
                    self.record(progress).await?;
                    self.give_up(Command::GiveUp { position, event, attempts, error, since }).await?;
                    progress.recorded = position;
                }
            }
        }
        progress.through = position;
        let behind = position.0 - progress.recorded.0;
        if progress.delivered >= DELIVERIES
            || behind >= OF_NO_INTEREST
            || (progress.delivered > 0 && progress.since.elapsed() >= RECORD)
        {
            self.record(progress).await?;
        }
        Ok(())
    }

    /// Delivers dead letters that somebody wants tried again, the oldest first.
    async fn redrive(&mut self) -> Leave {
        match self.redrive_all().await {
            Ok(never) => match never {},
            Err(leave) => leave,
        }
    }

    async fn redrive_all(&mut self) -> Result<std::convert::Infallible, Leave> {
        loop {
            let next = {
                let state = self.state.borrow_and_update();
                let position = state.redriven.first().copied();
                position.and_then(|position| Some((position, state.letters.get(&position)?.clone())))
            };
            let Some((position, letter)) = next else {
                tokio::select! {
                    changed = self.state.changed() => self.go_on(changed.is_ok())?,
                    // The other half records what was delivered, and leaves.
                    () = self.stopping.cancelled() => std::future::pending().await,
                }
                continue;
            };
            let events = match &*letter.event {
                Value::Array(events) => events.clone(),
                event => vec![event.clone()],
            };
            let mut outcome = Outcome::Delivered;
            for event in &events {
                let number = number_of(event, position);
                outcome = match self.insist(position, number, event).await {
                    Ok(outcome) => outcome,
                    Err(Leave::Done) if self.stopping.is_cancelled() => std::future::pending().await,
                    Err(leave) => return Err(leave),
                };
                if matches!(outcome, Outcome::GivenUp { .. }) {
                    break;
                }
            }
            let command = match outcome {
                Outcome::Delivered => Command::Delivered { position },
                Outcome::GivenUp { attempts, error, .. } => Command::GiveUp {
                    position,
                    event: (*letter.event).clone(),
                    attempts: letter.attempts.saturating_add(attempts),
                    error,
                    since: letter.since,
                },
            };
            self.submit(command).await?;
            let done = self.state.wait_for(|state| !state.redriven.contains(&position)).await.is_ok();
            self.go_on(done)?;
        }
    }

    /// Tries to deliver `event` until it is taken, or as often as it may be tried.
    async fn insist(&mut self, position: Position, number: usize, event: &Value) -> Result<Outcome, Leave> {
        let id = if number == 0 { format!("evt_{position}") } else { format!("evt_{position}-{number}") };
        let body = event.to_string();
        let since = self.parts.clock.now();
        let mut attempts = 0;
        loop {
            let target = self.state.borrow_and_update().target.clone().ok_or(Leave::Done)?;
            let message =
                Message { id: id.clone(), body: body.clone(), target: &target, webhook: self.stream.name() };
            let sent = self.sender.send(&message, &*self.parts.secrets, self.parts.clock.now());
            let error = tokio::select! {
                sent = sent => match sent {
                    Ok(()) => {
                        metrics::delivery("delivered");
                        return Ok(Outcome::Delivered);
                    }
                    Err(error) => error,
                },
                leave = removed(&mut self.state) => return Err(leave),
                () = self.stopping.cancelled() => return Err(Leave::Done),
            };
            attempts += 1;
            metrics::delivery("failed");
            tracing::debug!(webhook = self.stream.name(), id, attempts, error, "a delivery failed");
            if attempts >= self.parts.limits.attempts {
                metrics::delivery("given_up");
                return Ok(Outcome::GivenUp { attempts, error, since });
            }
            let changed = |state: &Arc<State>| state.target.as_ref() != Some(&target);
            let pause = self.pause(attempts);
            let corrected = tokio::select! {
                () = sleep(pause) => None,
                // Somebody corrected it, or removed it: look at once.
                changed = self.state.wait_for(changed) => Some(changed.is_ok()),
                () = self.stopping.cancelled() => return Err(Leave::Done),
            };
            if let Some(known) = corrected {
                attempts = 0;
                self.go_on(known)?;
            }
        }
    }

    /// Records a dead letter; while the list is full, waits until somebody looks at it.
    async fn give_up(&mut self, command: Command) -> Result<(), Leave> {
        let mut told = false;
        loop {
            match self.submit(command.clone()).await {
                Err(Leave::Failed(Refused::Rejected(sequencer::Rejection::Webhook(Rejection::Full)))) => {}
                other => return other,
            }
            if !std::mem::replace(&mut told, true) {
                let (webhook, code) = (self.stream.name(), Rejection::Full.code());
                tracing::warn!(webhook, code, "a webhook waits: its list of dead letters is full");
            }
            tokio::select! {
                changed = self.state.changed() => self.go_on(changed.is_ok())?,
                () = self.stopping.cancelled() => return Err(Leave::Done),
            }
        }
    }

    /// Half to all of the pause that doubles with each attempt, so that receivers that come back are not run over.
    fn pause(&self, attempts: u32) -> Duration {
        let limits = &self.parts.limits;
        let doubled = limits.first_pause.saturating_mul(1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX));
        let bytes = self.parts.ids.next().into_bytes();
        let share = f64::from(u16::from_be_bytes([bytes[14], bytes[15]])) / f64::from(u16::MAX);
        doubled.min(limits.longest_pause).mul_f64(0.5 + share / 2.0)
    }

    /// Records how far the deliveries have come.
    async fn record(&self, progress: &mut Progress) -> Result<(), Leave> {
        let Progress { through, delivered, recorded, .. } = *progress;
        if through > recorded && (delivered > 0 || through.0 - recorded.0 >= OF_NO_INTEREST) {
            self.submit(Command::Advance { through, delivered }).await?;
            (progress.recorded, progress.delivered) = (through, 0);
        }
        Ok(())
    }

    async fn submit(&self, command: Command) -> Result<(), Leave> {
        let submission = Submission {
            stream: self.stream.clone(),
            command: command.into(),
            id: CommandId(*self.parts.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: Default::default(),
            actor: Actor::RUNTIME,
            causality: Causality::default(),
        };
        self.parts.sequencer.submit_patiently(submission).await?;
        Ok(())
    }

    /// Leaves if the webhook is gone. `known` says that its state can still be had.
    fn go_on(&self, known: bool) -> Result<(), Leave> {
        if known && self.state.borrow().target.is_some() { Ok(()) } else { Err(Leave::Done) }
    }
}

/// Returns when the webhook is removed.
async fn removed(state: &mut watch::Receiver<Arc<State>>) -> Leave {
    // An error means that nobody keeps it any more.
    let _ = state.wait_for(|state| state.target.is_none()).await;
    Leave::Done
}

/// The number that a lifecycle event has among those of its log event, which stands at the end of its id; 0 for all
/// others.
fn number_of(event: &Value, position: Position) -> usize {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    if !text("type").starts_with(lifecycle::PREFIX) {
        return 0;
    }
    let id = text("id");
    id.strip_prefix(&format!("{position}-")).and_then(|number| number.parse().ok()).unwrap_or(0)
}
