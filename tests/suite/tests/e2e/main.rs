//! The whole server from the outside, as its users meet it.

mod commands;
mod language;
mod operations;
mod queries;
mod repetition;
mod tasks;
mod watching;
