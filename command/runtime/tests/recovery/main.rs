//! Random workflows, interrupted at random moments, come to what they come to when nothing happens.
//!
//! `workflow` makes documents of which it knows the result, `port` is the world that effects act on, `world` is the
//! runtime over the log in memory, `execution` interrupts it, and `trace` is what runs left in the log.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod execution;
mod port;
mod property;
mod trace;
mod workflow;
mod world;
