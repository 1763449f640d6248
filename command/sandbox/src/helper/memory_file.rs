//! Files without a name, for what is handed to a child by descriptor.

use std::{
    fs::File,
    io::{self, Seek, Write},
    os::fd::OwnedFd,
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A file with `contents`, at its beginning, that nobody can change. The next child inherits it.
pub(super) fn inherited(name: &str, contents: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MemfdFlags::ALLOW_SEALING)?);
    file.write_all(contents)?;
    file.rewind()?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}
