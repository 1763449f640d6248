//! The process between the server and the tree: it makes everything ready, starts the tree, and outlives it.
//!
//! The server starts itself again with a hidden subcommand, whose whole work is [`main`]. That gives a place to change
//! user, close descriptors and set limits before a foreign program runs, without code between fork and exec. The
//! helper has one thread, lives as long as the tree and is its subreaper, so:
//!
//! - bubblewrap's parent-death signal, which the kernel ties to the *thread* that started it, holds as long as it
//!   should and not shorter;
//! - every orphan of the tree becomes the helper's child, and "no children left" means that nothing is alive;
//! - when the server dies, the socket between them ends, and the helper kills the tree.
//!
//! Invariant: the helper stays single-threaded. The system calls that change user and group act on one thread.

mod arguments;
mod bare;
mod identity;
mod isolated;
mod limits;
mod memory_file;
mod tree;
mod workspace;

use std::{
    io::{self, Read, Write},
    os::fd::BorrowedFd,
    process::ExitCode,
};

use openclaw_ports::sandbox::Level;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::Mode,
    process::{getpid, set_child_subreaper, umask},
    stdio,
};

use crate::protocol::{Report, Request};

/// Runs one job for the server at the other end of standard input. This is all of the hidden subcommand
/// `openclaw sandbox-exec`; call it before anything else in the process opens files or starts threads.
///
/// Exit code 0 says that a report was sent, 2 that standard input was not a server's socket.
pub fn main() -> ExitCode {
    if let Err(error) = identity::close_inherited_descriptors() {
        return answer(&Report::Unavailable(format!("cannot close inherited files: {error}")));
    }
    let request = match Request::read(Server) {
        Ok(request) => request,
        Err(error) => {
            let _ = writeln!(io::stderr(), "this command is for the server's own use: {error}");
            return ExitCode::from(2);
        }
    };
    answer(&carry_out(&request).unwrap_or_else(|report| report))
}

/// The report of what happened; the error is the report of why nothing did.
fn carry_out(request: &Request) -> Result<Report, Report> {
    umask(Mode::from_raw_mode(0o077));
    set_child_subreaper(Some(getpid())).map_err(unavailable("cannot become the tree's reaper"))?;
    match request.header.level {
        Level::None | Level::Confined => bare::run(request),
        Level::Relaxed | Level::Strict => isolated::run(request),
    }
}

fn answer(report: &Report) -> ExitCode {
    let bytes = serde_json::to_vec(report).expect("a report is plain data");
    match Server.write_all(&bytes) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is left to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

fn unavailable<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Report {
    move |error| Report::Unavailable(format!("{what}: {error}"))
}

/// The socket to the server.
struct Server;

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(stdio::stdin(), buffer)?)
    }
}

impl Write for Server {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdio::stdin(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What ended the wait for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wakeup {
    /// It ended.
    Ended,
    /// The server wants it to end, or is gone.
    Kill,
}

/// Waits until the process behind `pidfd` has ended or the server has closed its half.
fn wait_for(pidfd: BorrowedFd<'_>) -> io::Result<Wakeup> {
    let server = stdio::stdin();
    loop {
        let mut both =
            [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(&server, PollFlags::IN | PollFlags::RDHUP)];
        match poll(&mut both, None) {
            Ok(_) if !both[0].revents().is_empty() => return Ok(Wakeup::Ended),
            Ok(_) if !both[1].revents().is_empty() => return Ok(Wakeup::Kill),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
