//! The helper's end of the channel to the inner stage.

use std::{
    fs::File,
    io::{self, IoSliceMut, Read},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg,
    socketpair,
};

use crate::protocol::Fault;

/// Both ends: the helper's, and the inner stage's standard input.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// The listener that the inner stage sent; none if it sent nothing of the kind.
pub(super) fn listener(channel: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    }))
}

/// Why the inner stage did not become the program; none if it did. Call when nothing of the tree is alive.
pub(super) fn fault(channel: OwnedFd) -> Option<Fault> {
    let mut said = Vec::new();
    File::from(channel).read_to_end(&mut said).ok()?;
    // A listener that was not fetched may precede it.
    let start = said.iter().position(|byte| *byte != crate::inner::LISTENER)?;
    serde_json::from_slice(&said[start..]).ok()
}
