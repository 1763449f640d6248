//! The runtime over the log in memory, in virtual time.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use openclaw_core::run::{Command, End};
use openclaw_gateway::{
    Definitions, Ends, Sequencer, Service, definitions, runs,
    sequencer::{self, Submission},
    service::Shown,
};
use openclaw_log::{EventLog, MemoryLog};
use openclaw_model::{
    Actor, CommandDigest, CommandId, Position, RunId, StreamId, TaskId, Timestamp,
    envelope::Causality,
    event::run::{Intent, Request},
};
use openclaw_ports::{Beginning, Clock, Effects, Ids, Performing};
use openclaw_runtime::{OpenRuns, Parts, Runtime, effects::OwnEffects, evaluator::JqEvaluator};
use openclaw_workflow::stepper::Limits;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{port::Port, trace::Trace, workflow::Documents};

/// Tells the time of tokio, which tests stop and which jumps when everybody sleeps.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        let micros = i64::try_from(self.0.elapsed().as_micros()).expect("a test does not last that long");
        Timestamp::from_micros(1_000_000 + micros)
    }
}

struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(9, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Calls go to the port, child runs to the server itself.
struct Routed {
    port: Arc<Port>,
    own: OwnEffects<MemoryLog>,
}

impl Effects for Routed {
    fn perform<'a>(
        &'a self,
        _: RunId,
        task: TaskId,
        intent: &'a Intent,
        cancel: CancellationToken,
    ) -> Performing<'a> {
        Box::pin(async move {
            tokio::select! {
                outcome = self.port.perform(task, intent) => outcome,
                () = cancel.cancelled() => Err(openclaw_workflow::error::runtime("cancelled".into())),
            }
        })
    }

    fn begin<'a>(&'a self, run: RunId, task: TaskId, intent: &'a Intent) -> Beginning<'a> {
        Box::pin(async move {
            let Request::Run(request) = &intent.request else {
                panic!("only child runs are begun: {intent:?}")
            };
            self.own.run(run, task, request).await.unwrap_or_else(|error| Some(Err(error)))
        })
    }
}

/// What outlives a process: the log, the index of open runs as it was last saved, the world, the time, and that ids are
/// never used again.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) log: MemoryLog,
    pub(crate) port: Arc<Port>,
    directory: Arc<TempDir>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Outside {
    pub(crate) fn new() -> Self {
        Self {
            log: MemoryLog::new(),
            port: Arc::default(),
            directory: Arc::new(tempfile::tempdir().unwrap()),
            clock: Arc::new(Virtual(Instant::now())),
            ids: Arc::new(Counting(AtomicU64::new(1))),
        }
    }
}

/// One process.
pub(crate) struct World {
    outside: Outside,
    log: Arc<MemoryLog>,
    sequencer: Sequencer,
    definitions: Arc<Definitions<MemoryLog>>,
    ends: Arc<Ends>,
    runtime: Runtime,
    tasks: JoinSet<()>,
}

impl World {
    pub(crate) async fn start(outside: Outside) -> Self {
        let log = Arc::new(outside.log.clone());
        let (clock, ids) = (outside.clock.clone(), outside.ids.clone());
        let (sequencer, commits, decide) = Sequencer::new(log.clone(), clock.clone(), ids.clone(), 1);
        let definitions = Arc::new(Definitions::new(log.clone()));
        let ends = Arc::new(Ends::new());
        let shown = Arc::new(|| Shown { position: Position::START, failure: None });
        let service = Arc::new(Service::new(
            log.clone(),
            sequencer.clone(),
            definitions.clone(),
            ends.clone(),
            ids.clone(),
            shown,
        ));
        let own = OwnEffects {
            log: log.clone(),
            sequencer: sequencer.clone(),
            definitions: definitions.clone(),
            service,
            shared: BTreeSet::default(),
        };
        let open = OpenRuns::load(&*log, &outside.directory.path().join("open.json")).await.unwrap();
        let parts = Parts {
            log: log.clone(),
            sequencer: sequencer.clone(),
            definitions: definitions.clone(),
            ends: ends.clone(),
            effects: Arc::new(Routed { port: outside.port.clone(), own }),
            policies: Arc::default(),
            evaluator: Arc::new(JqEvaluator::new(None, 1)),
            clock,
            ids,
            secrets: Arc::new(openclaw_ports::secrets::NoSecrets),
            max_active_runs: None,
            limits: Limits::default(),
        };
        let (runtime, carry_out) = Runtime::new(parts, commits.into_iter().next().unwrap(), open);
        let mut tasks = JoinSet::new();
        tasks.spawn(decide);
        tasks.spawn(carry_out);
        Self { outside, log, sequencer, definitions, ends, runtime, tasks }
    }

    /// The world outside.
    pub(crate) fn port(&self) -> Arc<Port> {
        self.outside.port.clone()
    }

    fn submission(&self, stream: StreamId, command: sequencer::Command) -> Submission {
        Submission {
            stream,
            command,
            id: CommandId(*self.outside.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: Default::default(),
            actor: Actor::RUNTIME,
            causality: Causality::default(),
        }
    }

    async fn submit(&self, stream: StreamId, command: sequencer::Command) {
        self.sequencer.submit(self.submission(stream, command)).await.unwrap();
    }

    /// Registers the children and starts the root with the input `n`.
    pub(crate) async fn begin(&self, documents: &Documents, n: u64) -> RunId {
        for child in &documents.children {
            let program = self.definitions.compile(child.clone()).unwrap();
            let definition = program.definition();
            let command = openclaw_core::workflow::Command::Register {
                namespace: definition.namespace.clone(),
                name: definition.name.clone(),
                version: definition.version.clone(),
                digest: definition.digest,
                definition: child.clone(),
                resources: Default::default(),
            };
            let stream = definitions::stream(&definition.namespace, &definition.name).unwrap();
            self.submit(stream, command.into()).await;
        }
        let program = self.definitions.compile(documents.root.clone()).unwrap();
        let run = RunId(self.outside.ids.next());
        // As the log has it, so that fields that do not matter here may be added.
        let started = json!({
            "workflow": {
                "namespace": "random",
                "name": "root",
                "version": "1.0.0",
                "digest": program.definition().digest,
            },
            "definition": documents.root,
            "input": { "n": n },
        });
        let started = serde_json::from_value(started).unwrap();
        self.submit(StreamId::run(run), Command::Start(started).into()).await;
        run
    }

    /// Cancels a run, if it has not ended.
    pub(crate) async fn cancel(&self, run: RunId) {
        let command = Command::Cancel { reason: None, kill: false };
        let submission = self.submission(StreamId::run(run), command.into());
        // A refusal says that it has ended.
        let _ = self.sequencer.submit(submission).await;
    }

    /// Waits for the end of a run; none if it, or a child, is suspended instead and nothing else moves.
    pub(crate) async fn end(&self, run: RunId) -> Option<End> {
        let mut ended = self.ends.watch(run);
        // Longer than anything here takes but the sleep of those that lose a race. Virtual time passes only while
        // everybody waits.
        for _ in 0..50 {
            let state = runs::fold(&*self.log, run).await.unwrap().state;
            if state.end.is_some() {
                return state.end;
            }
            let waited = tokio::time::timeout(Duration::from_secs(60), ended.wait_for(|ended| *ended)).await;
            if waited.is_err() && Trace::of(&self.log).await.suspended {
                return None;
            }
        }
        panic!("the run is stuck: {:#?}", runs::fold(&*self.log, run).await.unwrap().state);
    }

    /// Waits until the log has that many more events.
    pub(crate) async fn appended(&self, events: u64) {
        use futures_util::StreamExt;

        let from = self.log.head().position;
        let mut tail = self.log.tail(from.next());
        while let Some(batch) = tail.next().await {
            if batch.unwrap().last().is_some_and(|last| last.position.0 >= from.0 + events) {
                return;
            }
        }
    }

    /// What a power cut leaves.
    pub(crate) async fn crash(mut self) -> Outside {
        self.tasks.shutdown().await;
        Outside { log: self.log.restart(), ..self.outside }
    }

    /// Stops in good order, with little patience.
    pub(crate) async fn stop(self) -> Outside {
        self.runtime.stop(Duration::from_millis(1)).await;
        self.crash().await
    }
}

/// The number in an output.
pub(crate) fn number(output: &Value) -> Option<u64> {
    output["n"].as_u64()
}
