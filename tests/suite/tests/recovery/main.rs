//! What durable runs cost: bytes on disk for each task, and memory, time and work for each run that waits.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod storage;
mod waiting;
