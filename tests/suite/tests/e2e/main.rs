//! The whole server from the outside, as its users meet it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod commands;
mod language;
mod operations;
mod queries;
mod reads;
mod repetition;
mod tasks;
mod watching;
