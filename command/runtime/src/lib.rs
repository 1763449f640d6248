//! Carries out effects: dispatch, timers, retries, cancellation.
