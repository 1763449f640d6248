//! Who the helper is: it gives up what it inherited before anything foreign runs.

use std::{fs, io};

use rustix::{
    fs::{Gid, Uid},
    process::{getegid, geteuid},
    thread::{
        CapabilitySet, clear_ambient_capability_set, remove_capability_from_bounding_set, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid,
    },
};

/// Closes every descriptor but the standard three and those in `kept`. The server's own are marked close-on-exec,
/// those that the server inherited from its parent may not be.
pub(crate) fn close_all_but(kept: &[i32]) -> io::Result<()> {
    // Collected first: the listing has a descriptor of its own, which is closed when it is done.
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2 && !kept.contains(descriptor))
        .collect();
    for descriptor in open {
        // Not open any more: it was the listing's.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Gives up, for good, that a program could ever have a capability. Only root can; a user without any who gains no
/// privileges has the same.
pub(super) fn drop_bounds() {
    for capability in CapabilitySet::all().iter() {
        // One that this kernel does not have.
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// Becomes user and group `id` if the process is root, for good, and drops capabilities that would be inherited.
///
/// The files below /proc/sys ask for the kernel's user id and nothing else, so a tree that is root outside can write
/// them from within any sandbox. It is never started as root.
pub(super) fn leave_root(id: u32) -> io::Result<()> {
    // Bubblewrap refuses to run when the process has capabilities that it did not give.
    clear_ambient_capability_set()?;
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    if geteuid() != uid || getegid() != gid || uid.is_root() {
        return Err(io::Error::other("the change of user had no effect"));
    }
    Ok(())
}
