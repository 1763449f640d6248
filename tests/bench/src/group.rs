//! Producers that each wait for their event before they send the next, and the group commit above a sink.
//!
//! The group commit is the sequencer's: it takes what waits, at most [`DRAIN`] at once, and has at most [`IN_FLIGHT`]
//! drains under way. The log and the bare file are driven by the same code, so that they differ in nothing but what
//! lies below.

use std::{future::Future, time::Duration};

use futures_util::{StreamExt, stream::FuturesOrdered};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

use crate::report::{millis, quantile};

const DRAIN: usize = 512;
const IN_FLIGHT: usize = 4;
const QUEUE: usize = 4096;

/// Where events are made durable.
pub(crate) trait Sink: Send + 'static {
    /// Appends this many events, which are durable when the future is done. The futures are polled for the first time
    /// in the order in which they were made.
    fn append(&mut self, events: usize) -> impl Future<Output = anyhow::Result<()>> + Send + 'static;
}

/// What a round of producers did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) events: u64,
    pub(crate) elapsed: Duration,
    /// From sending an event to its answer, in milliseconds.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Lets `producers` append to `sink` for `time`. Gives the sink back.
pub(crate) async fn round<S: Sink>(sink: S, producers: usize, time: Duration) -> anyhow::Result<(Round, S)> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let mut committing = JoinSet::new();
    committing.spawn(commit(sink, waiting));
    let mut producing = JoinSet::new();
    let started = Instant::now();
    for _ in 0..producers {
        producing.spawn(produce(queue.clone(), started + time));
    }
    drop(queue);
    let latencies: Vec<f64> = producing.join_all().await.into_iter().flatten().collect();
    let elapsed = started.elapsed();
    let sink = committing.join_next().await.expect("it was spawned above")??;
    let round = Round {
        events: latencies.len() as u64,
        elapsed,
        p50_ms: quantile(latencies.iter().copied(), 0.5),
        p99_ms: quantile(latencies.iter().copied(), 0.99),
    };
    Ok((round, sink))
}

async fn produce(queue: mpsc::Sender<oneshot::Sender<()>>, end: Instant) -> Vec<f64> {
    let mut latencies = Vec::new();
    loop {
        let started = Instant::now();
        if started >= end {
            return latencies;
        }
        let (answer, answered) = oneshot::channel();
        // Both fail only after an append failed, which `round` reports.
        if queue.send(answer).await.is_err() || answered.await.is_err() {
            return latencies;
        }
        latencies.push(millis(started.elapsed()));
    }
}

async fn commit<S: Sink>(mut sink: S, mut waiting: mpsc::Receiver<oneshot::Sender<()>>) -> anyhow::Result<S> {
    let mut in_flight = FuturesOrdered::new();
    let mut open = true;
    while open || !in_flight.is_empty() {
        let mut drained = Vec::new();
        tokio::select! {
            biased;
            Some(appended) = in_flight.next(), if !in_flight.is_empty() => appended?,
            count = waiting.recv_many(&mut drained, DRAIN), if open && in_flight.len() < IN_FLIGHT => {
                open = count > 0;
                if open {
                    let appending = sink.append(count);
                    in_flight.push_back(async move {
                        appending.await?;
                        for answer in drained {
                            // A producer waits for its answer; one that is gone has failed and said so.
                            let _ = answer.send(());
                        }
                        anyhow::Ok(())
                    });
                }
            }
        }
    }
    Ok(sink)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(Vec<usize>);

    impl Sink for Counting {
        fn append(&mut self, events: usize) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
            self.0.push(events);
            std::future::ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn every_answered_event_was_appended_once_and_in_bounded_drains() {
        let (round, sink) = round(Counting(Vec::new()), 1000, Duration::from_millis(20)).await.unwrap();
        assert_eq!(sink.0.iter().sum::<usize>() as u64, round.events);
        assert!(sink.0.iter().all(|drain| (1..=DRAIN).contains(drain)));
        assert!(round.events >= 1000);
    }
}
