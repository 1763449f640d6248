//! Taking away a workspace, whatever its processes left in it.
//!
//! A tree may be deeper than there are descriptors for, or than a path may be long; its directories may be closed to
//! their owner; and links lead elsewhere. So no path of more than two names below the workspace is ever used: what is
//! deeper is first moved up.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Removes `workspace` with everything in it; nothing is done if it is not there. Only when no process of it is alive.
///
/// # Errors
/// If something of it stays.
pub(super) fn remove(workspace: &Path) -> io::Result<()> {
    match fs::symlink_metadata(workspace) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_dir() => return fs::remove_file(workspace),
        Ok(_) => {}
    }
    let mut moved = 0_u64;
    loop {
        let directories = clear(workspace)?;
        if directories.is_empty() {
            return fs::remove_dir(workspace);
        }
        for directory in directories {
            let directory = workspace.join(directory);
            for below in clear(&directory)? {
                let place = loop {
                    let place = workspace.join(format!(".openclaw-removed-{moved}"));
                    moved += 1;
                    if fs::symlink_metadata(&place).is_err() {
                        break place;
                    }
                };
                fs::rename(directory.join(below), place)?;
            }
            fs::remove_dir(&directory)?;
        }
    }
}

/// Removes all of `directory` but its directories, which it opens to their owner and returns.
fn clear(directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    let mut directories = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // The entry's own type: of a link, that it is one.
        if entry.file_type()?.is_dir() {
            // A closed directory can be moved only by who may write it: its entry for the parent changes.
            fs::set_permissions(entry.path(), Permissions::from_mode(0o700))?;
            directories.push(entry.file_name());
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(directories)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn traps_are_removed_and_what_they_point_to_is_not() {
        let top = tempfile::tempdir().unwrap();
        let (workspace, outside) = (top.path().join("workspace"), top.path().join("outside"));
        fs::create_dir_all(&workspace).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        symlink(&outside, workspace.join("link")).unwrap();
        symlink("/", workspace.join("root")).unwrap();
        for name in ["-rf", "\u{1b}]0;x\u{7}", ".openclaw-removed-0", ".openclaw-removed-1"] {
            fs::create_dir_all(workspace.join(name).join("a/b")).unwrap();
            fs::write(workspace.join(name).join("a/b/file"), "").unwrap();
        }
        make_fifo(&workspace.join("pipe"));
        let closed = workspace.join("closed/inner");
        fs::create_dir_all(&closed).unwrap();
        for directory in [closed.as_path(), closed.parent().unwrap()] {
            fs::set_permissions(directory, Permissions::from_mode(0o000)).unwrap();
        }
        remove(&workspace).unwrap();
        assert!(!workspace.exists() && outside.join("kept").exists());
        remove(&workspace).unwrap();
    }

    fn make_fifo(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn a_tree_deeper_than_paths_and_descriptors_is_removed() {
        let top = tempfile::tempdir().unwrap();
        let workspace = top.path().join("workspace");
        fs::create_dir(&workspace).unwrap();
        // From the inside out, so that no long path is needed to make it either.
        let (chain, next) = (workspace.join("chain"), workspace.join("next"));
        fs::create_dir(&chain).unwrap();
        for _ in 0..1500 {
            fs::create_dir(&next).unwrap();
            fs::rename(&chain, next.join("dddddddddd")).unwrap();
            fs::rename(&next, &chain).unwrap();
        }
        remove(&workspace).unwrap();
        assert!(!workspace.exists());
    }
}
