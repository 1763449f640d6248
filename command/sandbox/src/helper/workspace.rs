//! The workspace: whose it is, whether the tree can get there, and what in it stays read-only.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Gid, Mode, OFlags, Uid, fchown, fstat, open},
    mount::{MountPropagationFlags, mount_bind_recursive, mount_change},
    process::geteuid,
    thread::UnshareFlags,
};

use crate::protocol::Report;

/// Names at the top of a workspace that make another program run something when it looks at the workspace: hooks and
/// settings of version control, editors, shells and agents.
const PROTECTED: [&str; 6] = [".git", ".hg", ".vscode", ".idea", ".envrc", ".mcp.json"];

/// Makes `workspace` usable for user `id` and returns the path under which that user finds it. Call as root or as the
/// user that will run the tree; if that is not root, there is nothing to do.
pub(super) fn hand_over(workspace: &Path, id: u32) -> Result<PathBuf, Report> {
    if !geteuid().is_root() {
        return Ok(workspace.to_owned());
    }
    give_to(workspace, id)?;
    match first_closed_ancestor(workspace, id) {
        None => Ok(workspace.to_owned()),
        Some(closed) => {
            mount_over(workspace, &closed).map_err(|error| {
                Report::Refused(format!(
                    "user {id} may not enter {}, and the workspace below it cannot be mounted elsewhere: {error}",
                    closed.display()
                ))
            })?;
            Ok(closed)
        }
    }
}

/// Changes the owner from root to `id`; what somebody else owns is not taken away.
fn give_to(workspace: &Path, id: u32) -> Result<(), Report> {
    let refused = |error: &dyn std::fmt::Display| {
        Report::Refused(format!("the workspace {}: {error}", workspace.display()))
    };
    let directory = open(
        workspace,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| refused(&error))?;
    match fstat(&directory).map_err(|error| refused(&error))?.st_uid {
        owner if owner == id => Ok(()),
        0 => fchown(&directory, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))
            .map_err(|error| refused(&error)),
        owner => Err(refused(&format!("belongs to user {owner}, the sandbox runs as user {id}"))),
    }
}

/// The uppermost directory above `workspace` that user `id` may not pass.
fn first_closed_ancestor(workspace: &Path, id: u32) -> Option<PathBuf> {
    let mut ancestors: Vec<&Path> = workspace.ancestors().skip(1).collect();
    ancestors.reverse();
    ancestors
        .into_iter()
        .find(|ancestor| fs::metadata(ancestor).map_or(true, |metadata| !may_pass(&metadata, id)))
        .map(Path::to_owned)
}

fn may_pass(metadata: &Metadata, id: u32) -> bool {
    let bit = if metadata.uid() == id {
        0o100
    } else if metadata.gid() == id {
        0o010
    } else {
        0o001
    };
    metadata.mode() & bit != 0
}

/// Mounts `workspace` over `closed`, in a mount namespace of this process's own: bubblewrap takes only paths, and it
/// follows them as the user that may not pass `closed`. A data directory is often closed to others, as it should be.
fn mount_over(workspace: &Path, closed: &Path) -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "unsound only with FILES, which takes descriptors away from other threads"
    )]
    rustix::thread::unshare(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount_bind_recursive(workspace, closed)?;
    Ok(())
}

/// The protected names that exist at the top of `source` and are no links: a link would show something from outside.
pub(super) fn protected(source: &Path) -> Vec<&'static str> {
    PROTECTED
        .into_iter()
        .filter(|name| {
            fs::symlink_metadata(source.join(name))
                .is_ok_and(|metadata| metadata.is_dir() || metadata.is_file())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_uppermost_closed_directory_is_found() {
        let top = tempfile::tempdir().unwrap();
        let below = top.path().join("a/b/workspace");
        fs::create_dir_all(&below).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let somebody_else = 65534;
        set(top.path(), 0o711);
        set(&top.path().join("a"), 0o755);
        set(&top.path().join("a/b"), 0o755);
        assert_eq!(first_closed_ancestor(&below, somebody_else), None);
        set(&top.path().join("a/b"), 0o700);
        assert_eq!(first_closed_ancestor(&below, somebody_else), Some(top.path().join("a/b")));
        set(&top.path().join("a"), 0o750);
        assert_eq!(first_closed_ancestor(&below, somebody_else), Some(top.path().join("a")));
    }

    #[test]
    fn links_are_not_protected_but_refused_as_protection() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join(".git")).unwrap();
        fs::write(top.path().join(".envrc"), "").unwrap();
        symlink("/etc", top.path().join(".vscode")).unwrap();
        assert_eq!(protected(top.path()), [".git", ".envrc"]);
    }
}
