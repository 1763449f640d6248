//! The inside end of the way out: a listener on the sandbox's own loopback, which is handed to the helper outside.
//!
//! A listener belongs to the network it was made in, whoever holds it. So the helper accepts what comes in on it and
//! takes it to the proxy's socket; the socket itself, and who forwards, are out of the program's sight and reach.

use std::{
    fs::File,
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::TcpListener,
    os::fd::AsFd,
};

use rustix::{
    io::fcntl_dupfd_cloexec,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};

/// What precedes a listener on the channel.
pub(crate) const LISTENER: u8 = b'L';

/// The channel to the helper: this stage's standard input, which the program is not to have.
pub(super) fn channel() -> io::Result<File> {
    Ok(File::from(fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?))
}

/// Listens on loopback, sends the listener over `channel`, and returns its port.
pub(super) fn offer(channel: &File) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    sendmsg(channel, &[IoSlice::new(&[LISTENER])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(port)
}
