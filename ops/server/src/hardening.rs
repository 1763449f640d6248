//! What the server process does so that what is in its memory stays there.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Writes no core files, and lets no other process of the same user read its memory or its environment. Programs that it
/// starts are not bound by the second.
///
/// A system that does not allow it is told in the log; that is no reason not to serve.
pub(crate) fn protect_memory() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(problem) = setrlimit(Resource::Core, none) {
        tracing::warn!(%problem, "core files cannot be switched off");
    }
    if let Err(problem) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%problem, "other processes of this user can read the memory of the server");
    }
}
