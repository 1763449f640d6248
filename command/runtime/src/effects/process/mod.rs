//! `run: shell` and `run: script` (dsl-reference, "Run"), in the sandbox.

mod asked;
mod network;
#[cfg(test)]
mod network_tests;
mod removal;
mod script;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use openclaw_egress::Proxy;
use openclaw_model::{
    RunId,
    event::run::{ProcessRequest, ProcessReturn, Program, WorkflowError},
};
use openclaw_ports::{
    EffectOutcome, Sandbox,
    sandbox::{End, Error, Job, Limit, Limits, Outcome, Policy, Streams},
};
use openclaw_workflow::error;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::script::Script;

pub use self::network::{Caller, Network};

/// What a process finds in its environment unless the task says otherwise: programs, a private home, UTF-8.
const ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/tmp"), ("LANG", "C.UTF-8")];

/// Longest part of the error output that becomes part of an error.
const MAX_EXCERPT: usize = 1024;

/// Runs the processes of tasks, each in its run's workspace.
pub struct ProcessEffects {
    sandbox: Arc<dyn Sandbox>,
    workspaces: PathBuf,
    policy: Policy,
    most: Policy,
    network: Option<Network>,
}

impl fmt::Debug for ProcessEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessEffects")
            .field("workspaces", &self.workspaces)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl ProcessEffects {
    /// `workspaces` is an absolute directory of the server's own; it is made at need.
    #[must_use]
    pub fn new(sandbox: Arc<dyn Sandbox>, workspaces: PathBuf, policy: Policy) -> Self {
        Self { sandbox, workspaces, most: policy.clone(), policy, network: None }
    }

    /// Lets tasks ask for up to `most`; without it, for no more than what they have anyway.
    #[must_use]
    pub fn with_most(mut self, most: Policy) -> Self {
        self.most = most;
        self
    }

    /// With a way to the network for tasks that ask for it.
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    /// Runs `request` to its end in the workspace of `run`, which tasks of one run share.
    ///
    /// Output that is cut by the limit is an error when the task wants that output. An exit code other than 0 is one
    /// unless the task wants the code.
    ///
    /// # Errors
    /// A runtime error (500) if the process failed or no sandbox can be had (`OC-SBX-001`), a timeout error (408) if
    /// its wall time ran out, a configuration error (400) if it cannot be run as it is: no interpreter
    /// (`OC-SBX-002`), a bad argument or environment (`OC-SBX-003`); an authorization error (403) if its task asks for
    /// more than the server allows (`OC-SBX-005`), or for a stricter level than the machine has (`OC-SBX-004`).
    pub async fn perform(
        &self,
        run: RunId,
        request: &ProcessRequest,
        caller: &Caller,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let (policy, proxy) = self.confined(request, caller)?;
        let workspace = self.workspace(run).await.map_err(|problem| {
            error::runtime(format!("the workspace of run {run} cannot be made: {problem}"))
        })?;
        let (mut command, script) = match &request.program {
            // The word after the command line is the shell's $0, the arguments are $1 and so on.
            Program::Shell { command } => {
                (["/bin/sh", "-c", command, "sh"].map(str::to_owned).to_vec(), None)
            }
            Program::Script { language, code } => {
                let script = Script::write(&workspace, *language, code)
                    .await
                    .map_err(|problem| error::runtime(format!("the script cannot be stored: {problem}")))?;
                (script.command(), Some(script))
            }
        };
        command.extend(request.arguments.iter().cloned());
        let limits = policy.limits;
        let job = Job {
            policy,
            command,
            environment: environment(&request.environment),
            stdin: request.stdin.clone().map(String::into_bytes),
            workspace,
            egress: proxy.as_ref().map(|proxy| proxy.socket().to_owned()),
            wanted: wanted(request.returns),
        };
        let result = self.sandbox.run(job, cancel).await;
        if let Some(proxy) = proxy {
            proxy.stop().await;
        }
        if let Some(script) = script {
            script.remove().await;
        }
        match result {
            Ok(outcome) => output(request.returns, &outcome, &limits),
            Err(error) => Err(refused(error)),
        }
    }

    /// The policy of a process, and the proxy that it reaches the network through if it asks for any.
    fn confined(
        &self,
        request: &ProcessRequest,
        caller: &Caller,
    ) -> Result<(Policy, Option<Proxy>), WorkflowError> {
        let policy = asked::policy(&self.policy, &self.most, request.sandbox.as_deref())?;
        let asked = request.sandbox.as_deref().map_or(&[][..], |asked| &asked.network);
        let proxy = match &self.network {
            Some(network) if !asked.is_empty() => Some(network.start(caller, policy.level, asked)?),
            _ => None,
        };
        Ok((policy, proxy))
    }

    /// Removes the workspace of `run` with everything in it. Only for a run of which no process is alive.
    ///
    /// # Errors
    /// If something of it stays.
    pub async fn remove_workspace(&self, run: RunId) -> io::Result<()> {
        let path = self.path(run);
        tokio::task::spawn_blocking(move || removal::remove(&path)).await.map_err(io::Error::other)?
    }

    fn path(&self, run: RunId) -> PathBuf {
        self.workspaces.join(run.to_string())
    }

    async fn workspace(&self, run: RunId) -> io::Result<PathBuf> {
        for directory in [&self.workspaces, &self.path(run)] {
            make_private(directory).await?;
        }
        Ok(self.path(run))
    }
}

async fn make_private(directory: &Path) -> io::Result<()> {
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).await
}

fn environment(task: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let defaults = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut environment = BTreeMap::from(defaults);
    environment.extend(task.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment
}

pub(super) fn output(returns: ProcessReturn, outcome: &Outcome, limits: &Limits) -> EffectOutcome {
    let code = match outcome.end {
        End::Exited(code) => code,
        End::Signalled(signal) => return Err(signalled(signal, &outcome.stderr)),
        End::Limit(limit) => return Err(passed(limit, limits, &outcome.stderr)),
        End::Cancelled => return Err(error::runtime("the process was cancelled".into())),
    };
    if code != 0 && !matches!(returns, ProcessReturn::Code | ProcessReturn::All) {
        return Err(WorkflowError {
            title: Some(format!("Process ended with exit code {code}")),
            ..error::runtime(format!("exit code {code}{}", tail(&outcome.stderr)))
        });
    }
    let text = |bytes: &[u8]| -> EffectOutcome {
        // A stream that was not cut can be as long as the limit only by accident.
        if outcome.truncated && bytes.len() >= limits.output_bytes {
            let limit = limits.output_bytes;
            return Err(error::runtime(format!(
                "the process wrote more than the limit of {limit} bytes to a stream"
            )));
        }
        Ok(String::from_utf8_lossy(bytes).into())
    };
    Ok(match returns {
        ProcessReturn::Stdout => text(&outcome.stdout)?,
        ProcessReturn::Stderr => text(&outcome.stderr)?,
        ProcessReturn::Code => code.into(),
        ProcessReturn::All => json!({
            "code": code,
            "stdout": text(&outcome.stdout)?,
            "stderr": text(&outcome.stderr)?,
        }),
        ProcessReturn::None => Value::Null,
    })
}

/// A process whose output a task wants has passed a limit, and is none that a task may take for complete.
const fn wanted(returns: ProcessReturn) -> Streams {
    Streams {
        stdout: matches!(returns, ProcessReturn::Stdout | ProcessReturn::All),
        stderr: matches!(returns, ProcessReturn::Stderr | ProcessReturn::All),
    }
}

fn passed(limit: Limit, limits: &Limits, stderr: &[u8]) -> WorkflowError {
    let detail = format!(
        "OC-SBX-006: the process was killed, it passed its limit on {limit}: {}{}",
        limits.describe(limit),
        tail(stderr)
    );
    if limit == Limit::Wall {
        return error::timeout(detail);
    }
    WorkflowError { title: Some(format!("Process passed its limit on {limit}")), ..error::runtime(detail) }
}

fn signalled(signal: i32, stderr: &[u8]) -> WorkflowError {
    let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
    let hint = match signal {
        9 => ", as the system does when memory runs out or the limit on processor time is passed",
        24 => ", the limit on processor time",
        25 => ", the limit on the size of a file",
        _ => "",
    };
    WorkflowError {
        title: Some(format!("Process ended by {name}")),
        ..error::runtime(format!("ended by {name}{hint}{}", tail(stderr)))
    }
}

/// The names that are the same on every architecture Linux gives this server.
const fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// `: ` and the end of an error output, where the reason usually is; nothing if there is none.
fn tail(stderr: &[u8]) -> String {
    let end = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(MAX_EXCERPT)..]);
    // Not half a character at the beginning.
    let end = end.trim_start_matches(char::REPLACEMENT_CHARACTER).trim();
    if end.is_empty() { String::new() } else { format!(": {end}") }
}

fn refused(error: Error) -> WorkflowError {
    let detail = format!("{}: {error}", error.code());
    match error {
        Error::Unavailable(_) => error::runtime(detail),
        Error::NoProgram(_) | Error::Refused(_) => error::configuration(detail),
        Error::Level { .. } => error::authorization(detail),
    }
}
