//! The last stage before the program: inside the sandbox, this program once more, which puts on itself what cannot be
//! put on from outside, and then becomes the program.
//!
//! Landlock forbids mounting, so its rules cannot stand before bubblewrap has built the view of the system. The
//! helper's executable is not visible in that view: it is executed through an inherited descriptor, by
//! `/proc/self/fd/N`. Nothing of it is left when the program runs.
//!
//! Invariant: until the rules stand, nothing that the job chose is used. Its environment in particular comes in the
//! instructions and not as this process's own, or `LD_PRELOAD` would run code ahead of the rules.

mod listen;
mod rules;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{Command, ExitCode},
};

use crate::{
    helper::identity,
    protocol::{Fault, Inner},
    seccomp,
};

pub(crate) use listen::LISTENER;
pub(crate) use rules::version;

/// Becomes the program that the instructions in the file behind `descriptor` name. Returns only if it could not.
pub(crate) fn main(descriptor: &str) -> ExitCode {
    let Ok((inner, mut channel)) = instructions(descriptor) else {
        let _ = writeln!(io::stderr(), "this command is for the server's own use");
        return ExitCode::from(2);
    };
    let fault = become_program(inner, &channel);
    let bytes = serde_json::to_vec(&fault).expect("a fault is plain data");
    let _ = channel.write_all(&bytes);
    ExitCode::from(127)
}

/// Reads the instructions and leaves nothing open that the program could inherit.
fn instructions(descriptor: &str) -> io::Result<(Inner, File)> {
    let inner: Inner = serde_json::from_slice(&read(descriptor.parse().map_err(io::Error::other)?)?)?;
    Ok((inner, listen::channel()?))
}

fn become_program(inner: Inner, channel: &File) -> Fault {
    let layer =
        |what: &'static str| move |error: &dyn std::fmt::Display| Fault::Layer(format!("{what}: {error}"));
    let filter = match inner.filter.map(read).transpose() {
        Ok(filter) => filter,
        Err(error) => return layer("the filter cannot be read")(&error),
    };
    let stdin = match inner.stdin.map_or_else(|| File::open("/dev/null"), inherited) {
        Ok(stdin) => stdin,
        Err(error) => return layer("the standard input cannot be opened")(&error),
    };
    let mut environment = inner.environment;
    if inner.egress {
        match listen::offer(channel) {
            Ok(port) => announce(&mut environment, port),
            Err(error) => return layer("the way out cannot be opened")(&error),
        }
    }
    if let Err(error) = identity::close_all_but(&[channel.as_raw_fd(), stdin.as_raw_fd()]) {
        return layer("inherited files cannot be closed")(&error);
    }
    if let Some(rules) = &inner.rules
        && let Err(error) = rules::enforce(rules)
    {
        return layer("Landlock")(&error);
    }
    if let Some(filter) = filter
        && let Err(error) = seccomp::install(&filter)
    {
        return layer("seccomp")(&error);
    }
    let Some((program, arguments)) = inner.command.split_first() else { return Fault::NoProgram };
    let error = Command::new(program).args(arguments).env_clear().envs(environment).stdin(stdin).exec();
    match error.kind() {
        io::ErrorKind::OutOfMemory | io::ErrorKind::ResourceBusy => layer("the program")(&error),
        _ => Fault::NoProgram,
    }
}

/// An inherited file without a name, from its beginning. There is no safe way from a number to a file but its path.
fn inherited(descriptor: u32) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{descriptor}"))
}

fn read(descriptor: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    inherited(descriptor)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Tells the program of the proxy in all the words that programs know.
fn announce(environment: &mut BTreeMap<String, String>, port: u16) {
    let address = format!("http://127.0.0.1:{port}");
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        environment.insert(name.to_ascii_uppercase(), address.clone());
        environment.insert(name.into(), address.clone());
    }
    for name in ["NO_PROXY", "no_proxy"] {
        environment.insert(name.into(), String::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_announced_over_what_the_job_says() {
        let mut environment = BTreeMap::from([("NO_PROXY".to_owned(), "*".to_owned())]);
        announce(&mut environment, 7);
        assert_eq!(environment["HTTPS_PROXY"], "http://127.0.0.1:7");
        assert_eq!(environment["all_proxy"], "http://127.0.0.1:7");
        assert_eq!(environment["NO_PROXY"], "");
        assert_eq!(environment.len(), 8);
    }
}
