//! Runs processes that are not trusted, each confined as far as its policy says, or refuses.
//!
//! [`Machine`] implements [`openclaw_ports::Sandbox`]. The processes of a job at levels strict and relaxed:
//!
//! ```text
//! server --socket--> helper --> bwrap --> process 1 of the sandbox --> inner stage, which becomes the program
//! ```
//!
//! Helper and inner stage are this program again. The server checks the job and watches the clock. The [`helper`]
//! closes what was inherited, leaves root, starts bubblewrap with a chosen view of the system and a filter on system
//! calls, sets limits, watches over the tree, takes connections to the egress proxy, and stays until nothing of the
//! tree is alive. The inner stage puts Landlock rules on itself. The socket is the only tie: if the server closes it,
//! or dies, the tree is killed. Each module says which attack its part is for.
//!
//! Where namespaces are not to be had, level confined goes without bubblewrap: the inner stage puts on rules and
//! filter alone.
//!
//! Invariants:
//! - Fails closed. A job that asks for a level that cannot be reached does not run, and never at a wider level.
//! - Above level `None`, no program runs as the kernel's user 0, with an inherited descriptor or environment variable,
//!   or with a capability.
//! - When `run` returns, nothing of the tree is alive; when its future is dropped or the server dies, the tree is
//!   killed.
//!
//! Without control groups, a watchdog looks after what the kernel bounds only for each process: it finds what lasts a
//! quarter of a second. Jobs that use one workspace at the same time are not protected from each other.
//!
//! A code of 128 and the number of a deadly signal is reported as that signal above level `None`: bubblewrap, like a
//! shell, does not tell them apart.

mod cgroup;
mod check;
pub mod cli;
mod conversation;
pub mod doctor;
pub mod foreign;
#[doc(hidden)]
pub mod fuzz;
pub mod helper;
mod inner;
mod layer;
mod machine;
mod metrics;
mod output;
mod protocol;
mod seccomp;
mod system;

#[doc(hidden)]
pub use layer::Layer;
pub use machine::{Backend, Config, InForce, Machine};
pub use metrics::describe as describe_metrics;
pub use system::{PATH, which};
