//! Runs one child process under bubblewrap, or refuses.
//!
//! [`Bubblewrap`] implements [`openclaw_ports::Sandbox`]. The processes of a job:
//!
//! ```text
//! server --socket--> helper (this program again) --> bwrap --> process 1 of the sandbox --> the program
//! ```
//!
//! The server checks the job and watches the clock. The [`helper`] closes what was inherited, leaves root, starts
//! bubblewrap with a chosen view of the system and a filter on system calls, sets limits, and stays until nothing of
//! the tree is alive. The socket is the only tie: if the server closes it, or dies, the tree is killed. Each module
//! says which attack its part is for.
//!
//! Invariants:
//! - Fails closed. A level that cannot be reached is [`Error::Unavailable`](openclaw_ports::sandbox::Error), never a
//!   lower level.
//! - Above level `None`, no program runs as the kernel's user 0, with an inherited descriptor or environment variable,
//!   or with a capability.
//! - When `run` returns, nothing of the tree is alive; when its future is dropped or the server dies, the tree is
//!   killed.
//!
//! What only control groups or quotas could stop, this does not: the memory of many processes together, the size and
//! the number of files in a workspace, and the share of processor and disk. Jobs that use one workspace at the same
//! time are not protected from each other.
//!
//! A code of 128 and the number of a deadly signal is reported as that signal above level `None`: bubblewrap, like a
//! shell, does not tell them apart.

mod bubblewrap;
mod check;
pub mod cli;
pub mod helper;
mod metrics;
mod output;
mod protocol;
mod seccomp;
mod system;

pub use bubblewrap::{Bubblewrap, Config};
pub use metrics::describe as describe_metrics;
pub use system::{PATH, which};
