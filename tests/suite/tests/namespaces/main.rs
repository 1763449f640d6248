//! Two namespaces on one server: whoever is let into one of them finds nothing of the other, changes nothing in it, and
//! cannot tell what is there from what is not.
//!
//! What is tried comes from the server's own descriptions of itself: every method of `rpc.discover`, every field of the
//! GraphQL schema. One that nobody has thought about here fails the test.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod bounds;
mod events;
mod fields;
mod methods;
mod world;
