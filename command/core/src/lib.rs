//! What may happen: the deciders. Pure functions from state and command to events, or a rejection.
//!
//! Invariant: nothing here knows a clock, randomness or I/O. Whatever a decision needs from outside comes in
//! [`Facts`] or in the command.
#![no_std]

extern crate alloc;

pub mod approval;
pub mod credential;
pub mod journal;
pub mod policy;
pub mod published;
pub mod run;
pub mod schedule;
pub mod session;
pub mod token;
pub mod user;
pub mod webhook;
pub mod workflow;

use alloc::vec::Vec;

use openclaw_model::{Timestamp, Version};

/// What a decision may know of the world.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The time that the events will carry.
    pub now: Timestamp,
}

/// How an event stream takes commands.
///
/// Outstanding work is not part of this trait because only runs have any: see [`run::pending`].
pub trait Decider {
    /// Folded from the stream; `Default` is the state of a stream without events.
    type State: Default;
    /// What may be asked.
    type Command;
    /// What may happen.
    type Event;
    /// Why not.
    type Rejection;

    /// Events that follow from `command`, or why it is refused. No events means that there is nothing left to do.
    ///
    /// # Errors
    /// The rejection; the stream is unchanged.
    fn decide(
        state: &Self::State,
        command: &Self::Command,
        facts: &Facts,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Folds a recorded event in. Total: a recorded event always applies.
    fn evolve(state: &mut Self::State, event: &Self::Event, version: Version, at: Timestamp);
}
