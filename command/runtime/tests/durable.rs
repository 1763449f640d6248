//! The runtime over the log in memory, with effects that the test performs: what happens once, what happens again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use openclaw_core::run::{Command, End, Status};
use openclaw_gateway::{
    Definitions, Ends, Sequencer,
    runs::{self, Folded},
    sequencer::Submission,
};
use openclaw_log::MemoryLog;
use openclaw_model::{
    Actor, CommandDigest, CommandId, RunId, StreamId, TaskId, Timestamp,
    envelope::Causality,
    event::run::{Intent, Program, Request, RunStarted, WorkflowRef},
};
use openclaw_ports::{Clock, Effects, Ids, Performing};
use openclaw_runtime::{OpenRuns, Parts, Runtime, evaluator::JqEvaluator};
use openclaw_workflow::stepper::Limits;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Counts on with each look, so that timers are due soon in test time.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(9, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Performs shell tasks by noting their command. `hang` never ends unless it is cancelled.
struct Noting {
    performed: Mutex<BTreeMap<String, u32>>,
    cancelled: Mutex<Vec<String>>,
    begun: Semaphore,
}

impl Default for Noting {
    fn default() -> Self {
        Self { performed: Mutex::default(), cancelled: Mutex::default(), begun: Semaphore::new(0) }
    }
}

impl Effects for Noting {
    fn perform<'a>(
        &'a self,
        _: RunId,
        _: TaskId,
        intent: &'a Intent,
        cancel: CancellationToken,
    ) -> Performing<'a> {
        Box::pin(async move {
            let Request::Process(process) = &intent.request else { panic!("only shells here") };
            let Program::Shell { command } = &process.program else { panic!("only shells here") };
            *self.performed.lock().unwrap().entry(command.clone()).or_default() += 1;
            self.begun.add_permits(1);
            if command == "hang" {
                cancel.cancelled().await;
                self.cancelled.lock().unwrap().push(command.clone());
            }
            Ok(json!(command))
        })
    }
}

impl Noting {
    fn count(&self, command: &str) -> u32 {
        self.performed.lock().unwrap().get(command).copied().unwrap_or(0)
    }

    /// Waits until `count` more effects have begun.
    async fn begun(&self, count: u32) {
        self.begun.acquire_many(count).await.unwrap().forget();
    }
}

struct World {
    log: Arc<MemoryLog>,
    sequencer: Sequencer,
    definitions: Arc<Definitions<MemoryLog>>,
    ends: Arc<Ends>,
    effects: Arc<Noting>,
    runtime: Runtime,
    ids: Arc<Counting>,
    tasks: JoinSet<()>,
}

impl World {
    async fn start(log: MemoryLog, effects: Arc<Noting>, ids: u64) -> Self {
        let log = Arc::new(log);
        let clock: Arc<dyn Clock> = Arc::new(Ticking(AtomicI64::new(1_000)));
        let ids = Arc::new(Counting(AtomicU64::new(ids)));
        let (sequencer, commits, decide) = Sequencer::new(log.clone(), clock.clone(), ids.clone(), 1);
        let definitions = Arc::new(Definitions::new(log.clone()));
        let ends = Arc::new(Ends::new());
        let scratch = tempfile::tempdir().unwrap();
        let open = OpenRuns::load(&*log, &scratch.path().join("open.json")).await.unwrap();
        let parts = Parts {
            log: log.clone(),
            sequencer: sequencer.clone(),
            definitions: definitions.clone(),
            ends: ends.clone(),
            effects: effects.clone(),
            policies: Arc::default(),
            evaluator: Arc::new(JqEvaluator::new(None, 1)),
            clock,
            ids: ids.clone(),
            secrets: Arc::new(openclaw_ports::secrets::NoSecrets),
            limits: Limits::default(),
            max_active_runs: None,
        };
        let (runtime, carry_out) = Runtime::new(parts, commits.into_iter().next().unwrap(), open);
        let mut tasks = JoinSet::new();
        tasks.spawn(decide);
        tasks.spawn(carry_out);
        Self { log, sequencer, definitions, ends, effects, runtime, ids, tasks }
    }

    fn submission(&self, run: RunId, command: Command) -> Submission {
        Submission {
            stream: StreamId::run(run),
            command: command.into(),
            id: CommandId(*self.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: Default::default(),
            actor: Actor::RUNTIME,
            causality: Causality::default(),
        }
    }

    async fn run(&self, tasks: Value) -> RunId {
        let document = json!({
            "document": { "dsl": "1.0.3", "namespace": "t", "name": "t", "version": "1.0.0" },
            "do": tasks,
        });
        let program = self.definitions.compile(document.clone()).unwrap();
        let workflow = WorkflowRef {
            namespace: "t".into(),
            name: "t".into(),
            version: "1.0.0".into(),
            digest: program.definition().digest,
        };
        let run = RunId(self.ids.next());
        let started = RunStarted {
            workflow,
            definition: Some(document),
            input: json!({}),
            parent: None,
            labels: Default::default(),
            priority: 0,
            concurrency: None,
            not_before: None,
            trigger: None,
            fork: None,
            resources: Default::default(),
            data_labels: Default::default(),
        };
        self.sequencer.submit(self.submission(run, Command::Start(started))).await.unwrap();
        run
    }

    async fn end(&self, run: RunId) -> Folded {
        let mut ended = self.ends.watch(run);
        let folded = runs::fold(&*self.log, run).await.unwrap();
        if folded.state.end.is_none() {
            ended.wait_for(|ended| *ended).await.unwrap();
        }
        runs::fold(&*self.log, run).await.unwrap()
    }

    /// What a power cut leaves: the log, and nothing of the process.
    async fn crash(mut self) -> (MemoryLog, Arc<Noting>) {
        self.tasks.shutdown().await;
        (self.log.restart(), self.effects)
    }
}

fn shell(command: &str) -> Value {
    json!({ "run": { "shell": { "command": command } } })
}

#[tokio::test]
async fn each_task_of_a_run_is_performed_once() {
    let world = World::start(MemoryLog::new(), Arc::default(), 1).await;
    let tasks: Vec<Value> = (0..10).map(|n| json!({ format!("t{n}"): shell(&n.to_string()) })).collect();
    let run = world.run(Value::Array(tasks)).await;
    assert_eq!(world.end(run).await.state.end, Some(End::Completed(Arc::new(json!("9")))));
    assert!((0..10).all(|n| world.effects.count(&n.to_string()) == 1));
}

#[tokio::test]
async fn after_a_crash_what_was_completed_is_not_repeated_and_what_was_open_is() {
    let world = World::start(MemoryLog::new(), Arc::default(), 1).await;
    let run = world.run(json!([{ "a": shell("a") }, { "b": shell("hang") }, { "c": shell("c") }])).await;
    world.effects.begun(2).await;
    let (log, effects) = world.crash().await;
    let world = World::start(log, effects, 1_000).await;
    world.effects.begun(1).await;
    assert_eq!((world.effects.count("a"), world.effects.count("hang")), (1, 2));
    let folded = runs::fold(&*world.log, run).await.unwrap();
    assert_eq!(folded.state.status(), Status::Running);
    world
        .sequencer
        .submit(world.submission(run, Command::Cancel { reason: None, kill: false }))
        .await
        .unwrap();
    assert_eq!(world.end(run).await.state.end, Some(End::Cancelled(None)));
    assert_eq!(world.effects.count("c"), 0);
}

#[tokio::test]
async fn after_a_crash_an_irreversible_effect_that_was_open_suspends_its_run() {
    let world = World::start(MemoryLog::new(), Arc::default(), 1).await;
    let mut task = shell("hang");
    task["metadata"] = json!({ "effect": "irreversible" });
    let run = world.run(json!([{ "a": task }])).await;
    world.effects.begun(1).await;
    let (log, effects) = world.crash().await;
    let world = World::start(log, effects, 1_000).await;
    loop {
        let status = runs::fold(&*world.log, run).await.unwrap().state.status();
        if status == Status::Suspended {
            break;
        }
        assert_eq!(status, Status::Running);
        tokio::task::yield_now().await;
    }
    assert_eq!(world.effects.count("hang"), 1);
}

#[tokio::test]
async fn cancelling_a_run_stops_the_effect_that_it_waits_for() {
    let world = World::start(MemoryLog::new(), Arc::default(), 1).await;
    let run = world.run(json!([{ "a": shell("hang") }])).await;
    world.effects.begun(1).await;
    let command = Command::Cancel { reason: Some("enough".into()), kill: false };
    world.sequencer.submit(world.submission(run, command)).await.unwrap();
    assert_eq!(world.end(run).await.state.end, Some(End::Cancelled(Some("enough".into()))));
    while world.effects.cancelled.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn timers_and_retries_go_on_without_anybody_asking() {
    let world = World::start(MemoryLog::new(), Arc::default(), 1).await;
    let run = world
        .run(json!([
            { "wait": { "wait": { "milliseconds": 20 } } },
            { "try": { "try": [{ "fail": { "raise": { "error": { "type": "t", "status": 503 } } } }], "catch": {
                "retry": { "delay": { "milliseconds": 5 }, "limit": { "attempt": { "count": 3 } } },
                "do": [{ "caught": shell("caught") }],
            } } },
        ]))
        .await;
    assert_eq!(world.end(run).await.state.end, Some(End::Completed(Arc::new(json!("caught")))));
}

#[tokio::test]
async fn a_stop_records_what_ends_in_time_and_leaves_the_rest_for_the_next_start() {
    let world = World::start(MemoryLog::new(), Arc::default(), 1).await;
    let run = world.run(json!([{ "a": shell("hang") }, { "b": shell("b") }])).await;
    world.effects.begun(1).await;
    world.runtime.stop(Duration::from_millis(10)).await;
    assert_eq!(world.effects.cancelled.lock().unwrap().len(), 1);
    let folded = runs::fold(&*world.log, run).await.unwrap();
    assert_eq!((folded.state.status(), folded.state.tasks.len()), (Status::Running, 1));
    assert_eq!(world.effects.count("b"), 0);
}
