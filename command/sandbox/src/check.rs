//! What is wrong with a job, before anything is started.

use std::{
    fs,
    path::{Path, PathBuf},
};

use openclaw_ports::sandbox::{Error, Job, Level};

/// Longest single argument or environment entry the kernel takes, its end mark included (MAX_ARG_STRLEN).
const MAX_STRING: usize = 128 << 10;

/// Arguments and environment entries; bubblewrap takes 9,000 words, its own included, three for each entry.
const MAX_WORDS: usize = 8_000;

/// Directories that are never a workspace: they are shared with everyone or are somebody's home.
const SHARED: [&str; 11] =
    ["/", "/home", "/root", "/tmp", "/var", "/var/tmp", "/opt", "/srv", "/mnt", "/media", "/run"];

/// Trees that are never a workspace, nor anything below them: the system itself.
const SYSTEM: [&str; 12] = [
    "/usr", "/etc", "/proc", "/sys", "/dev", "/boot", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
];

/// Checks the words and the environment of `job`.
pub(crate) fn words(job: &Job) -> Result<(), Error> {
    if job.command.first().is_none_or(String::is_empty) {
        return Err(Error::Refused("the command is empty".into()));
    }
    if job.command.len() + 3 * job.environment.len() > MAX_WORDS {
        return Err(Error::Refused(format!("more than {MAX_WORDS} arguments and environment entries")));
    }
    for word in &job.command {
        if word.contains('\0') {
            return Err(Error::Refused("an argument contains a NUL character".into()));
        }
        if word.len() >= MAX_STRING {
            return Err(Error::Refused(format!(
                "an argument is {} bytes, the system takes {MAX_STRING}",
                word.len()
            )));
        }
    }
    for (name, value) in &job.environment {
        // What every program gets is not the policy's to take away.
        if !job.policy.environment.has(name) && !["PATH", "HOME", "LANG"].contains(&name.as_str()) {
            return Err(Error::Refused(format!("the policy has no environment entry {name:?}")));
        }
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Error::Refused(format!("the environment entry {name:?} cannot be passed on")));
        }
        if name.len() + value.len() + 1 >= MAX_STRING {
            return Err(Error::Refused(format!(
                "the environment entry {name:?} is longer than {MAX_STRING} bytes"
            )));
        }
    }
    Ok(())
}

/// The canonical path of the workspace of `job`.
pub(crate) fn workspace(job: &Job) -> Result<PathBuf, Error> {
    let shown = job.workspace.display();
    let refused = |reason: String| Error::Refused(format!("the workspace {shown} {reason}"));
    if !job.workspace.is_absolute() {
        return Err(refused("is not an absolute path".into()));
    }
    let path =
        fs::canonicalize(&job.workspace).map_err(|error| refused(format!("cannot be used: {error}")))?;
    if !path.is_dir() {
        return Err(refused("is not a directory".into()));
    }
    if path.to_str().is_none() {
        return Err(refused("has a name that is not UTF-8".into()));
    }
    if job.policy.level != Level::None && is_off_limits(&path) {
        return Err(refused("belongs to the system or to everyone; use a directory of its own".into()));
    }
    Ok(path)
}

/// The canonical paths of `places` outside the `workspace` that a policy opens.
pub(crate) fn places(places: &[PathBuf], workspace: &Path) -> Result<Vec<PathBuf>, Error> {
    let canonical = |place: &PathBuf| {
        let shown = place.display();
        let refused = |reason: String| Error::Refused(format!("the place {shown} of the policy {reason}"));
        if !place.is_absolute() {
            return Err(refused("is not an absolute path".into()));
        }
        let path = fs::canonicalize(place).map_err(|error| refused(format!("cannot be used: {error}")))?;
        // What follows by its words would otherwise lead elsewhere, after the policy was compared.
        if path != *place {
            return Err(refused(format!("leads to {}: name that", path.display())));
        }
        if path.to_str().is_none() {
            return Err(refused("has a name that is not UTF-8".into()));
        }
        if path == Path::new("/") || ["/proc", "/sys", "/dev"].iter().any(|tree| path.starts_with(tree)) {
            return Err(refused("is the kernel's, or everything".into()));
        }
        if workspace.starts_with(&path) {
            return Err(refused("contains the workspace".into()));
        }
        Ok(path)
    };
    places.iter().map(canonical).collect()
}

fn is_off_limits(path: &Path) -> bool {
    SHARED.iter().any(|shared| path == Path::new(shared))
        || SYSTEM.iter().any(|system| path.starts_with(system))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use openclaw_ports::sandbox::{Policy, Streams};

    use super::*;

    fn job(command: &[&str], workspace: &str) -> Job {
        Job {
            policy: Policy::default(),
            command: command.iter().map(ToString::to_string).collect(),
            environment: BTreeMap::new(),
            stdin: None,
            workspace: workspace.into(),
            egress: None,
            wanted: Streams::default(),
        }
    }

    #[test]
    fn words_that_the_system_cannot_pass_on_are_refused() {
        let long = "x".repeat(MAX_STRING);
        for command in [&[][..], &[""], &["echo", "a\0b"], &["echo", &long]] {
            assert!(matches!(words(&job(command, "/srv")), Err(Error::Refused(_))), "{command:?}");
        }
        for (name, value) in [("", "x"), ("A=B", "x"), ("A", "x\0y"), ("A", long.as_str())] {
            let mut job = job(&["true"], "/srv");
            job.environment.insert(name.into(), value.into());
            assert!(matches!(words(&job), Err(Error::Refused(_))), "{name:?}");
        }
        let mut job_with_name = job(&["true"], "/srv");
        job_with_name.policy.environment = openclaw_ports::sandbox::Names(["APP_*".to_owned()].into());
        job_with_name.environment = ["APP_X", "PATH"].map(|name| (name.to_owned(), String::new())).into();
        assert_eq!(words(&job_with_name), Ok(()));
        job_with_name.environment.insert("LD_PRELOAD".into(), "x".into());
        assert!(
            matches!(words(&job_with_name), Err(Error::Refused(_))),
            "a name that the policy does not have"
        );
        let many = vec!["x"; MAX_WORDS + 1];
        assert!(words(&job(&many, "/srv")).is_err());
        assert_eq!(words(&job(&["echo", "grüß", ""], "/srv")), Ok(()));
    }

    #[test]
    fn the_system_is_no_workspace() {
        for path in ["/", "/tmp", "/usr/share", "/etc", "/proc/self", "/dev/shm", "/bin"] {
            assert!(matches!(workspace(&job(&["true"], path)), Err(Error::Refused(_))), "{path}");
        }
    }

    #[test]
    fn a_workspace_exists_and_is_a_directory_and_links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(directory.path()).unwrap();
        let file = real.join("file");
        fs::write(&file, "").unwrap();
        let link = real.join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        for path in [&file, &link, &real.join("missing"), &PathBuf::from("relative")] {
            let path = path.to_str().unwrap();
            assert!(matches!(workspace(&job(&["true"], path)), Err(Error::Refused(_))), "{path}");
        }
        assert_eq!(workspace(&job(&["true"], real.to_str().unwrap())), Ok(real));
    }
}
