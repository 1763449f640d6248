//! Gives every run that can move a worker, and wakes those that wait for a time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use openclaw_gateway::{
    Definitions, Ends, Sequencer,
    sequencer::{Commit, Commits},
};
use openclaw_log::EventLog;
use openclaw_model::{Event, RunId, Timestamp, event::run::RunEvent};
use openclaw_ports::{Clock, Effects, Ids, Secrets};
use openclaw_workflow::{expression::Evaluator, stepper::Limits};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    metrics,
    open_runs::OpenRuns,
    worker::{Exit, Pokes, Worker},
};

/// The wall clock is looked at again after this long, because it may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What the runtime works with.
pub struct Parts<L> {
    /// Where runs are folded from.
    pub log: Arc<L>,
    /// Where outcomes go.
    pub sequencer: Sequencer,
    /// What runs execute.
    pub definitions: Arc<Definitions<L>>,
    /// Who waits for ends.
    pub ends: Arc<Ends>,
    /// Acts on the world.
    pub effects: Arc<dyn Effects>,
    /// Evaluates expressions.
    pub evaluator: Arc<dyn Evaluator>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// What `$secrets` looks like.
    pub secrets: Arc<dyn Secrets>,
    /// Bounds on a run.
    pub limits: Limits,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not stopping.
    Running,
    /// Effects under way may end and are recorded; nothing new is begun.
    Draining,
    /// Effects under way are stopped; the next start decides about them.
    Killing,
}

/// Handle to the running runtime.
#[derive(Debug)]
pub struct Runtime {
    stage: watch::Sender<Stage>,
    ended: watch::Receiver<bool>,
}

impl Runtime {
    /// Makes the runtime and its task, which the caller runs. `open` are the runs that had not ended when the
    /// process started: effects that they had begun may or may not have happened.
    pub fn new<L: EventLog>(
        parts: Parts<L>,
        commits: Commits,
        open: OpenRuns,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (stage, staged) = watch::channel(Stage::Running);
        let (end, ended) = watch::channel(false);
        let supervisor = Supervisor {
            parts: Arc::new(parts),
            open,
            stage: staged,
            running: HashMap::new(),
            workers: JoinSet::new(),
            due: BTreeSet::new(),
        };
        let task = async move {
            supervisor.run(commits).await;
            end.send_replace(true);
        };
        (Self { stage, ended }, task)
    }

    /// Stops: begins nothing new, records what ends within `grace`, then stops the rest. Nothing is lost: what was
    /// stopped is taken up again at the next start.
    pub async fn stop(&self, grace: Duration) {
        self.stage.send_replace(Stage::Draining);
        let mut ended = self.ended.clone();
        if tokio::time::timeout(grace, ended.wait_for(|ended| *ended)).await.is_err() {
            self.stage.send_replace(Stage::Killing);
            // An error means that the task is gone, which is as good as an end.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }
}

struct Supervisor<L> {
    parts: Arc<Parts<L>>,
    open: OpenRuns,
    stage: watch::Receiver<Stage>,
    running: HashMap<RunId, mpsc::UnboundedSender<()>>,
    workers: JoinSet<(RunId, Exit, Pokes)>,
    /// Runs without a worker that want one at a time.
    due: BTreeSet<(Timestamp, RunId)>,
}

impl<L: EventLog> Supervisor<L> {
    async fn run(mut self, mut commits: Commits) {
        for run in self.open.runs().clone() {
            self.employ(run, true);
        }
        let mut stage = self.stage.clone();
        loop {
            metrics::active(self.running.len());
            metrics::open(self.open.runs().len());
            if *stage.borrow() != Stage::Running && self.running.is_empty() {
                break;
            }
            let sleep = self.sleep();
            tokio::select! {
                commit = commits.recv() => match commit {
                    Some(commit) => self.follow(&commit),
                    None => break,
                },
                Some(left) = self.workers.join_next(), if !self.workers.is_empty() => self.dismiss(left),
                () = sleep => self.wake(),
                _ = stage.changed() => {}
            }
        }
        if let Err(error) = self.open.save() {
            tracing::warn!(%error, "the index of open runs was not saved; the next start reads the log instead");
        }
    }

    /// Until the next run is due; for ever if none is.
    fn sleep(&self) -> impl Future<Output = ()> + Send + use<L> {
        let delay = self.due.first().map(|(due, _)| {
            Duration::from_millis(due.millis_since(self.parts.clock.now())).min(LONGEST_SLEEP)
        });
        async move {
            match delay {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        }
    }

    fn follow(&mut self, commit: &Commit) {
        let run = commit.stream.as_run();
        self.open.follow(run, commit.position, &commit.events);
        if self.open.is_stale()
            && let Err(error) = self.open.save()
        {
            tracing::warn!(%error, "the index of open runs was not saved");
        }
        self.parts.ends.tell(commit);
        let Some(run) = run else { return };
        for event in commit.events.iter() {
            let Event::Run(event) = event else { continue };
            metrics::happened(event);
            match event {
                RunEvent::Started(_) => self.employ(run, false),
                // From outside; everything else the worker of the run wrote itself.
                RunEvent::Signalled(_) | RunEvent::CancelRequested(_) => self.poke(run),
                _ => {}
            }
        }
    }

    fn poke(&mut self, run: RunId) {
        match self.running.get(&run) {
            // A worker that is leaving hands its unread pokes back.
            Some(pokes) => drop(pokes.send(())),
            None => self.employ(run, false),
        }
    }

    fn employ(&mut self, run: RunId, recovered: bool) {
        if *self.stage.borrow() != Stage::Running || self.running.contains_key(&run) {
            return;
        }
        self.due.retain(|(_, waiting)| *waiting != run);
        let (sender, pokes) = mpsc::unbounded_channel();
        self.running.insert(run, sender);
        let worker = Worker::new(self.parts.clone(), run, self.stage.clone());
        self.workers.spawn(async move {
            let (exit, pokes) = worker.run(pokes, recovered).await;
            (run, exit, pokes)
        });
    }

    fn dismiss(&mut self, left: Result<(RunId, Exit, Pokes), tokio::task::JoinError>) {
        let (run, exit, mut pokes) = match left {
            Ok(left) => left,
            Err(error) => {
                // Which run it was is not known any more, so all without a living worker are looked at.
                tracing::error!(%error, "a worker panicked");
                let lost: Vec<RunId> =
                    self.running.iter().filter(|(_, pokes)| pokes.is_closed()).map(|(run, _)| *run).collect();
                for run in lost {
                    self.running.remove(&run);
                }
                return;
            }
        };
        self.running.remove(&run);
        match exit {
            Exit::Ended => {}
            Exit::Stopped(reason) => tracing::warn!(%run, reason, "a run was left where it stands"),
            Exit::Parked { due } => {
                if pokes.try_recv().is_ok() {
                    self.employ(run, false);
                } else if let Some(due) = due {
                    self.due.insert((due, run));
                }
            }
        }
    }

    fn wake(&mut self) {
        let now = self.parts.clock.now();
        while let Some((due, run)) = self.due.first().copied() {
            if due > now {
                break;
            }
            self.due.pop_first();
            self.employ(run, false);
        }
    }
}
