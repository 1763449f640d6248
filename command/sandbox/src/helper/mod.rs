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
mod channel;
mod confined;
mod egress;
mod group;
pub(crate) mod identity;
mod isolated;
mod limits;
mod memory_file;
mod tree;
mod wait;
mod watchdog;
mod workspace;

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use openclaw_ports::sandbox::Level;
use rustix::{
    fs::Mode,
    process::{getpid, set_child_subreaper, umask},
    stdio,
};

use crate::{
    inner,
    protocol::{Report, Request},
};

/// The word after the hidden subcommand that makes it the inner stage.
const INNER: &str = "inner";

/// The word after it that makes it print which version of Landlock the kernel has.
pub(crate) const LANDLOCK: &str = "landlock";

/// Runs one job for the server at the other end of standard input. This is all of the hidden subcommand
/// `openclaw sandbox-exec`; call it before anything else in the process opens files or starts threads.
///
/// Exit code 0 says that a report was sent, 2 that standard input was not a server's socket. With more words it is the
/// inner stage, which the helper starts, or one of the attacks of the doctor.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [.., INNER, descriptor] => inner::main(descriptor),
        [.., LANDLOCK] => {
            let _ = write!(io::stdout(), "{}", inner::version());
            ExitCode::SUCCESS
        }
        [.., "attack", name, argument] => crate::doctor::attack(name, argument),
        _ => serve(),
    }
}

fn serve() -> ExitCode {
    if let Err(error) = identity::close_all_but(&[]) {
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
        Level::None => bare::run(request),
        Level::Confined => confined::run(request),
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

/// The words with which this very program becomes the inner stage.
fn inner_words(instructions: i32) -> Vec<String> {
    let own = std::env::args().skip(1);
    own.chain([INNER.to_owned(), instructions.to_string()]).collect()
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
