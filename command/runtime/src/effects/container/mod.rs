//! `run: container` (dsl-reference, "Container Process"), with the engine of this machine.
//!
//! A container carries the effect's key as a label, and the engine remembers how it ended. So an effect that is
//! performed again, after a crash of the server, finds its container: one that was not started is started, one that runs
//! is waited for, one that has ended gives its outcome. It never runs twice, which is why the class of containers is
//! `keyed`.

mod create;
mod engine;
mod keep;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use openclaw_model::event::run::{ContainerRequest, WorkflowError};
use openclaw_ports::{
    Clock, EffectOutcome,
    sandbox::{End, Limits as ProcessLimits, Outcome},
};
use openclaw_workflow::error;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::engine::Engine;
use super::process;

/// The label that holds the key of the effect.
const EFFECT: &str = "openclaw.effect";
/// The label that says how long the container is kept after its end, in milliseconds.
const KEEP: &str = "openclaw.keep";
/// The label that says whose it is, see [`Config::instance`].
const INSTANCE: &str = "openclaw.instance";

/// Which engine is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Podman if it is there, else Docker.
    #[default]
    Auto,
    /// Podman.
    Podman,
    /// Docker.
    Docker,
    /// None: containers are refused.
    None,
}

/// How containers are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which engine.
    pub engine: Choice,
    /// The engine's program; looked for in `/usr/local/bin`, `/usr/bin` and `/bin` if none.
    pub program: Option<PathBuf>,
    /// Directories of this machine whose contents containers may see. None by default.
    pub volumes: Vec<PathBuf>,
    /// The environment of the engine's program, for example `DOCKER_HOST`. No container sees it.
    pub environment: BTreeMap<String, String>,
    /// A directory of the server's own for what containers read. It is made at the first container.
    pub directory: PathBuf,
    /// Time on the wall for one container.
    pub wall: Duration,
    /// Memory of one container, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads of one container.
    pub processes: u64,
    /// What is kept of each output stream, in bytes.
    pub output_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: Choice::Auto,
            program: None,
            volumes: Vec::new(),
            environment: BTreeMap::new(),
            directory: PathBuf::from("containers"),
            wall: Duration::from_secs(3600),
            memory_bytes: 512 << 20,
            processes: 512,
            output_bytes: 1 << 20,
        }
    }
}

impl Config {
    /// Tells the containers of this server from those of others that use the same engine.
    fn instance(&self) -> String {
        blake3::hash(self.directory.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned()
    }
}

/// Why a container was not run, or is not known to have run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    /// No engine. `OC-CTR-001`.
    #[error("OC-CTR-001: there is no container engine: {0}")]
    NoEngine(String),
    /// The engine did not do what it was told. `OC-CTR-002`.
    #[error("OC-CTR-002: the container engine refused to {0}")]
    Engine(String),
    /// The container asks for what it may not have. `OC-CTR-003`.
    #[error("OC-CTR-003: the container {0}")]
    Refused(String),
}

impl From<Problem> for WorkflowError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NoEngine(_) | Problem::Refused(_) => error::configuration(problem.to_string()),
            Problem::Engine(_) => error::runtime(problem.to_string()),
        }
    }
}

/// Runs containers.
pub struct ContainerEffects {
    inner: Arc<Inner>,
    /// Those who wait to remove containers.
    keeping: TaskTracker,
    stopping: CancellationToken,
}

struct Inner {
    config: Config,
    clock: Arc<dyn Clock>,
}

impl ContainerEffects {
    /// Looks for nothing and starts nothing.
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner { config, clock });
        Self { inner, keeping: TaskTracker::new(), stopping: CancellationToken::new() }
    }

    /// Runs the container of the effect with this key to its end, or finds it. When `cancel` fires, it is killed and
    /// removed. When the future is dropped, it goes on, and is found when the effect is performed again.
    ///
    /// # Errors
    /// A configuration error if there is no engine (`OC-CTR-001`) or the container asks for what it may not have
    /// (`OC-CTR-003`); a runtime error if the engine fails (`OC-CTR-002`) or the process did; a timeout error if its
    /// time ran out.
    pub async fn perform(
        &self,
        request: &ContainerRequest,
        key: &str,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let engine = Engine::find(&self.inner.config)?;
        let wall = self.inner.config.wall;
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Stopped::Cancelled),
            outcome = tokio::time::timeout(wall, self.inner.run(&engine, request, key)) => {
                outcome.map_err(|_| Stopped::Late)
            }
        };
        match outcome {
            Ok(outcome) => {
                let ended = outcome?;
                self.remove_later(&engine, request.keep_ms, &ended.id);
                match ended.outcome {
                    Some(outcome) => process::output(request.returns, &outcome, &self.inner.limits()),
                    None => Ok(Value::Null),
                }
            }
            Err(stopped) => {
                if let Err(problem) = engine.remove_effect(key).await {
                    tracing::warn!(%problem, "a container that was stopped may be left");
                }
                Err(match stopped {
                    Stopped::Cancelled => error::runtime("the container was cancelled".into()),
                    Stopped::Late => {
                        error::timeout(format!("the container was killed after {} s", wall.as_secs_f64()))
                    }
                })
            }
        }
    }

    /// Removes containers of earlier processes that have been kept for long enough, after a while in which effects that
    /// were under way find theirs. Does nothing if there never was one.
    pub fn sweep(&self) {
        if !self.inner.config.directory.is_dir() {
            return;
        }
        let (inner, stopping) = (self.inner.clone(), self.stopping.clone());
        self.keeping.spawn(async move {
            let sweeping = async {
                tokio::time::sleep(keep::GRACE).await;
                loop {
                    if let Ok(engine) = Engine::find(&inner.config) {
                        keep::sweep(&engine, &inner.config.instance(), &*inner.clock).await;
                    }
                    tokio::time::sleep(keep::INTERVAL).await;
                }
            };
            tokio::select! {
                () = stopping.cancelled() => {}
                () = sweeping => {}
            }
        });
    }

    /// Stops waiting to remove containers; the next start goes on with it. Containers that run go on.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.keeping.close();
        self.keeping.wait().await;
    }

    fn remove_later(&self, engine: &Engine, keep_ms: Option<u64>, id: &str) {
        let Some(keep_ms) = keep_ms else { return };
        let (engine, id, stopping) = (engine.clone(), id.to_owned(), self.stopping.clone());
        self.keeping.spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = keep::remove(&engine, &id, Duration::from_millis(keep_ms)) => {}
            }
        });
    }
}

enum Stopped {
    Cancelled,
    Late,
}

/// A container that is through, or that nobody waits for.
struct Ended {
    id: String,
    outcome: Option<Outcome>,
}

impl Inner {
    async fn run(
        &self,
        engine: &Engine,
        request: &ContainerRequest,
        key: &str,
    ) -> Result<Ended, WorkflowError> {
        let id = match engine.find_effect(key).await? {
            Some(id) => id,
            None => engine.create(create::arguments(request, key, &self.config).await?).await?,
        };
        let state = engine.state(&id).await?;
        if state.is_new() {
            let stdin = match &request.stdin {
                Some(text) => Some(self.stdin(key, text).await?),
                None => None,
            };
            if let Err(problem) = engine.start(&id, stdin).await {
                // Whether it was started after all says the engine. If it cannot, the container stays.
                if engine.state(&id).await?.is_new() {
                    // Nothing is lost with it, and its name is free again.
                    let _ = engine.remove(&id).await;
                    return Err(problem.into());
                }
            }
        }
        if !request.wait {
            return Ok(Ended { id, outcome: None });
        }
        if !state.has_ended() {
            engine.wait(&id).await?;
        }
        let state = engine.state(&id).await?;
        if !state.has_ended() {
            return Err(Problem::Engine(format!("wait for {id}: it is {}", state.status)).into());
        }
        let (stdout, stderr, truncated) = engine.output(&id, self.config.output_bytes).await?;
        Ok(Ended { id, outcome: Some(Outcome { end: End::Exited(state.code), stdout, stderr, truncated }) })
    }

    /// Standard input as a file without a name: the engine's program reads it to its end even if the server dies.
    async fn stdin(&self, key: &str, text: &str) -> Result<std::fs::File, WorkflowError> {
        let (directory, text) = (self.config.directory.clone(), text.to_owned());
        let path = directory.join(format!("{key}.stdin"));
        let written = tokio::task::spawn_blocking(move || {
            make_private(&directory)?;
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, text)?;
            let file = std::fs::File::open(&path)?;
            std::fs::remove_file(&path)?;
            std::io::Result::Ok(file)
        });
        let written =
            written.await.map_err(|problem| error::runtime(format!("writing failed: {problem}")))?;
        written.map_err(|problem| {
            error::runtime(format!("the input of the container cannot be stored: {problem}"))
        })
    }

    fn limits(&self) -> ProcessLimits {
        ProcessLimits {
            wall: self.config.wall,
            output_bytes: self.config.output_bytes,
            ..ProcessLimits::default()
        }
    }
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
