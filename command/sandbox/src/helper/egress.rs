//! The way out of a relaxed sandbox: from the listener inside to the proxy's socket outside, byte for byte.
//!
//! Invariants:
//! - Only the proxy is ever connected to; what may be reached through it is the proxy's to decide.
//! - Bounded: so many connections and so many bytes of each. What comes on top waits in the kernel.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags},
    fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, chownat, open},
    io::Errno,
    net::{SocketFlags, accept_with},
    process::geteuid,
};

use super::channel;

/// Connections at a time.
const MAX_CONNECTIONS: usize = 64;

/// Bytes that are on their way in one direction of one connection.
const BUFFER: usize = 32 << 10;

/// Takes connections out.
#[derive(Default)]
pub(super) struct Forwarder {
    /// The proxy's socket, found while this process may still find it.
    proxy: Option<OwnedFd>,
    /// Where the listener will come from; none once it has.
    channel: Option<OwnedFd>,
    listener: Option<OwnedFd>,
    connections: Vec<Connection>,
}

struct Connection {
    inside: std::net::TcpStream,
    outside: UnixStream,
    /// From the program to the proxy.
    out: Flow,
    /// And back.
    back: Flow,
}

/// One direction.
#[derive(Default)]
struct Flow {
    held: Vec<u8>,
    /// The source has ended.
    ended: bool,
    /// And the sink has been told.
    closed: bool,
}

impl Forwarder {
    /// Finds the proxy's socket, and lets user `id` connect to it. Call before leaving root.
    pub(super) fn open(proxy: Option<&Path>, id: u32) -> io::Result<Self> {
        let Some(path) = proxy else { return Ok(Self::default()) };
        let socket = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        if geteuid().is_root() {
            let place = format!("/proc/self/fd/{}", socket.as_raw_fd());
            chownat(CWD, place, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)), AtFlags::empty())?;
        }
        Ok(Self { proxy: Some(socket), ..Self::default() })
    }

    /// Whether there is a way out.
    pub(super) const fn is_open(&self) -> bool {
        self.proxy.is_some()
    }

    /// Expects the listener on `channel`.
    pub(super) fn expect_listener(&mut self, channel: &OwnedFd) -> io::Result<()> {
        if self.is_open() {
            self.channel = Some(channel.try_clone()?);
        }
        Ok(())
    }

    /// Adds what is waited for to `all`, in the order in which [`Self::forward`] expects the answers.
    pub(super) fn register<'a>(&'a self, all: &mut Vec<PollFd<'a>>) {
        if let Some(channel) = &self.channel {
            all.push(PollFd::new(channel, PollFlags::IN));
        }
        if let Some(listener) = &self.listener {
            let room = self.connections.len() < MAX_CONNECTIONS;
            all.push(PollFd::new(listener, if room { PollFlags::IN } else { PollFlags::empty() }));
        }
        for connection in &self.connections {
            let (inside, outside) = connection.interests();
            all.push(PollFd::new(&connection.inside, inside));
            all.push(PollFd::new(&connection.outside, outside));
        }
    }

    /// Does what can be done without waiting. `ready` are the answers to [`Self::register`].
    pub(super) fn forward(&mut self, ready: &[PollFlags]) {
        let mut ready = ready.iter();
        if self.channel.is_some() && ready.next().is_some_and(|flags| !flags.is_empty()) {
            // Ended without one: the inner stage says why in the end.
            self.listener =
                self.channel.take().and_then(|channel| channel::listener(&channel).ok().flatten());
        } else if self.listener.is_some() && ready.next().is_some_and(|flags| flags.contains(PollFlags::IN)) {
            self.accept();
        }
        // Those that were accepted just now have no flags yet.
        let mut ends = ready.copied().collect::<Vec<_>>().into_iter();
        self.connections.retain_mut(|connection| {
            let inside = ends.next().unwrap_or(PollFlags::empty());
            let outside = ends.next().unwrap_or(PollFlags::empty());
            !connection.is_over(inside, outside) && connection.advance()
        });
    }

    fn accept(&mut self) {
        let (Some(listener), Some(proxy)) = (&self.listener, &self.proxy) else { return };
        let Ok(inside) = accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) else { return };
        let outside = UnixStream::connect(format!("/proc/self/fd/{}", proxy.as_fd().as_raw_fd()));
        match outside.and_then(|outside| outside.set_nonblocking(true).map(|()| outside)) {
            Ok(outside) => self.connections.push(Connection {
                inside: inside.into(),
                outside,
                out: Flow::default(),
                back: Flow::default(),
            }),
            // The program finds its connection closed.
            Err(_) => drop(inside),
        }
    }
}

impl Connection {
    /// What each end is waited for. An end that has nothing to wait for is not asked, as its hang-up would be told
    /// again and again.
    fn interests(&self) -> (PollFlags, PollFlags) {
        let of = |source: &Flow, sink: &Flow| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, source.has_room());
            flags.set(PollFlags::OUT, !sink.held.is_empty());
            flags
        };
        (of(&self.out, &self.back), of(&self.back, &self.out))
    }

    /// Whether an end from which nothing more is read is gone for good. It would be reported again and again.
    fn is_over(&self, inside: PollFlags, outside: PollFlags) -> bool {
        let gone = PollFlags::HUP | PollFlags::ERR;
        (inside.intersects(gone) && self.out.ended) || (outside.intersects(gone) && self.back.ended)
    }

    /// Moves what can be moved; whether anything is left to do.
    fn advance(&mut self) -> bool {
        let moved = self
            .out
            .advance(&mut self.inside, &mut self.outside, |to| to.shutdown(Shutdown::Write))
            .and_then(|()| {
                self.back.advance(&mut self.outside, &mut self.inside, |to| to.shutdown(Shutdown::Write))
            });
        moved.is_ok() && !(self.out.closed && self.back.closed)
    }
}

impl Flow {
    fn has_room(&self) -> bool {
        !self.ended && self.held.len() < BUFFER
    }

    fn advance<T: Write>(
        &mut self,
        from: &mut impl Read,
        to: &mut T,
        close: impl FnOnce(&T) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.has_room() {
            let start = self.held.len();
            self.held.resize(BUFFER, 0);
            let read = from.read(&mut self.held[start..]);
            self.held.truncate(start + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if waits(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if !self.held.is_empty() {
            match to.write(&self.held) {
                Ok(written) => drop(self.held.drain(..written)),
                Err(error) if waits(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if self.ended && self.held.is_empty() && !self.closed {
            self.closed = true;
            // The other side may be gone already.
            let _ = close(to);
        }
        Ok(())
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        || error.raw_os_error() == Some(Errno::AGAIN.raw_os_error())
}
