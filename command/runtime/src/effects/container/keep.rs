//! Removing containers after their end (dsl-reference, "Container Lifetime").

use std::time::Duration;

use openclaw_model::Timestamp;
use openclaw_ports::Clock;

use super::{INSTANCE, KEEP, engine::Engine};

/// A container is kept for this long in any case: until its outcome is in the log, it is the only place that has it.
pub(super) const GRACE: Duration = Duration::from_secs(60);
/// How often it is looked for containers that nobody else removes.
pub(super) const INTERVAL: Duration = Duration::from_secs(3600);

/// Waits for the end of a container and for as long as it is kept, and removes it.
pub(super) async fn remove(engine: &Engine, id: &str, keep: Duration) {
    if engine.wait(id).await.is_err() {
        // Somebody else has removed it.
        return;
    }
    tokio::time::sleep(keep.max(GRACE)).await;
    take_away(engine, id).await;
}

/// Removes every container of this server that has been kept for long enough.
pub(super) async fn sweep(engine: &Engine, instance: &str, clock: &dyn Clock) {
    let ids = match engine.list(&format!("label={INSTANCE}={instance}")).await {
        Ok(ids) => ids,
        Err(problem) => {
            tracing::warn!(%problem, "containers of earlier runs are not removed");
            return;
        }
    };
    for id in ids {
        let (Ok(state), Ok(Some(keep))) = (engine.state(&id).await, engine.label(&id, KEEP).await) else {
            continue;
        };
        let (Ok(keep), Ok(ended)) = (keep.parse::<u64>(), state.finished_at.parse::<Timestamp>()) else {
            continue;
        };
        let keep = keep.max(u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX));
        if state.has_ended() && ended.plus_millis(keep) <= clock.now() {
            take_away(engine, &id).await;
        }
    }
}

async fn take_away(engine: &Engine, id: &str) {
    if let Err(problem) = engine.remove(id).await {
        tracing::warn!(%problem, container = id, "a container is left");
    }
}
