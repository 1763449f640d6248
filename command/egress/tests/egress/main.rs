//! The gate and the proxy against servers that are there, and names that lie.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod canary;
mod clients;
mod forms;
mod proxy;
mod recording;
mod resolver;
mod smuggling;
