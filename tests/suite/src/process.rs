//! The binary, and one command of it.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{io::AsyncWriteExt, process::Command};

/// The variables that the binary reads; those of whoever runs the tests must not reach it.
const VARIABLES: [&str; 7] = [
    "OPENCLAW_ALLOW_PRIVATE_EGRESS",
    "OPENCLAW_DATA",
    "OPENCLAW_URL",
    "OPENCLAW_TOKEN",
    "OPENCLAW_CONFIG",
    "OPENCLAW_LOG",
    "XDG_DATA_HOME",
];

/// The binary that the tests are about.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary() -> PathBuf {
    let executable = std::env::current_exe().expect("a test has an executable");
    let profile = executable.ancestors().nth(2).expect("a test's executable lies in target/PROFILE/deps");
    let binary = profile.join("openclaw");
    assert!(
        binary.is_file(),
        "{} is missing: build it with `cargo build --workspace --bins`",
        binary.display()
    );
    binary
}

/// A command of the binary that sees nothing of the environment's settings. Killed when dropped.
pub(crate) fn command() -> Command {
    let mut command = Command::new(binary());
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Its standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Itself.
    ///
    /// # Panics
    /// When the exit code was not 0.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs `openclaw ARGUMENTS` with the environment `variables` and `stdin`, in `directory`, to its end.
///
/// # Panics
/// When it cannot be started.
pub async fn openclaw(
    directory: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    stdin: Option<&str>,
) -> Finished {
    let mut command = command();
    command.args(arguments).current_dir(directory).env("HOME", directory).envs(variables.iter().copied());
    if stdin.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().expect("the binary starts");
    if let Some(text) = stdin {
        let mut pipe = child.stdin.take().expect("standard input is a pipe");
        // A command that does not read its input to the end may be what is tested.
        let _ = pipe.write_all(text.as_bytes()).await;
    }
    let output = child.wait_with_output().await.expect("the command is ours to wait for");
    Finished {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
