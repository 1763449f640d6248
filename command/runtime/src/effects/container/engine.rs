//! The engine's command line. Podman and Docker understand the same words.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use super::{Choice, Config, EFFECT, Problem};

/// Where programs are looked for.
const DIRECTORIES: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// What is kept of what the engine says about itself.
const MAX_WORDS: usize = 256 << 10;
/// How often it is looked whether a container that is handed its input has been started.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Longest part of it that becomes part of an error.
const MAX_EXCERPT: usize = 1024;

/// The engine's program.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    program: PathBuf,
    environment: BTreeMap<String, String>,
}

/// How a container stands.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) status: String,
    #[serde(default, rename = "ExitCode")]
    pub(super) code: i32,
    /// Why it was not started, if it was not.
    #[serde(default)]
    pub(super) error: String,
    /// RFC 3339.
    #[serde(default)]
    pub(super) finished_at: String,
}

impl State {
    /// Whether it was made and never started.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.status.as_str(), "created" | "configured" | "initialized")
    }

    /// Whether its process is over.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "exited" | "dead" | "stopped" | "removing")
    }
}

/// What a command of the engine said.
struct Said {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    truncated: bool,
}

impl Engine {
    /// The engine that the configuration wants.
    ///
    /// # Errors
    /// If it is not there.
    pub(super) fn find(config: &Config) -> Result<Self, Problem> {
        let names: &[&str] = match config.engine {
            Choice::Auto => &["podman", "docker"],
            Choice::Podman => &["podman"],
            Choice::Docker => &["docker"],
            Choice::None => return Err(Problem::NoEngine("`containers.engine` is `none`".into())),
        };
        let program = match &config.program {
            Some(program) => Some(program.clone()).filter(|program| program.is_file()),
            None => names
                .iter()
                .flat_map(|name| DIRECTORIES.map(|directory| Path::new(directory).join(name)))
                .find(|program| program.is_file()),
        };
        let program = program.ok_or_else(|| {
            let looked = match &config.program {
                Some(program) => format!("no file {}", program.display()),
                None => format!("no {} in {}", names.join(" or "), DIRECTORIES.join(", ")),
            };
            Problem::NoEngine(looked)
        })?;
        Ok(Self { program, environment: config.environment.clone() })
    }

    /// The container of an effect.
    pub(super) async fn find_effect(&self, key: &str) -> Result<Option<String>, Problem> {
        Ok(self.list(&format!("label={EFFECT}={key}")).await?.into_iter().next())
    }

    /// Ids of all containers that a filter finds, ended or not.
    pub(super) async fn list(&self, filter: &str) -> Result<Vec<String>, Problem> {
        let words = ["ps", "--all", "--no-trunc", "--filter", filter, "--format", "{{.ID}}"];
        Ok(self
            .ask("list containers", &words)
            .await?
            .lines()
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Makes a container and does not start it. Answers its id.
    pub(super) async fn create(&self, arguments: Vec<String>) -> Result<String, Problem> {
        let mut words = vec!["create"];
        words.extend(arguments.iter().map(String::as_str));
        let said = self.ask("create a container", &words).await?;
        // A pull may have been reported before it.
        let id = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        id.map(str::to_owned).ok_or_else(|| Problem::Engine("create a container: it named none".into()))
    }

    /// Starts it. With `stdin`, the program that hands it over goes on when the server ends.
    pub(super) async fn start(&self, id: &str, stdin: Option<File>) -> Result<(), Problem> {
        let Some(stdin) = stdin else {
            return self.ask("start a container", &["start", id]).await.map(|_| ());
        };
        let mut command = self.command(&["start", "--attach", "--interactive", id]);
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).kill_on_drop(false);
        let mut child = command.spawn().map_err(|problem| self.gone(&problem))?;
        // It stays for as long as the container runs, and its exit code is the container's or its own: only the state
        // tells whether there was a start.
        loop {
            let over = tokio::time::timeout(LOOK_AGAIN, child.wait()).await.is_ok();
            let state = self.state(id).await?;
            if !state.is_new() {
                return Ok(());
            }
            if over {
                return Err(Problem::Engine(format!("start a container{}", excerpt(state.error.as_bytes()))));
            }
        }
    }

    /// Returns when it has ended.
    pub(super) async fn wait(&self, id: &str) -> Result<(), Problem> {
        self.ask("wait for a container", &["wait", id]).await.map(|_| ())
    }

    pub(super) async fn state(&self, id: &str) -> Result<State, Problem> {
        let said = self.ask("inspect a container", &["inspect", "--format", "{{json .State}}", id]).await?;
        serde_json::from_str(said.trim())
            .map_err(|problem| Problem::Engine(format!("inspect a container: {problem}")))
    }

    /// A label of it, if it has it.
    pub(super) async fn label(&self, id: &str, name: &str) -> Result<Option<String>, Problem> {
        let said =
            self.ask("inspect a container", &["inspect", "--format", "{{json .Config.Labels}}", id]).await?;
        let labels: Option<BTreeMap<String, String>> = serde_json::from_str(said.trim())
            .map_err(|problem| Problem::Engine(format!("inspect a container: {problem}")))?;
        Ok(labels.and_then(|mut labels| labels.remove(name)))
    }

    /// Its output streams, each at most `limit` bytes, and whether one was cut.
    pub(super) async fn output(&self, id: &str, limit: usize) -> Result<(Vec<u8>, Vec<u8>, bool), Problem> {
        let said = self.say(&["logs", id], limit).await?;
        if !said.status.success() && !said.truncated {
            return Err(Problem::Engine(format!("show the output of a container{}", excerpt(&said.stderr))));
        }
        Ok((said.stdout, said.stderr, said.truncated))
    }

    /// Kills and removes it.
    pub(super) async fn remove(&self, id: &str) -> Result<(), Problem> {
        self.ask("remove a container", &["rm", "--force", "--volumes", id]).await.map(|_| ())
    }

    /// Kills and removes the container of an effect, if there is one.
    pub(super) async fn remove_effect(&self, key: &str) -> Result<(), Problem> {
        match self.find_effect(key).await? {
            Some(id) => self.remove(&id).await,
            None => Ok(()),
        }
    }

    /// What it says, when it does what it is told.
    async fn ask(&self, what: &str, words: &[&str]) -> Result<String, Problem> {
        let said = self.say(words, MAX_WORDS).await?;
        if said.status.success() {
            Ok(String::from_utf8_lossy(&said.stdout).into_owned())
        } else {
            Err(Problem::Engine(format!("{what}{}", excerpt(&said.stderr))))
        }
    }

    /// Killed when nobody waits for it any more; the container is not.
    async fn say(&self, words: &[&str], limit: usize) -> Result<Said, Problem> {
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|problem| self.gone(&problem))?;
        let (stdout, stderr) = (
            child.stdout.take().expect("standard output is a pipe"),
            child.stderr.take().expect("standard error is a pipe"),
        );
        let (stdout, stderr, status) =
            tokio::join!(bounded(stdout, limit), bounded(stderr, limit), child.wait());
        let ((stdout, cut), (stderr, also_cut)) = (stdout, stderr);
        let status = status.map_err(|problem| self.gone(&problem))?;
        Ok(Said { status, stdout, stderr, truncated: cut || also_cut })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).env_clear().envs(&self.environment);
        command
    }

    fn gone(&self, problem: &std::io::Error) -> Problem {
        Problem::NoEngine(format!("{} cannot be run: {problem}", self.program.display()))
    }
}

/// At most `limit` bytes of a stream; the rest is read and dropped. The second says whether there was a rest.
async fn bounded(mut stream: impl AsyncRead + Unpin, limit: usize) -> (Vec<u8>, bool) {
    let (mut kept, mut cut, mut buffer) = (Vec::new(), false, vec![0; 16 << 10]);
    // A stream that breaks has ended.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let fits = length.min(limit - kept.len());
        kept.extend_from_slice(&buffer[..fits]);
        cut |= fits < length;
    }
    (kept, cut)
}

/// `: ` and the end of what was said, where the reason usually is.
fn excerpt(words: &[u8]) -> String {
    let end = String::from_utf8_lossy(&words[words.len().saturating_sub(MAX_EXCERPT)..]);
    let end = end.trim_start_matches(char::REPLACEMENT_CHARACTER).trim();
    if end.is_empty() { String::new() } else { format!(": {end}") }
}
