//! Typed client of the server.
