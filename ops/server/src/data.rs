//! What lies where in the data directory, and how a client on the same machine finds the server.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use serde::{Deserialize, Serialize};

/// A data directory.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    path: PathBuf,
}

/// Where the server of a data directory answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// Its URL.
    pub(crate) url: String,
    /// Its process id, for people.
    pub(crate) pid: u32,
}

impl Data {
    /// The data directory at `path`, which need not exist.
    #[must_use]
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The data directory at `path`, made if it is missing, for its owner only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // Absolute, because paths below it are handed to processes with other working directories.
        Ok(Self { path: path.canonicalize()? })
    }

    /// The directory itself.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The event log.
    #[must_use]
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The read model, unless the configuration puts it elsewhere.
    #[must_use]
    pub(crate) fn views(&self) -> PathBuf {
        self.path.join("views")
    }

    /// One directory for each run that has processes.
    #[must_use]
    pub(crate) fn workspaces(&self) -> PathBuf {
        self.path.join("workspaces")
    }

    /// The vault; there once one has been made.
    #[must_use]
    pub(crate) fn vault(&self) -> PathBuf {
        self.path.join("vault")
    }

    /// What containers read; there once one has been run.
    #[must_use]
    pub(crate) fn containers(&self) -> PathBuf {
        self.path.join("containers")
    }

    /// The sockets through which tools reach the network.
    #[must_use]
    pub(crate) fn egress(&self) -> PathBuf {
        self.path.join("egress")
    }

    fn address_file(&self) -> PathBuf {
        self.path.join("server.json")
    }

    /// Tells clients on this machine where the server answers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn announce(&self, url: &str) -> io::Result<()> {
        let address = Address { url: url.to_owned(), pid: std::process::id() };
        let text = serde_json::to_string(&address).map_err(io::Error::other)?;
        let fresh = self.path.join(format!("server.json.{}", address.pid));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        writeln!(file, "{text}")?;
        fs::rename(&fresh, self.address_file())
    }

    /// Takes back what [`Data::announce`] said, unless another server has said something since.
    pub(crate) fn retract(&self) {
        if self.announced().is_some_and(|address| address.pid == std::process::id()) {
            // Left behind it would only cost the next client a failed attempt.
            let _ = fs::remove_file(self.address_file());
        }
    }

    /// Where a server said that it answers, unless its process is gone. What has its process id since may be another.
    #[must_use]
    pub(crate) fn announced(&self) -> Option<Address> {
        let address: Address = serde_json::from_slice(&fs::read(self.address_file()).ok()?).ok()?;
        let pid = Pid::from_raw(i32::try_from(address.pid).ok()?)?;
        // One that may not be signalled is there as well.
        let gone = test_kill_process(pid) == Err(Errno::SRCH);
        (!gone).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_announcement_is_found_until_it_is_taken_back() {
        let parent = tempfile::tempdir().unwrap();
        let data = Data::create(&parent.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(data.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(data.announced(), None);
        data.announce("http://127.0.0.1:1").unwrap();
        assert_eq!(Data::at(data.path()).announced().map(|a| a.url).as_deref(), Some("http://127.0.0.1:1"));

        let other = Address { url: "http://127.0.0.1:2".into(), pid: 1 };
        fs::write(data.address_file(), serde_json::to_string(&other).unwrap()).unwrap();
        data.retract();
        assert_eq!(data.announced(), Some(other), "another server's announcement stays");

        data.announce("http://127.0.0.1:1").unwrap();
        data.retract();
        assert_eq!(data.announced(), None);

        // The largest process id that Linux gives is 2^22.
        let killed = Address { url: "http://127.0.0.1:3".into(), pid: i32::MAX as u32 };
        fs::write(data.address_file(), serde_json::to_string(&killed).unwrap()).unwrap();
        assert_eq!(data.announced(), None);
        fs::write(data.address_file(), "half a fi").unwrap();
        assert_eq!(data.announced(), None);
    }
}
