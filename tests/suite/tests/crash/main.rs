//! `kill -9`: nothing acknowledged is lost, nothing is torn, nothing happens twice. `rounds` kills at random under
//! load; the other modules are the crash table, one test for each row.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod effects;
mod ends;
mod load;
mod outside;
mod people;
mod places;
mod rounds;
mod times;
