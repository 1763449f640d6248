//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod history;
pub(crate) mod rows;

use std::time::Duration;

/// Longest wait for something that is under way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
