//! What the server and the helper say to each other, over the socket that is the helper's standard input; and what
//! the helper and the inner stage say.
//!
//! The server sends one [`Request`] and then nothing; the end of its half means "kill everything", whether it was
//! closed on purpose or because the server died. The helper answers with one [`Report`] when nothing of the tree is
//! alive any more. No job data is in an argument list or an environment, where other processes could read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::PathBuf,
};

use openclaw_ports::sandbox::{Level, Limit, Limits};
use serde::{Deserialize, Serialize};

use crate::Layer;

/// Largest section the helper accepts. Far above what a job may hold; it only stops nonsense from allocating.
const MAX_SECTION: usize = 256 << 20;

/// What to run and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The level to reach, exactly.
    pub(crate) level: Level,
    /// The program is absolute.
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Canonical.
    pub(crate) workspace: PathBuf,
    /// Canonical places outside the workspace that it may read.
    pub(crate) readable: Vec<PathBuf>,
    /// And write.
    pub(crate) writable: Vec<PathBuf>,
    /// The socket of the way out.
    pub(crate) egress: Option<PathBuf>,
    pub(crate) limits: Limits,
    /// The bubblewrap to use; of no interest to levels `None` and `Confined`.
    pub(crate) bwrap: PathBuf,
    /// User and group the tree gets when the helper is root.
    pub(crate) sandbox_id: u32,
    pub(crate) has_stdin: bool,
    /// The control group of the tree, if it has one.
    pub(crate) group: Option<Group>,
    /// Whether nothing runs on a kernel without Landlock. Level `Confined` never does.
    pub(crate) require_landlock: bool,
    /// What is left out, to show what it is for.
    pub(crate) without: BTreeSet<Layer>,
}

/// Files through which a process changes its control group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Of the tree's group.
    pub(crate) tree: PathBuf,
    /// Of the server's, where the helper belongs.
    pub(crate) home: PathBuf,
}

/// A job, complete.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) header: Header,
    pub(crate) stdin: Vec<u8>,
    /// The system call filter; empty at level `None`.
    pub(crate) filter: Vec<u8>,
}

/// How the job ended, or why it did not begin.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The program ended by itself.
    Exited(i32),
    /// The program was ended by a signal.
    Signalled(i32),
    /// The tree passed a limit and was killed.
    Passed(Limit),
    /// The server wanted it to end.
    Killed,
    /// Bubblewrap gave up before it started the inner stage. Why is on the standard error.
    SetupFailed,
    /// There is no such program inside.
    NoProgram,
    /// The helper gave up.
    Unavailable(String),
    /// The job is wrong.
    Refused(String),
}

/// What the inner stage has to do before it becomes the program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inner {
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// The descriptor of its standard input; its own is the channel on which it says what went wrong.
    pub(crate) stdin: Option<u32>,
    /// The rules to put on itself.
    pub(crate) rules: Option<Rules>,
    /// The descriptor of a system call filter to put on itself; bubblewrap does it where there is one.
    pub(crate) filter: Option<u32>,
    /// Whether to listen for connections to the way out, and to say so in the environment.
    pub(crate) egress: bool,
}

/// What a process restricts itself to, with Landlock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// Trees and files that can be read and executed.
    pub(crate) read: Vec<PathBuf>,
    /// Trees in which everything can be done but make nodes that are no file, directory, link or socket.
    pub(crate) write: Vec<PathBuf>,
    /// Devices, and directories of them, that can be opened for writing.
    pub(crate) devices: Vec<PathBuf>,
    /// Whether every TCP connection is refused.
    pub(crate) no_tcp: bool,
    /// Whether it is an error if the kernel cannot enforce all of this.
    pub(crate) require: bool,
}

/// Why the inner stage did not become the program.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// It does not exist, or cannot be executed.
    NoProgram,
    /// A layer could not be put on.
    Layer(String),
}

impl Request {
    /// The bytes to send.
    ///
    /// # Errors
    /// If a path is no UTF-8.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let header = serde_json::to_vec(&self.header)?;
        let mut bytes = Vec::with_capacity(header.len() + self.stdin.len() + self.filter.len() + 24);
        for section in [&header, &self.stdin, &self.filter] {
            bytes.extend_from_slice(&(section.len() as u64).to_le_bytes());
            bytes.extend_from_slice(section);
        }
        Ok(bytes)
    }

    /// Reads what [`Request::encode`] wrote and not a byte more.
    ///
    /// # Errors
    /// If the other side stops in the middle or says something else.
    pub(crate) fn read(mut from: impl Read) -> io::Result<Self> {
        let header = serde_json::from_slice(&section(&mut from)?)?;
        Ok(Self { header, stdin: section(&mut from)?, filter: section(&mut from)? })
    }
}

fn section(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).ok().filter(|&length| length <= MAX_SECTION);
    let Some(length) = length else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a section of the request is too long"));
    };
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            header: Header {
                level: Level::Strict,
                command: vec!["/bin/echo".into(), "grüß dich".into()],
                environment: BTreeMap::from([("A".into(), "b\nc".into())]),
                workspace: "/srv/work".into(),
                readable: vec!["/srv/data".into()],
                writable: Vec::new(),
                egress: Some("/run/egress".into()),
                limits: Limits::default(),
                bwrap: "/usr/bin/bwrap".into(),
                sandbox_id: 65534,
                has_stdin: true,
                group: Some(Group { tree: "/sys/fs/cgroup/a/b".into(), home: "/sys/fs/cgroup/a/c".into() }),
                require_landlock: false,
                without: BTreeSet::from([Layer::Seccomp]),
            },
            stdin: b"\0\xff in".to_vec(),
            filter: vec![7; 16],
        }
    }

    #[test]
    fn a_request_is_read_back_and_what_follows_is_left_alone() {
        let mut bytes = request().encode().unwrap();
        bytes.extend_from_slice(b"rest");
        let mut from = bytes.as_slice();
        let read = Request::read(&mut from).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", request()));
        assert_eq!(from, b"rest");
    }

    #[test]
    fn a_request_cut_anywhere_is_an_error() {
        let bytes = request().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(Request::read(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_section_that_claims_to_be_huge_allocates_nothing() {
        let error = Request::read(u64::MAX.to_le_bytes().as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
