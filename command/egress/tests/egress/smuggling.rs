//! Requests that mean two things.
