//! Enough disk space, or no appends.
//!
//! sled needs free space even to open, so the log stops before the disk is full, and sets a file aside that it gives
//! back when it starts on a disk that somebody else has filled.

use std::{
    fs::{self, File},
    io,
};

use rustix::fs::FallocateFlags;

use crate::{layout::Layout, options::Options};

/// Why no append may be made, or none if there is space.
pub(crate) fn shortage(layout: &Layout, options: &Options) -> io::Result<Option<String>> {
    let free = options.disk.free_bytes(layout.dir())?;
    Ok((free < options.min_free_bytes).then(|| {
        format!("only {free} bytes of disk space are free, appends need {}", options.min_free_bytes)
    }))
}

/// Sets the reserve aside if it is not there.
pub(crate) fn reserve(layout: &Layout, options: &Options) -> io::Result<()> {
    let path = layout.reserve();
    let there = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    if options.reserve_bytes == 0 || there == options.reserve_bytes {
        return Ok(());
    }
    options.disk.before_write(&path, usize::try_from(options.reserve_bytes).unwrap_or(usize::MAX))?;
    let file = File::options().create(true).truncate(true).write(true).open(&path)?;
    Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, options.reserve_bytes)?)
}

/// Gives the reserve back.
pub(crate) fn release(layout: &Layout) -> io::Result<()> {
    match fs::remove_file(layout.reserve()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
