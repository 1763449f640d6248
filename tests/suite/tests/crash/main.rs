//! `kill -9`: nothing acknowledged is lost, nothing is torn, nothing happens twice.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod load;
mod moments;
mod rounds;
