//! The layers of a sandbox, by name.

use serde::{Deserialize, Serialize};

/// One layer, to be left out in tests that show what it is for. Never left out by the server.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Landlock rules.
    Landlock,
    /// The filter on system calls.
    Seccomp,
    /// Limits of the kernel on each process.
    Rlimits,
    /// The watchdog over the tree.
    Watchdog,
    /// The network namespace.
    Network,
    /// The IPC namespace.
    Ipc,
    /// The process namespace.
    Processes,
    /// The change from root to the sandbox's user.
    User,
    /// Read-only binds of version control and settings in the workspace.
    Protected,
    /// The size of shared memory.
    SharedMemory,
}
