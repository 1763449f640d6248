//! Measurements against named baselines.
