//! What of the system is visible inside, and where programs are found.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

/// Where programs are looked up, inside and at level `None`.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Top-level names that are links into /usr on most systems, and directories of their own on the others.
pub(crate) const TOP_LEVEL: [&str; 6] = ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"];

/// Files and directories of /etc that programs need to run, without any that says something about this machine.
pub(crate) const ETC: [&str; 6] = [
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/localtime",
];

/// The program that `name` means on the sandbox's [`PATH`], if it can be run inside.
///
/// A program that is a link to somewhere that is not visible inside (a version manager in a home directory, say) does
/// not count.
#[must_use]
pub fn which(name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    PATH.split(':').map(|directory| Path::new(directory).join(name)).find(|candidate| {
        fs::canonicalize(candidate).is_ok_and(|real| is_system(&real)) && is_program(candidate)
    })
}

/// The absolute path of the program of a job: as [`which`], or a path of the system, or below `workspace` or one of
/// the places `readable`.
/// With `everything_visible` any absolute path will do.
pub(crate) fn locate(
    name: &str,
    workspace: &Path,
    readable: &[PathBuf],
    everything_visible: bool,
) -> Option<PathBuf> {
    if !name.contains('/') {
        return which(name);
    }
    let candidate = normalised(&workspace.join(name))?;
    let real = fs::canonicalize(&candidate).ok()?;
    let visible = everything_visible
        || is_system(&real)
        || real.starts_with(workspace)
        || readable.iter().any(|place| real.starts_with(place));
    (visible && is_program(&candidate)).then_some(candidate)
}

/// `path` without `.` and `..`; none if it leads above the root.
fn normalised(path: &Path) -> Option<PathBuf> {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                if !result.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    Some(result)
}

fn is_system(path: &Path) -> bool {
    path.starts_with("/usr") || TOP_LEVEL.iter().any(|top| path.starts_with(top))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Bubblewrap's program, when it is installed where administrators install programs.
pub(crate) fn find_bwrap() -> Option<PathBuf> {
    ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| is_program(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_finds_the_shell_and_refuses_paths_and_nonsense() {
        assert!(which("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(which("no-such-program-anywhere"), None);
        assert_eq!(which("/bin/sh"), None);
        assert_eq!(which("../bin/sh"), None);
        assert_eq!(which(""), None);
    }

    #[test]
    fn a_program_is_found_in_the_system_and_the_workspace_only() {
        let outside = tempfile::tempdir().unwrap();
        let workspace = tempfile::tempdir().unwrap();
        for directory in [&outside, &workspace] {
            let tool = directory.path().join("tool");
            fs::write(&tool, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink(outside.path().join("tool"), workspace.path().join("link")).unwrap();
        let locate_strict = |name: &str| locate(name, workspace.path(), &[], false);

        assert_eq!(locate_strict("/bin/sh"), Some("/bin/sh".into()));
        assert_eq!(locate_strict("./tool"), Some(workspace.path().join("tool")));
        assert_eq!(locate_strict("./link"), None, "leads out of the workspace");
        let elsewhere = outside.path().join("tool").display().to_string();
        assert_eq!(locate_strict(&elsewhere), None);
        assert_eq!(locate(&elsewhere, workspace.path(), &[], true), Some(outside.path().join("tool")));
        assert_eq!(locate_strict("./missing"), None);
    }

    #[test]
    fn dots_are_resolved_and_cannot_leave_the_root() {
        assert_eq!(normalised(Path::new("/a/./b/../c")), Some("/a/c".into()));
        assert_eq!(normalised(Path::new("/../..")), None);
    }
}
