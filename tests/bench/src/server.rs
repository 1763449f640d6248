//! The real server, as a process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use openclaw_client::Client;
use openclaw_model::Position;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::Instant,
};

/// How long a start, a stop and catching up may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a report says that has nothing to measure.
pub(crate) const MISSING: &str = "Skipped: there is no `openclaw` next to this program. Build it with `cargo build --release -p openclaw-server`.";

/// The server's binary, if it was built next to this one.
pub(crate) fn binary() -> anyhow::Result<Option<PathBuf>> {
    let path = std::env::current_exe()?.with_file_name("openclaw");
    Ok(path.exists().then_some(path))
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Kept open, because a server whose output nobody reads may stop.
    _stdout: Lines<BufReader<ChildStdout>>,
    /// From starting the process to its saying that it listens.
    pub(crate) ready_after: Duration,
    pub(crate) client: Client,
}

impl Server {
    /// Starts `binary` on the data directory `data` and waits until it says that it is ready.
    pub(crate) async fn start(binary: &Path, data: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(data.with_extension("stderr"))?;
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        // What the scenarios call is on this machine.
        command.args(["--allow-private-egress", "127.0.0.1:*,localhost:*,[::1]:*"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let started = Instant::now();
        let mut child = command.spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let ready = async {
            while let Some(line) = stdout.next_line().await? {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Ok((url.trim().to_owned(), started.elapsed()));
                }
            }
            Err(anyhow::anyhow!("the server ended; see {}", data.with_extension("stderr").display()))
        };
        let (url, ready_after) =
            tokio::time::timeout(PATIENCE, ready).await.context("the server does not start")??;
        let token = std::fs::read_to_string(data.join("token"))?;
        let client = Client::new(&url, token.trim())?;
        Ok(Self { child, _stdout: stdout, ready_after, client })
    }

    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// Waits until the read model shows everything, and says how much that is.
    pub(crate) async fn caught_up(&self) -> anyhow::Result<Position> {
        let started = Instant::now();
        loop {
            let health = self.client.health().await?;
            if health.projected >= health.position {
                return Ok(health.position);
            }
            anyhow::ensure!(started.elapsed() < PATIENCE, "the read model does not catch up: {health:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.id()?)?;
        kill_process(Pid::from_raw(pid).context("no process")?, Signal::TERM)?;
        let status =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.context("the server does not stop")??;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
