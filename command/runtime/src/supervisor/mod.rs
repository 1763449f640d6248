//! Gives every run that can move a worker, wakes those that wait for a time, an event or an end, and does what is owed.
//!
//! It follows every commit and asks nobody: what it knows is the index, and what it does follows from it.

mod employ;
mod errands;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use openclaw_gateway::{
    Definitions, Ends, Policies, Sequencer,
    sequencer::{Commit, Commits},
};
use openclaw_log::EventLog;
use openclaw_model::{ApprovalId, Event, Position, RunId, Timestamp};
use openclaw_ports::{Clock, Effects, Ids, Secrets};
use openclaw_workflow::{expression::Evaluator, stepper::Limits};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use self::errands::Errand;
use crate::{
    index::{OpenRuns, Owed, Wake},
    metrics,
    worker::{Exit, Handled, Poke, Pokes},
};

/// The wall clock is looked at again after this long, because it may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The index is saved this long after it changed, and not more often than one twentieth of the time it takes.
const SAVE_AFTER: Duration = Duration::from_secs(5);

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
    /// The policies in force.
    pub policies: Arc<Policies>,
    /// Bounds on a run.
    pub limits: Limits,
    /// The most runs that have a worker at a time; the others wait for one, the highest priority first.
    pub max_active_runs: Option<usize>,
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
    /// Makes the runtime and its task, which the caller runs. `open` is what had not ended when the process started:
    /// effects that runs had begun may or may not have happened.
    pub fn new<L: EventLog>(
        parts: Parts<L>,
        commits: Commits,
        open: OpenRuns,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (stage, staged) = watch::channel(Stage::Running);
        let (end, ended) = watch::channel(false);
        let (handled, handling) = mpsc::unbounded_channel();
        let supervisor = Supervisor {
            awake: parts.clock.now(),
            parts: Arc::new(parts),
            open,
            stage: staged,
            running: HashMap::new(),
            workers: JoinSet::new(),
            queue: BTreeMap::new(),
            queued: HashMap::new(),
            turn: 0,
            suspect: BTreeSet::new(),
            panics: HashMap::new(),
            due: BTreeSet::new(),
            handled,
            handling,
            errands: JoinSet::new(),
            paying: BTreeSet::new(),
            busy: BTreeSet::new(),
            saving: Saving { after: SAVE_AFTER, ..Saving::default() },
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

/// Who is waited for at a time. Entries may be out of date; whoever fires is looked at before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Run(RunId),
    Approval(ApprovalId),
    Schedule(Arc<str>),
}

/// When the index is written.
#[derive(Debug, Default)]
struct Saving {
    /// It changed; then it is due at this time.
    at: Option<Instant>,
    under_way: bool,
    after: Duration,
}

struct Supervisor<L> {
    parts: Arc<Parts<L>>,
    open: OpenRuns,
    /// Since when this process deals with due times.
    awake: Timestamp,
    stage: watch::Receiver<Stage>,
    running: HashMap<RunId, mpsc::UnboundedSender<Poke>>,
    workers: JoinSet<(RunId, Exit, Pokes)>,
    /// Runs that wait for a worker, because there are as many as there may be.
    queue: BTreeMap<(Reverse<i32>, u64), RunId>,
    /// Their places, and whether they are to recover.
    queued: HashMap<RunId, ((Reverse<i32>, u64), bool)>,
    turn: u64,
    /// Runs whose worker left in the middle of something: the next one has to recover.
    suspect: BTreeSet<RunId>,
    /// How often the workers of a run have panicked.
    panics: HashMap<RunId, u32>,
    /// What waits for a time.
    due: BTreeSet<(Timestamp, Timer)>,
    /// Workers say which events they have dealt with.
    handled: Handled,
    handling: mpsc::UnboundedReceiver<(RunId, Position, u8)>,
    errands: JoinSet<Errand>,
    /// What is being paid.
    paying: BTreeSet<Owed>,
    /// Schedules that an errand works on.
    busy: BTreeSet<Arc<str>>,
    saving: Saving,
}

impl<L: EventLog> Supervisor<L> {
    async fn run(mut self, mut commits: Commits) {
        self.begin();
        let mut stage = self.stage.clone();
        loop {
            metrics::active(self.running.len());
            metrics::open(self.open.len());
            metrics::parked(self.open.len().saturating_sub(self.running.len()));
            if *stage.borrow() != Stage::Running && self.running.is_empty() && self.errands.is_empty() {
                break;
            }
            let (sleep, save) = (self.sleep(), self.saving.at.filter(|_| !self.saving.under_way));
            tokio::select! {
                commit = commits.recv() => match commit {
                    Some(commit) => self.follow(&commit).await,
                    None => break,
                },
                Some(left) = self.workers.join_next(), if !self.workers.is_empty() => {
                    // A commit is told before whoever wrote it is answered: what the worker did is known first.
                    self.catch_up(&mut commits).await;
                    self.dismiss(left);
                }
                Some(done) = self.errands.join_next(), if !self.errands.is_empty() => {
                    self.catch_up(&mut commits).await;
                    self.done(done);
                }
                Some((run, position, part)) = self.handling.recv() => {
                    self.open.delivered(run, position, part);
                }
                () = sleep => self.fire(),
                () = at(save) => self.save(),
                _ = stage.changed() => {}
            }
        }
        self.catch_up(&mut commits).await;
        if let Err(error) = self.open.save()() {
            tracing::warn!(%error, "the index of open runs was not saved; the next start reads the log instead");
        }
    }

    /// Employs what is not parked, and sets the clock for what is.
    fn begin(&mut self) {
        let mut unparked = Vec::new();
        for (run, open) in self.open.runs() {
            if !open.is_parked() {
                unparked.push(run);
            } else if let Some(due) = open.parked.as_ref().and_then(|parked| parked.due) {
                self.due.insert((due, Timer::Run(run)));
            }
        }
        metrics::folded_at_start(unparked.len());
        let keys = self.open.waiting_keys();
        keys.iter().for_each(|key| self.admit(key));
        unparked.into_iter().for_each(|run| self.employ(run, true));
        self.due.extend(self.open.deadlines().map(|(approval, due)| (due, Timer::Approval(approval))));
        for owed in self.open.owed().clone() {
            self.pay(owed);
        }
        let schedules: Vec<Arc<str>> =
            self.open.schedules().keys().map(|name| name.as_str().into()).collect();
        for name in schedules {
            self.plan(&name);
            self.offer(&name);
        }
    }

    async fn catch_up(&mut self, commits: &mut Commits) {
        while let Ok(commit) = commits.try_recv() {
            self.follow(&commit).await;
        }
        while let Ok((run, position, part)) = self.handling.try_recv() {
            self.open.delivered(run, position, part);
        }
    }

    /// Until something is due; for ever if nothing is.
    fn sleep(&self) -> impl Future<Output = ()> + Send + use<L> {
        let stopping = *self.stage.borrow() != Stage::Running;
        let delay = self.due.first().filter(|_| !stopping).map(|(due, _)| {
            let millis = due.millis_since(self.parts.clock.now());
            // The clock knows parts of a millisecond; a timer that fires before its time would find nothing due.
            Duration::from_millis(if millis == 0 { 0 } else { millis + 1 }).min(LONGEST_SLEEP)
        });
        async move {
            match delay {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        }
    }

    async fn follow(&mut self, commit: &Commit) {
        if let Err(refused) = self.open.follow(&*self.parts.log, commit).await {
            tracing::error!(stream = %commit.stream, %refused, "a commit could not be followed; its runs wait for the next start");
        }
        self.parts.policies.follow(commit);
        self.parts.ends.tell(commit);
        for event in commit.events.iter() {
            if let Event::Run(event) = event {
                metrics::happened(event);
            }
        }
        for wake in self.open.wakes() {
            self.wake(wake);
        }
        if self.open.is_stale() {
            self.saving.at = Some(Instant::now());
        } else if self.saving.at.is_none() {
            self.saving.at = Some(Instant::now() + self.saving.after);
        }
    }

    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Begin(run) => self.employ(run, false),
            Wake::Recover(run) => self.employ(run, true),
            Wake::Look(run) => self.poke(run, Poke::Look),
            Wake::Ended(run, task) => self.poke(run, Poke::Ended(task)),
            Wake::Deliver(run, delivery) => self.poke(run, Poke::Event(delivery)),
            Wake::Due(run) => {
                if let Some(due) =
                    self.open.run(run).and_then(|open| open.parked.as_ref()).and_then(|parked| parked.due)
                {
                    self.due.insert((due, Timer::Run(run)));
                }
            }
            Wake::Admit(key) => self.admit(&key),
            Wake::Owe(owed) => self.pay(owed),
            Wake::Approval(approval, due) => {
                self.due.insert((due, Timer::Approval(approval)));
            }
            Wake::Schedule(name) => self.plan(&name.into()),
            Wake::Offer(name) => self.offer(&name.into()),
        }
    }

    /// Deals with everything that is due.
    fn fire(&mut self) {
        let now = self.parts.clock.now();
        while let Some((due, _)) = self.due.first()
            && *due <= now
        {
            let Some((due, timer)) = self.due.pop_first() else { break };
            match timer {
                Timer::Run(run) => {
                    let parked = self.open.run(run).and_then(|open| open.parked.as_ref());
                    if parked.is_some_and(|parked| parked.due.is_some_and(|due| due <= now)) {
                        metrics::woken(now.millis_since(due));
                        self.on_time(run);
                    }
                }
                Timer::Approval(approval) => self.expire(approval, due),
                Timer::Schedule(name) => self.tick(&name, now),
            }
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
