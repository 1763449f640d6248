//! The vault: right use, attacks on its file, and cut power.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
mod power;
mod tamper;
mod uses;
