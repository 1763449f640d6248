//! Files that workflow documents refer to with `file:`, from one directory.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use openclaw_workflow::definition::{MAX_RESOURCE_BYTES, Resources};
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2},
    io::Errno,
};

/// A directory of resources. `file:///a/b.proto` is `a/b.proto` in it.
///
/// Invariant: nothing outside the directory is read, whatever a URI or a symbolic link says; the kernel resolves the
/// path and refuses to leave.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, which is looked at when something is read.
    pub(crate) fn new(path: &Path) -> Self {
        // The parent of `workflow.yaml` is the empty path.
        Self(if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() })
    }

    fn open(&self, path: &str) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = openat(CWD, &self.0, flags | OFlags::DIRECTORY, Mode::empty())?;
        // A pipe must not make the reader wait for somebody to write.
        let file = openat2(&directory, path, flags | OFlags::NONBLOCK, Mode::empty(), ResolveFlags::BENEATH)?;
        Ok(file.into())
    }
}

impl Resources for Directory {
    fn read(&self, uri: &str) -> Result<String, String> {
        let path = uri.get(5..).unwrap_or_default().trim_start_matches('/');
        if path.is_empty() {
            return Err("it names no file".into());
        }
        let file = self.open(path).map_err(|error| match error {
            Errno::NOENT => format!("there is no such file in {}", self.0.display()),
            Errno::XDEV | Errno::LOOP => format!("it leads out of {}", self.0.display()),
            other => other.to_string(),
        })?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err("it is no file".into());
        }
        let mut text = String::new();
        let most = MAX_RESOURCE_BYTES as u64 + 1;
        file.take(most).read_to_string(&mut text).map_err(|error| format!("it is no text: {error}"))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn files_of_the_directory_are_read_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("resources");
        fs::create_dir_all(inner.join("deep")).unwrap();
        fs::write(outer.path().join("secret"), "not for you").unwrap();
        fs::write(inner.join("deep/a.proto"), "a").unwrap();
        fs::write(inner.join("binary"), [0xff, 0xfe]).unwrap();
        symlink("deep/a.proto", inner.join("inside")).unwrap();
        symlink("../secret", inner.join("outside")).unwrap();
        symlink(outer.path().join("secret"), inner.join("absolute")).unwrap();
        let directory = Directory::new(&inner);
        for uri in ["file:///deep/a.proto", "file://deep/a.proto", "file:deep/a.proto", "file:///inside"] {
            assert_eq!(directory.read(uri).as_deref(), Ok("a"), "{uri}");
        }
        for (uri, reason) in [
            ("file:///outside", "leads out of"),
            ("file:///absolute", "leads out of"),
            ("file:///../secret", "leads out of"),
            ("file:///deep/../../secret", "leads out of"),
            ("file:///missing", "no such file"),
            ("file:///deep", "no file"),
            ("file:///binary", "no text"),
            ("file:", "names no file"),
        ] {
            let error = directory.read(uri).unwrap_err();
            assert!(error.contains(reason), "{uri}: {error}");
        }
    }
}
