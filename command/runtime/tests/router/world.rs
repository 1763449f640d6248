//! The runtime over the log in memory, in virtual time, and what outlives it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use openclaw_core::{
    published,
    run::{Command, End, State},
    workflow,
};
use openclaw_gateway::{
    Definitions, Ends, Sequencer, Service, definitions, runs,
    sequencer::{self, Accepted, Refused, Submission},
    service::Shown,
};
use openclaw_log::{EventLog, MemoryLog};
use openclaw_model::{
    Actor, CommandDigest, CommandId, Event, Position, Recorded, RunId, StreamId, StreamKind, TaskId,
    Timestamp, Version,
    envelope::Causality,
    event::run::{HttpRequest, Intent, Program, Request, RunEvent, RunStarted, WorkflowError, WorkflowRef},
    namespace,
};
use openclaw_ports::{Beginning, Clock, Effects, Ids, Inquiring, Performing};
use openclaw_runtime::{
    OpenRuns, Parts, Runtime,
    effects::{OwnEffects, approval},
    evaluator::JqEvaluator,
};
use openclaw_workflow::stepper::Limits;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Tells the time of tokio, which tests stop and which jumps when everybody sleeps; and can be set.
pub(crate) struct Wall {
    since: Instant,
    set: AtomicI64,
}

impl Wall {
    /// Sets the clock forward, or back.
    pub(crate) fn jump(&self, millis: i64) {
        self.set.fetch_add(millis * 1_000, Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let micros = i64::try_from(self.since.elapsed().as_micros()).expect("a test does not last that long");
        Timestamp::from_micros(self.set.load(Ordering::SeqCst) + micros)
    }
}

struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(9, self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// What happened outside: shell commands by how often. `hang...` never ends unless it is cancelled.
#[derive(Default)]
pub(crate) struct Outdoors {
    performed: Mutex<BTreeMap<String, u32>>,
    /// What asking about an effect gives, and how often it was asked.
    pub(crate) answer: Mutex<Option<Result<Option<Value>, WorkflowError>>>,
    asked: AtomicU64,
}

impl Outdoors {
    pub(crate) fn count(&self, command: &str) -> u32 {
        let performed = self.performed.lock().unwrap_or_else(PoisonError::into_inner);
        performed.get(command).copied().unwrap_or(0)
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn note(&self, command: &str) {
        let mut performed = self.performed.lock().unwrap_or_else(PoisonError::into_inner);
        *performed.entry(command.to_owned()).or_default() += 1;
    }
}

struct Routed {
    outdoors: Arc<Outdoors>,
    own: OwnEffects<MemoryLog>,
}

impl Effects for Routed {
    fn perform<'a>(
        &'a self,
        _: RunId,
        _: TaskId,
        intent: &'a Intent,
        cancel: CancellationToken,
    ) -> Performing<'a> {
        Box::pin(async move {
            let what = match &intent.request {
                Request::Process(process) => match &process.program {
                    Program::Shell { command } => command.clone(),
                    other => panic!("only shells here: {other:?}"),
                },
                Request::Http(request) => request.url.clone(),
                other => panic!("this is not performed: {other:?}"),
            };
            self.outdoors.note(&what);
            if what.contains("hang") {
                cancel.cancelled().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(json!(what))
        })
    }

    fn begin<'a>(&'a self, run: RunId, task: TaskId, intent: &'a Intent) -> Beginning<'a> {
        Box::pin(async move {
            let begun = match &intent.request {
                Request::Run(request) => self.own.run(run, task, request).await,
                Request::Approval(request) => {
                    approval::ask(&*self.own.log, &self.own.sequencer, run, task, request).await
                }
                other => panic!("this is not begun: {other:?}"),
            };
            begun.unwrap_or_else(|error| Some(Err(error)))
        })
    }

    fn inquire<'a>(&'a self, _: RunId, _: TaskId, _: &'a HttpRequest, _: &'a str) -> Inquiring<'a> {
        self.outdoors.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.outdoors.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move { answer.expect("the test says what the answer is") })
    }
}

/// What outlives a process.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) log: MemoryLog,
    pub(crate) outdoors: Arc<Outdoors>,
    pub(crate) wall: Arc<Wall>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) directory: Arc<tempfile::TempDir>,
    /// How many workers there may be.
    pub(crate) most: Option<usize>,
}

impl Outside {
    /// A new world at the beginning of 2026.
    pub(crate) fn new() -> Self {
        Self::at("2026-01-01T00:00:00Z")
    }

    pub(crate) fn at(text: &str) -> Self {
        let set = text.parse::<Timestamp>().unwrap().as_micros();
        Self {
            log: MemoryLog::new(),
            outdoors: Arc::default(),
            wall: Arc::new(Wall { since: Instant::now(), set: AtomicI64::new(set) }),
            ids: Arc::new(Counting(AtomicU64::new(1))),
            directory: Arc::new(tempfile::tempdir().unwrap()),
            most: None,
        }
    }

    /// Loses the index, so that the next start reads the log.
    pub(crate) fn lose_index(&self) {
        let _ = std::fs::remove_file(self.directory.path().join("open.json"));
    }
}

/// One process.
pub(crate) struct World {
    pub(crate) outside: Outside,
    pub(crate) log: Arc<MemoryLog>,
    sequencer: Sequencer,
    pub(crate) definitions: Arc<Definitions<MemoryLog>>,
    runtime: Runtime,
    tasks: JoinSet<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::start(Outside::new()).await
    }

    pub(crate) async fn start(outside: Outside) -> Self {
        let log = Arc::new(outside.log.clone());
        let (clock, ids): (Arc<dyn Clock>, _) = (outside.wall.clone(), outside.ids.clone());
        let (sequencer, commits, decide) = Sequencer::new(log.clone(), clock.clone(), ids.clone(), 1);
        let definitions = Arc::new(Definitions::new(log.clone()));
        let ends = Arc::new(Ends::new());
        let shown = Arc::new(|| Shown { position: Position::START, failure: None });
        let (sequencer_, definitions_) = (sequencer.clone(), definitions.clone());
        let service = Service::new(log.clone(), sequencer_, definitions_, ends.clone(), ids.clone(), shown);
        let own = OwnEffects {
            log: log.clone(),
            sequencer: sequencer.clone(),
            definitions: definitions.clone(),
            service: Arc::new(service),
            shared: BTreeSet::default(),
        };
        let open = OpenRuns::load(&*log, &outside.directory.path().join("open.json")).await.unwrap();
        let parts = Parts {
            log: log.clone(),
            sequencer: sequencer.clone(),
            definitions: definitions.clone(),
            ends,
            effects: Arc::new(Routed { outdoors: outside.outdoors.clone(), own }),
            policies: Arc::default(),
            evaluator: Arc::new(JqEvaluator::new(None, 1)),
            clock,
            ids,
            secrets: Arc::new(openclaw_ports::secrets::NoSecrets),
            limits: Limits::default(),
            max_active_runs: outside.most,
        };
        let (runtime, carry_out) = Runtime::new(parts, commits.into_iter().next().unwrap(), open);
        let mut tasks = JoinSet::new();
        tasks.spawn(decide);
        tasks.spawn(carry_out);
        Self { outside, log, sequencer, definitions, runtime, tasks }
    }

    pub(crate) fn log_length(&self) -> u64 {
        self.log.head().position.0
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.outside.wall.now()
    }

    pub(crate) fn count(&self, command: &str) -> u32 {
        self.outside.outdoors.count(command)
    }

    pub(crate) async fn try_submit(
        &self,
        stream: StreamId,
        command: impl Into<sequencer::Command>,
    ) -> Result<Accepted, Refused> {
        let submission = Submission {
            stream,
            command: command.into(),
            id: CommandId(*self.outside.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: Default::default(),
            actor: Actor::RUNTIME,
            causality: Causality::default(),
        };
        self.sequencer.submit_patiently(submission).await
    }

    pub(crate) async fn submit(&self, stream: StreamId, command: impl Into<sequencer::Command>) -> Accepted {
        self.try_submit(stream, command).await.unwrap()
    }

    /// Sends a command to a run.
    pub(crate) async fn tell(&self, run: RunId, command: Command) {
        self.submit(StreamId::run(run), command).await;
    }

    /// Registers a workflow `test/<name>` with these other members.
    pub(crate) async fn register(&self, name: &str, version: &str, rest: Value) {
        let document = document(name, version, rest);
        let program = self.definitions.compile(document.clone()).unwrap();
        let definition = program.definition();
        let command = workflow::Command::Register {
            namespace: "test".into(),
            name: name.into(),
            version: version.into(),
            digest: definition.digest,
            definition: document,
            resources: Default::default(),
        };
        self.submit(definitions::stream("test", name).unwrap(), command).await;
    }

    /// Starts a run of these tasks.
    pub(crate) async fn run(&self, tasks: Value) -> RunId {
        self.run_with(tasks, |started| started).await
    }

    pub(crate) async fn run_with(
        &self,
        tasks: Value,
        change: impl FnOnce(RunStarted) -> RunStarted,
    ) -> RunId {
        let document = document("inline", "1.0.0", json!({ "do": tasks }));
        let program = self.definitions.compile(document.clone()).unwrap();
        let workflow = WorkflowRef {
            namespace: "test".into(),
            name: "inline".into(),
            version: "1.0.0".into(),
            digest: program.definition().digest,
        };
        let run = RunId(self.outside.ids.next());
        let started = RunStarted { definition: Some(document), ..RunStarted::new(workflow, json!({})) };
        self.tell(run, Command::Start(change(started))).await;
        run
    }

    /// Publishes an event, and says where it stands.
    pub(crate) async fn publish(&self, kind: &str, data: Value) -> Position {
        let id = self.outside.ids.next().to_string();
        let event = json!({ "specversion": "1.0", "id": id, "source": "test", "type": kind, "data": data });
        let stream = StreamId::new(StreamKind::Event, &namespace::qualify("test", &id)).unwrap();
        self.submit(stream, published::Command::Publish { event }).await.position
    }

    pub(crate) async fn state(&self, run: RunId) -> State {
        runs::fold(&*self.log, run).await.unwrap().state
    }

    /// All events of a kind, in order.
    pub(crate) async fn all(&self, kind: &str) -> Vec<(Recorded, Event)> {
        let mut found = Vec::new();
        let mut history = self.log.read(Position(1));
        while let Some(batch) = history.next().await {
            for recorded in batch.unwrap().iter().filter(|recorded| recorded.event_type == kind) {
                found.push((recorded.clone(), recorded.decode().unwrap()));
            }
        }
        found
    }

    pub(crate) async fn number_of(&self, kind: &str) -> usize {
        self.all(kind).await.len()
    }

    /// The types of a run's events.
    pub(crate) async fn history(&self, run: RunId) -> Vec<String> {
        let mut types = Vec::new();
        let mut history = self.log.read_stream(&StreamId::run(run), Version(1));
        while let Some(batch) = history.next().await {
            types.extend(batch.unwrap().iter().map(|recorded| recorded.event_type.to_string()));
        }
        types
    }

    /// Waits until `holds`; looks again whenever something was appended. Fails after two days of virtual time.
    pub(crate) async fn until<T>(&self, holds: impl AsyncFn() -> Option<T>) -> T {
        let patience = Instant::now() + Duration::from_secs(48 * 3_600);
        loop {
            let head = self.log.head().position;
            if let Some(found) = holds().await {
                return found;
            }
            let mut tail = self.log.tail(head.next());
            let grown = tokio::time::timeout_at(patience, tail.next()).await;
            assert!(grown.is_ok(), "nothing happens any more");
        }
    }

    /// Waits for the end of a run.
    pub(crate) async fn end(&self, run: RunId) -> End {
        self.until(async || self.state(run).await.end).await
    }

    pub(crate) async fn output(&self, run: RunId) -> Value {
        match self.end(run).await {
            End::Completed(output) => (*output).clone(),
            other => panic!("the run ended so: {other:?}"),
        }
    }

    /// Waits until there are that many events of a kind.
    pub(crate) async fn reached(&self, kind: &str, count: usize) {
        self.until(async || (self.number_of(kind).await >= count).then_some(())).await;
    }

    /// Waits until the command was begun that often.
    pub(crate) async fn begun(&self, command: &str, count: u32) {
        while self.count(command) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The child runs of a run, the oldest first.
    pub(crate) async fn children(&self, parent: RunId) -> Vec<RunId> {
        let started = self.all("run.started").await;
        let child = |(recorded, event): &(Recorded, Event)| match event {
            Event::Run(RunEvent::Started(data)) if data.parent.is_some_and(|link| link.run == parent) => {
                recorded.stream.as_run()
            }
            _ => None,
        };
        started.iter().filter_map(child).collect()
    }

    /// Runs that schedules started, with their input.
    pub(crate) async fn triggered(&self) -> Vec<(RunId, Option<Timestamp>, Value)> {
        let started = self.all("run.started").await;
        let scheduled = |(recorded, event): (Recorded, Event)| match event {
            Event::Run(RunEvent::Started(data)) => {
                Some((recorded.stream.as_run()?, data.trigger?.due, data.input))
            }
            _ => None,
        };
        started.into_iter().filter_map(scheduled).collect()
    }

    /// Lets virtual time pass.
    pub(crate) async fn pass(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// What a power cut leaves.
    pub(crate) async fn crash(mut self) -> Outside {
        self.tasks.shutdown().await;
        Outside { log: self.log.restart(), ..self.outside }
    }

    /// Stops in good order, with little patience.
    pub(crate) async fn stop(self) -> Outside {
        self.runtime.stop(Duration::from_millis(10)).await;
        self.crash().await
    }

    /// A power cut, and another process.
    pub(crate) async fn restart(self) -> Self {
        Self::start(self.crash().await).await
    }
}

pub(crate) fn document(name: &str, version: &str, rest: Value) -> Value {
    let mut document =
        json!({ "document": { "dsl": "1.0.3", "namespace": "test", "name": name, "version": version } });
    for (member, value) in rest.as_object().unwrap() {
        if member == "metadata" {
            document["document"]["metadata"] = value.clone();
        } else {
            document[member] = value.clone();
        }
    }
    document
}

pub(crate) fn shell(command: &str) -> Value {
    json!({ "run": { "shell": { "command": command } } })
}

/// A task that runs the workflow `test/<name>`.
pub(crate) fn child(name: &str) -> Value {
    json!({ "run": { "workflow": { "namespace": "test", "name": name, "version": "1.0.0" } } })
}

/// A task that waits for one event of a type.
pub(crate) fn listen(kind: &str) -> Value {
    json!({ "listen": { "to": { "one": { "with": { "type": kind } } } } })
}
