//! The world outside the measured workflows: a server that notes when each call arrived and when it was answered.
//!
//! It stands outside both systems of a comparison, so that both are measured with the same clock. The time between the
//! answer to one call of a run and the arrival of the next is what a system needs from one step to the next.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::Instant};

use crate::report::millis;

/// How long a call is waited for before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// One call as it was seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) run: String,
    /// Where in the workflow.
    pub(crate) place: String,
    pub(crate) arrived: Instant,
    /// None as long as it is held.
    pub(crate) answered: Option<Instant>,
}

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    base: String,
    inner: Arc<Inner>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Inner {
    calls: Mutex<Calls>,
    /// Characters of payload in each answer.
    payload: AtomicUsize,
    served: AtomicU64,
    /// By place; changes wake what is held.
    behaviours: watch::Sender<BTreeMap<String, Behaviour>>,
    arrivals: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Calls {
    /// How many were taken out before these.
    taken: usize,
    list: Vec<Call>,
}

#[derive(Clone, Debug, Default)]
struct Behaviour {
    /// The call of this place from which on all are held, counted from 1.
    held_from: Option<usize>,
    /// Whether it answers 503.
    fails: bool,
}

impl Observer {
    /// Starts it on a free port.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let inner = Arc::new(Inner {
            calls: Mutex::default(),
            payload: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            behaviours: watch::channel(BTreeMap::new()).0,
            arrivals: watch::channel(0).0,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let application = Router::new().route("/{run}/{place}", post(answer)).with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, application).await.expect("a bound listener serves");
        });
        Ok(Self { base, inner, _serving: serving })
    }

    /// Its address, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// From now on every answer carries a text of this many characters that no other answer has.
    pub(crate) fn payload(&self, characters: usize) {
        self.inner.payload.store(characters, Ordering::Relaxed);
    }

    /// Holds the calls of `place`, from the one with this number on (the first is 1), until [`Observer::release`].
    pub(crate) fn hold(&self, place: &str, from: usize) {
        self.change(place, |behaviour| behaviour.held_from = Some(from));
    }

    /// Answers what is held at `place`.
    pub(crate) fn release(&self, place: &str) {
        self.change(place, |behaviour| behaviour.held_from = None);
    }

    /// From now on `place` answers 503.
    pub(crate) fn fail(&self, place: &str) {
        self.change(place, |behaviour| behaviour.fails = true);
    }

    /// Forgets what it was told about places, and all calls.
    pub(crate) fn reset(&self) {
        self.inner.behaviours.send_modify(BTreeMap::clear);
        self.take();
    }

    /// Waits until `place` was called that often since the calls were taken.
    pub(crate) async fn arrived(&self, place: &str, calls: usize) -> anyhow::Result<()> {
        let enough =
            || lock(&self.inner.calls).list.iter().filter(|call| call.place == place).count() >= calls;
        let mut arrivals = self.inner.arrivals.subscribe();
        match tokio::time::timeout(PATIENCE, arrivals.wait_for(|_| enough())).await {
            Ok(seen) => {
                seen?;
                Ok(())
            }
            Err(_) => anyhow::bail!("call {calls} of {place} did not come: {:?}", self.calls()),
        }
    }

    /// The calls so far, in the order of their arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.inner.calls).list.clone()
    }

    /// Takes the calls out.
    pub(crate) fn take(&self) -> Vec<Call> {
        let mut calls = lock(&self.inner.calls);
        calls.taken += calls.list.len();
        std::mem::take(&mut calls.list)
    }

    fn change(&self, place: &str, change: impl FnOnce(&mut Behaviour)) {
        self.inner.behaviours.send_modify(|known| change(known.entry(place.to_owned()).or_default()));
    }
}

fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(inner): State<Arc<Inner>>,
    Path((run, place)): Path<(String, String)>,
    _: Bytes,
) -> Response {
    let mut behaviours = inner.behaviours.subscribe();
    let (index, number) = {
        let mut calls = lock(&inner.calls);
        // Counting takes time, which the measured paths do not have to spare.
        let number = match behaviours.borrow().contains_key(&place) {
            true => 1 + calls.list.iter().filter(|call| call.place == place).count(),
            false => 0,
        };
        calls.list.push(Call { run, place: place.clone(), arrived: Instant::now(), answered: None });
        (calls.taken + calls.list.len() - 1, number)
    };
    inner.arrivals.send_modify(|arrivals| *arrivals += 1);
    let held = |behaviour: &Behaviour| behaviour.held_from.is_some_and(|from| number >= from);
    let behaviour = match behaviours.wait_for(|known| !known.get(&place).is_some_and(held)).await {
        Ok(known) => known.get(&place).cloned().unwrap_or_default(),
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let text = noise(inner.served.fetch_add(1, Ordering::Relaxed), inner.payload.load(Ordering::Relaxed));
    let body = json!({ "data": text }).to_string();
    {
        let mut calls = lock(&inner.calls);
        let index = index.checked_sub(calls.taken);
        if let Some(call) = index.and_then(|index| calls.list.get_mut(index)) {
            call.answered = Some(Instant::now());
        }
    }
    match behaviour.fails {
        true => (StatusCode::SERVICE_UNAVAILABLE, "told to fail").into_response(),
        false => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
    }
}

/// A text that does not compress well: six bits of a random number (splitmix64) in each character.
fn noise(seed: u64, characters: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let letter = |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        char::from(LETTERS[((mixed ^ (mixed >> 31)) & 63) as usize])
    };
    (0..characters).map(letter).collect()
}

/// Milliseconds from each answer to the next call of the same run.
pub(crate) fn gaps(calls: &[Call]) -> Vec<f64> {
    let mut last: HashMap<&str, Instant> = HashMap::new();
    let mut gaps = Vec::new();
    for call in calls {
        if let Some(answered) = last.remove(call.run.as_str()) {
            gaps.push(millis(call.arrived.saturating_duration_since(answered)));
        }
        if let Some(answered) = call.answered {
            last.insert(&call.run, answered);
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_between_calls_of_one_run() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let call = |run: &str, arrived, answered| Call {
            run: run.to_owned(),
            place: "0".into(),
            arrived: at(arrived),
            answered: Some(at(answered)),
        };
        let calls = [call("a", 0, 5), call("b", 1, 2), call("a", 8, 9), call("b", 12, 13)];
        assert_eq!(gaps(&calls), [3.0, 10.0]);
    }

    #[test]
    fn noise_has_its_length_and_is_never_the_same() {
        assert_eq!(noise(1, 1000).len(), 1000);
        assert_ne!(noise(1, 1000), noise(2, 1000));
        assert_eq!(noise(7, 0), "");
    }
}
