//! A server as a process: started, asked, stopped, killed, started again on the same directory.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openclaw_client::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    task::JoinSet,
    time::timeout,
};

use crate::{Caller, Finished, History, openclaw, process};

/// How long a start or a stop may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What tests call is on this machine; a server by itself calls nothing there.
const LOCAL: &str = "127.0.0.1:*,localhost:*,[::1]:*";

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether it is started as users start it, so that it calls nothing on this machine.
    pub closed: bool,
    /// Settings as environment variables, for example `OPENCLAW_LOG__MIN_FREE_BYTES`.
    pub environment: Vec<(String, String)>,
    /// Parts of `ERROR` lines that the test provokes. Any other `ERROR` line fails it.
    pub expected_errors: Vec<&'static str>,
}

impl Options {
    /// With a setting, `section.field`.
    #[must_use]
    pub fn set(mut self, field: &str, value: impl ToString) -> Self {
        let name = format!("OPENCLAW_{}", field.to_uppercase().replace('.', "__"));
        self.environment.push((name, value.to_string()));
        self
    }

    /// As users start it: without permission to call anything on this machine.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// With an `ERROR` line that is part of the test.
    #[must_use]
    pub fn expect_error(mut self, part: &'static str) -> Self {
        self.expected_errors.push(part);
        self
    }
}

/// A running server. Killed when dropped; a line that says `ERROR` fails the test that does not expect it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    directory: PathBuf,
    options: Options,
    log: Arc<Mutex<Vec<String>>>,
    readers: JoinSet<()>,
    caller: Caller,
    client: Client,
}

impl Server {
    /// Starts a server on `directory` and waits until it listens.
    ///
    /// # Panics
    /// When it does not come to that; the message has what it said.
    pub async fn start(directory: &Path, options: Options) -> Self {
        match Self::try_start(directory, options).await {
            Ok(server) => server,
            Err(finished) => panic!("the server did not start: {finished:?}"),
        }
    }

    /// Starts a server on `directory` with the defaults.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn on(directory: &Path) -> Self {
        Self::start(directory, Options::default()).await
    }

    /// Starts a server on `directory`.
    ///
    /// # Errors
    /// With what it said, when it ended before it listened.
    ///
    /// # Panics
    /// When it neither listens nor ends.
    pub async fn try_start(directory: &Path, options: Options) -> Result<Self, Finished> {
        let mut command = process::command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory).env("HOME", directory);
        if !options.closed {
            command.args(["--allow-private-egress", LOCAL]);
        }
        command.envs(options.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut readers = JoinSet::new();
        let mut stderr = BufReader::new(child.stderr.take().expect("standard error is a pipe")).lines();
        let kept = Arc::clone(&log);
        readers.spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe")).lines();
        let listening = async {
            while let Ok(Some(line)) = stdout.next_line().await {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Some(url.to_owned());
                }
            }
            None
        };
        let Some(url) = timeout(PATIENCE, listening).await.expect("a server listens or ends within a minute")
        else {
            let status = child.wait().await.expect("the server is ours to wait for");
            readers.join_all().await;
            let stderr = log.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
            return Err(Finished {
                code: status.code(),
                signal: status.signal(),
                stdout: String::new(),
                stderr,
            });
        };
        let token =
            std::fs::read_to_string(directory.join("token")).expect("a server that listens has a token");
        let token = token.trim();
        let client = Client::new(&url, token).expect("the address and the token are of the server");
        let caller = Caller::new(&url, token);
        // Read on, or a server that says more would stop.
        readers.spawn(async move { while let Ok(Some(_)) = stdout.next_line().await {} });
        Ok(Self { child, directory: directory.to_owned(), options, log, readers, caller, client })
    }

    /// The typed client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The untyped one.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Its data directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Physical memory it has, in bytes; the largest it ever had with `peak`.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn memory(&self, peak: bool) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server runs");
        let name = if peak { "VmHWM:" } else { "VmRSS:" };
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a process has memory");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("in kilobytes");
        kilobytes << 10
    }

    /// Calls a method without a key.
    ///
    /// # Errors
    /// The error object.
    ///
    /// # Panics
    /// When no answer came.
    pub async fn rpc(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.caller.call(method, &params, None).await.expect("the server answers")
    }

    /// Runs a document that comes with the call, to its end.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn run(&self, definition: impl Into<Value>, input: Value) -> Value {
        let params = json!({ "definition": definition.into(), "input": input, "wait": "60s" });
        self.rpc("run.start", params).await.expect("the document is right")
    }

    /// The output of a document that is run to its end.
    ///
    /// # Panics
    /// When the run does not complete.
    pub async fn output(&self, definition: impl Into<Value>, input: Value) -> Value {
        let run = self.run(definition, input).await;
        assert_eq!(run["status"], "completed", "{run}");
        run["output"].clone()
    }

    /// Waits until a run has ended, and answers how, as GraphQL shows it.
    ///
    /// # Panics
    /// When it does not end, or is none.
    pub async fn ended(&self, run: &str) -> Value {
        const QUERY: &str = "query($id: ID!) { run(id: $id) { status output error { type status detail } } }";
        crate::eventually(&format!("the end of run {run}"), async || {
            let data = self.client.graphql(QUERY, json!({ "id": run })).await.expect("the query is right");
            let status = data["run"]["status"].as_str()?;
            matches!(status, "completed" | "faulted" | "cancelled").then(|| data["run"].clone())
        })
        .await
    }

    /// The data of a query.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn query(&self, query: &str, variables: Value) -> Value {
        match self.client.graphql(query, variables).await {
            Ok(data) => data,
            Err(error) => panic!("{query}: {error:?}"),
        }
    }

    /// Asks it to stop, and waits until it has. Answers the log, which the directory then has.
    ///
    /// # Panics
    /// When it does not stop, or not well, or has logged an error that was not expected.
    pub async fn terminate(mut self) -> History {
        let pid = i32::try_from(self.pid()).expect("process ids are small");
        kill_process(Pid::from_raw(pid).expect("no process has id 0"), Signal::TERM)
            .expect("the server runs");
        let status = timeout(PATIENCE, self.child.wait()).await.expect("a server stops within a minute");
        self.finish_reading().await;
        let status = status.expect("the server is ours to wait for");
        assert!(status.success(), "the server ended with {status}:\n{}", self.said().join("\n"));
        let directory = self.directory.clone();
        drop(self);
        History::verified(&directory).await
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// When it has logged an error that was not expected.
    pub async fn kill9(mut self) {
        self.child.kill().await.expect("the server runs and is ours");
        self.finish_reading().await;
    }

    /// Kills it and starts another one on the same directory.
    ///
    /// # Panics
    /// As [`Server::kill9`] and [`Server::start`].
    pub async fn kill9_and_restart(self) -> Self {
        let (directory, options) = (self.directory.clone(), self.options.clone());
        self.kill9().await;
        Self::start(&directory, options).await
    }

    /// Stops it and starts another one on the same directory.
    ///
    /// # Panics
    /// As [`Server::terminate`] and [`Server::start`].
    pub async fn restart(self) -> Self {
        let (directory, options) = (self.directory.clone(), self.options.clone());
        let _ = self.terminate().await;
        Self::start(&directory, options).await
    }

    /// What it has said on standard error.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a command of the CLI that finds this server by its directory.
    pub async fn cli(&self, arguments: &[&str], stdin: Option<&str>) -> Finished {
        let directory = self.directory.to_str().expect("temporary directories have Unicode names");
        openclaw(&self.directory, arguments, &[("OPENCLAW_DATA", directory)], stdin).await
    }

    async fn finish_reading(&mut self) {
        // A process that the server left behind may keep the pipes open; then there is nothing more to read either.
        let rest = async { while self.readers.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_secs(5), rest).await;
    }

    fn unexpected(&self) -> Vec<String> {
        let is_error = |line: &str| line.split_whitespace().take(2).any(|word| word == "ERROR");
        let expected = |line: &str| self.options.expected_errors.iter().any(|part| line.contains(part));
        self.said().into_iter().filter(|line| is_error(line) && !expected(line)).collect()
    }
}

impl Drop for Server {
    /// Fails the test if somebody would have to look at the log.
    fn drop(&mut self) {
        let unexpected = self.unexpected();
        if std::thread::panicking() {
            let said = self.said();
            let tail = &said[said.len().saturating_sub(30)..];
            crate::tell(&format!("the server said at last:\n{}", tail.join("\n")));
        } else {
            assert!(unexpected.is_empty(), "the server logged errors:\n{}", unexpected.join("\n"));
        }
    }
}
