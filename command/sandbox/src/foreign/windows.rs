//! The Job Object and the token of a process on Windows, as data.
//!
//! A Job Object bounds what a tree uses and ends it; it is no sandbox for files or network. That is the token's part, and
//! the firewall's. Until both are put on by code that was run on Windows, the server refuses to run processes there.

use openclaw_ports::sandbox::{Level, Policy};

/// Limits of a Job Object, with the names that the system gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobObject {
    /// `JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE`: the tree ends with the server.
    pub kill_on_job_close: bool,
    /// Whether a process may leave the job: never.
    pub breakaway_ok: bool,
    /// `ActiveProcessLimit`.
    pub active_processes: u32,
    /// `JobMemoryLimit`, of the tree as a whole.
    pub job_memory_bytes: u64,
    /// `PerJobUserTimeLimit`, in units of 100 nanoseconds.
    pub job_user_time: i64,
    /// `JOB_OBJECT_UILIMIT_*`: no desktop, clipboard, handles of others, settings or shutting down.
    pub every_ui_limit: bool,
}

/// The token of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The server's own.
    Inherited,
    /// Restricted: every group for denying only, no privileges, low integrity; in an `AppContainer` without
    /// capabilities, which has neither network nor files of the user.
    Contained,
    /// As contained, with connections to loopback allowed for the egress proxy.
    ContainedWithLoopback,
}

/// The Job Object of a tree with `policy`.
#[must_use]
pub fn job_object(policy: &Policy) -> JobObject {
    let limits = &policy.limits;
    let time = limits.cpu_seconds.saturating_mul(10_000_000);
    JobObject {
        kill_on_job_close: true,
        breakaway_ok: false,
        active_processes: u32::try_from(limits.processes).unwrap_or(u32::MAX),
        job_memory_bytes: limits.memory_bytes,
        job_user_time: i64::try_from(time).unwrap_or(i64::MAX),
        every_ui_limit: policy.level != Level::None,
    }
}

/// The token of a tree with `policy`.
#[must_use]
pub const fn token(policy: &Policy) -> Token {
    match policy.level {
        Level::None => Token::Inherited,
        Level::Relaxed => Token::ContainedWithLoopback,
        Level::Confined | Level::Strict => Token::Contained,
    }
}

#[cfg(test)]
mod tests {
    use openclaw_ports::sandbox::Limits;

    use super::*;

    #[test]
    fn a_tree_is_bounded_and_ends_with_the_server_at_every_level() {
        for level in [Level::None, Level::Confined, Level::Relaxed, Level::Strict] {
            let limits = Limits { cpu_seconds: 2, memory_bytes: 5, processes: u64::MAX, ..Limits::default() };
            let job = job_object(&Policy { level, limits, ..Policy::default() });
            assert!(job.kill_on_job_close && !job.breakaway_ok, "{level}");
            assert_eq!(
                (job.active_processes, job.job_memory_bytes, job.job_user_time),
                (u32::MAX, 5, 20_000_000)
            );
        }
    }

    #[test]
    fn only_level_none_has_the_servers_token_and_only_relaxed_reaches_loopback() {
        let of = |level| token(&Policy { level, ..Policy::default() });
        assert_eq!(of(Level::None), Token::Inherited);
        assert_eq!(of(Level::Relaxed), Token::ContainedWithLoopback);
        assert_eq!((of(Level::Strict), of(Level::Confined)), (Token::Contained, Token::Contained));
    }
}
