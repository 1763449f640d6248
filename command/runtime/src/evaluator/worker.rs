//! One worker: the process, and the thread of the server that talks to it.

use std::{
    io::{self, stdin, stdout},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use openclaw_workflow::expression::worker::{self, MAX_RESPONSE_BYTES};

use super::{WorkerCommand, limits};

/// The whole of a worker process: limits itself and answers requests on its standard input until that ends.
///
/// Call it first thing in `main`, before threads are started: it wants the main thread's stack.
#[must_use]
pub fn serve() -> ExitCode {
    if limits::apply().is_err() {
        // Without limits it must not work. The parent reports that the worker ended.
        return ExitCode::FAILURE;
    }
    match worker::serve(stdin().lock(), stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What came of a request.
pub(super) enum Reply {
    /// The frame that the worker answered with.
    Answer(Vec<u8>),
    /// The process ended, or answered with what is no frame.
    Died,
    /// The process could not be started.
    NotStarted(io::Error),
}

/// A worker process, seen from those who give it work. When this is dropped, the process is ended.
pub(super) struct Worker {
    requests: SyncSender<Vec<u8>>,
    replies: Receiver<Reply>,
    process: Arc<Mutex<Process>>,
}

/// The process, shared so that it can be killed while its thread waits for it.
#[derive(Default)]
struct Process {
    child: Option<Child>,
    /// Whether nobody wants it any more, also if it is still being started.
    abandoned: bool,
}

impl Process {
    fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            // It fails only for a process that has ended.
            let _ = child.kill();
        }
    }
}

fn locked(process: &Mutex<Process>) -> MutexGuard<'_, Process> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a worker has no reply.
pub(super) enum Silence {
    /// The time is over.
    TimedOut,
    /// It had closed itself before the request reached it.
    Closed,
}

impl Worker {
    /// Starts a worker that closes itself when it has nothing to do for `idle`. `alive` counts it as long as it is
    /// there.
    pub(super) fn start(command: WorkerCommand, idle: Duration, alive: Arc<AtomicUsize>) -> io::Result<Self> {
        let (requests, to_do) = sync_channel(1);
        let (done, replies) = sync_channel(1);
        let process = Arc::<Mutex<Process>>::default();
        let talk = Talk { command, idle, process: process.clone(), done };
        alive.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(alive);
        // The process is tied to the thread that starts it, so this thread lives as long as the process.
        thread::Builder::new().name("expression-worker".into()).spawn(move || {
            let _counted = counted;
            talk.run(&to_do);
        })?;
        Ok(Self { requests, replies, process })
    }

    /// Sends a request and waits for the reply.
    pub(super) fn ask(&self, request: Vec<u8>, within: Duration) -> Result<Reply, Silence> {
        self.requests.send(request).map_err(|_| Silence::Closed)?;
        self.replies.recv_timeout(within).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TimedOut,
            RecvTimeoutError::Disconnected => Silence::Closed,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut process = locked(&self.process);
        process.abandoned = true;
        process.kill();
    }
}

/// Takes one from the count when dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The thread's side.
struct Talk {
    command: WorkerCommand,
    idle: Duration,
    process: Arc<Mutex<Process>>,
    done: SyncSender<Reply>,
}

impl Talk {
    fn run(self, to_do: &Receiver<Vec<u8>>) {
        let last = match self.spawn() {
            Ok((stdin, stdout)) => self.exchange(stdin, stdout, to_do),
            Err(error) => Some(Reply::NotStarted(error)),
        };
        let child = {
            let mut process = locked(&self.process);
            process.kill();
            // Taken out: whoever drops the worker must not wait for the lock while we wait for the end.
            process.child.take()
        };
        if let Some(mut child) = child {
            let _ = child.wait();
        }
        if let Some(last) = last {
            let _ = self.done.send(last);
        }
    }

    fn spawn(&self) -> io::Result<(ChildStdin, ChildStdout)> {
        use std::os::unix::process::CommandExt;

        let mut child = Command::new(&self.command.program)
            .args(&self.command.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Signals from a terminal are for the server.
            .process_group(0)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let mut process = locked(&self.process);
        process.child = Some(child);
        if process.abandoned {
            process.kill();
        }
        drop(process);
        crate::metrics::expression_worker_started();
        pipes.ok_or_else(|| io::Error::other("the worker has no pipes"))
    }

    /// Passes requests and replies on until there is nothing to do or the process fails; gives the last reply if one
    /// is owed.
    fn exchange(
        &self,
        mut stdin: ChildStdin,
        mut stdout: ChildStdout,
        to_do: &Receiver<Vec<u8>>,
    ) -> Option<Reply> {
        use std::io::Write;

        while let Ok(request) = to_do.recv_timeout(self.idle) {
            let sent = stdin.write_all(&request).and_then(|()| stdin.flush());
            drop(request);
            let answer = sent.and_then(|()| worker::read_frame(&mut stdout, MAX_RESPONSE_BYTES));
            match answer {
                Ok(Some(frame)) => self.done.send(Reply::Answer(frame)).ok()?,
                Ok(None) | Err(_) => return Some(Reply::Died),
            }
        }
        None
    }
}
