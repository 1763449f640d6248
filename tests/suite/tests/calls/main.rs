//! Calls to the world beyond plain HTTP, and the secrets they need: against the real binary.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod containers;
mod secrets;
mod services;
