//! Into the tree's control group and out again.
//!
//! The helper enters the group, starts the tree, which is in it from its first instant, and leaves: when memory runs
//! out, the kernel kills the whole group, and somebody has to be left to say so.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use crate::protocol::Group;

/// The way back, opened before leaving root: the kernel asks who opened the file, not who writes it.
#[derive(Debug, Default)]
pub(super) struct Membership(Option<(File, File)>);

impl Membership {
    /// Prepares to enter `group`, if there is one.
    pub(super) fn open(group: Option<&Group>) -> io::Result<Self> {
        let procs = |group: &Path| OpenOptions::new().write(true).open(group.join("cgroup.procs"));
        Ok(Self(
            group.map(|group| Ok::<_, io::Error>((procs(&group.tree)?, procs(&group.home)?))).transpose()?,
        ))
    }

    /// Does `start` as a member.
    pub(super) fn within<T>(&self, start: impl FnOnce() -> T) -> io::Result<T> {
        let Some((tree, home)) = &self.0 else { return Ok(start()) };
        // Zero stands for who writes it.
        (&*tree).write_all(b"0")?;
        let started = start();
        (&*home).write_all(b"0")?;
        Ok(started)
    }
}
