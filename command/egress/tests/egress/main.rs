//! The gate and the proxy against servers that are there, and names that lie.

mod canary;
mod clients;
mod forms;
mod proxy;
mod recording;
mod resolver;
mod smuggling;
