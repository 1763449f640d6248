//! Who is woken by what: children, decisions, events, times, room. Over the log in memory and in virtual time, with
//! crashes in between.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod children;
mod control;
mod events;
mod memory;
mod room;
mod schedules;
mod world;
