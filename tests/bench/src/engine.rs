//! The real command side, put together as the server does it, with effects that do nothing.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use openclaw_core::{run, session, workflow};
use openclaw_gateway::{
    Definitions, Ends, Sequencer, definitions,
    sequencer::{Command, Submission},
};
use openclaw_model::{
    Actor, CommandDigest, CommandId, RunId, SessionId, StreamId, TaskId, Timestamp,
    envelope::Causality,
    event::run::{Intent, RunStarted, WorkflowRef},
};
use openclaw_ports::{Clock, Effects, Ids, Performing};
use openclaw_runtime::{OpenRuns, Parts, Runtime};
use openclaw_sled::{Options, SledLog};
use openclaw_workflow::{expression::Local, stepper::Limits};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::{Builder, Uuid};

/// Ten tasks, one after the other, each of which acts on the world: its intent and its outcome are durable steps.
const TEN_TASKS: &str = "
document: { dsl: '1.0.0', namespace: bench, name: ten, version: '1.0.0' }
do:
  - step1: { run: { shell: { command: wc -l access.log } } }
  - step2: { run: { shell: { command: wc -l access.log } } }
  - step3: { run: { shell: { command: wc -l access.log } } }
  - step4: { run: { shell: { command: wc -l access.log } } }
  - step5: { run: { shell: { command: wc -l access.log } } }
  - step6: { run: { shell: { command: wc -l access.log } } }
  - step7: { run: { shell: { command: wc -l access.log } } }
  - step8: { run: { shell: { command: wc -l access.log } } }
  - step9: { run: { shell: { command: wc -l access.log } } }
  - step10: { run: { shell: { command: wc -l access.log } } }
";
/// Questions and answers of one conversation.
const TURNS: u32 = 8;

/// A log, a sequencer and a runtime.
pub(crate) struct Engine {
    pub(crate) log: Arc<SledLog>,
    sequencer: Sequencer,
    ends: Arc<Ends>,
    ids: Arc<dyn Ids>,
    ten: WorkflowRef,
    runtime: Runtime,
    tasks: JoinSet<()>,
}

impl Engine {
    /// Starts one over the log in `dir`, which it makes if it is missing.
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let log = Arc::new(SledLog::open(&dir.join("log"), Options::default())?);
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let ids: Arc<dyn Ids> = Arc::new(Counted(AtomicU64::new(0)));
        let (sequencer, mut commits, sequencing) =
            Sequencer::new(Arc::clone(&log), Arc::clone(&clock), Arc::clone(&ids), 1);
        let commits = commits.pop().expect("one watcher was asked for");
        let definitions = Arc::new(Definitions::new(Arc::clone(&log)));
        let ends = Arc::new(Ends::new());
        let open = OpenRuns::load(&*log, &dir.join("open-runs.json")).await?;
        let parts = Parts {
            log: Arc::clone(&log),
            sequencer: sequencer.clone(),
            definitions: Arc::clone(&definitions),
            ends: Arc::clone(&ends),
            effects: Arc::new(Nothing),
            policies: Arc::default(),
            evaluator: Arc::new(Local::new()),
            clock,
            ids: Arc::clone(&ids),
            secrets: Arc::new(openclaw_ports::secrets::NoSecrets),
            limits: Limits::default(),
            max_active_runs: None,
        };
        let (runtime, running) = Runtime::new(parts, commits, open);
        let mut tasks = JoinSet::new();
        tasks.spawn(sequencing);
        tasks.spawn(running);

        let program = definitions
            .compile_text(TEN_TASKS)
            .map_err(|problems| anyhow::anyhow!("the workflow is wrong: {problems:?}"))?;
        let definition = program.definition();
        let ten = WorkflowRef {
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
        };
        let engine = Self { log, sequencer, ends, ids, ten, runtime, tasks };
        let register = workflow::Command::Register {
            resources: Default::default(),
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
            definition: (*definition.source).clone(),
        };
        engine.submit(definitions::stream(&definition.namespace, &definition.name)?, register, None).await?;
        Ok(engine)
    }

    /// Executes the ten tasks and waits for the end.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let run = RunId(self.ids.next());
        let mut ended = self.ends.watch(run);
        let start = run::Command::Start(RunStarted {
            workflow: self.ten.clone(),
            definition: None,
            input: json!({ "file": "access.log", "limit": 100, "tags": ["a", "b"] }),
            parent: None,
            labels: Default::default(),
            priority: 0,
            concurrency: None,
            not_before: None,
            trigger: None,
            fork: None,
            resources: Default::default(),
            data_labels: Default::default(),
        });
        self.submit(StreamId::run(run), start, Some(run.0)).await?;
        ended.wait_for(|ended| *ended).await.context("the runtime is gone")?;
        Ok(())
    }

    /// Has a whole conversation.
    pub(crate) async fn converse(&self) -> anyhow::Result<()> {
        let id = self.ids.next();
        let stream = StreamId::session(&SessionId::new(&format!("agent:main:channel:api:dm:{id}"))?);
        let create = session::Command::Create {
            channel: "api".into(),
            peer_id: "alice".into(),
            agent_id: "main".into(),
            account: "gateway".into(),
        };
        self.submit(stream.clone(), create, Some(id)).await?;
        for turn in 0..TURNS {
            for role in [session::Role::User, session::Role::Assistant] {
                let message = session::Command::Message {
                    role,
                    content: format!(
                        "Message {turn}: {}",
                        "what a person or a model may have to say. ".repeat(5)
                    ),
                    attachments: Vec::new(),
                    message_id: self.ids.next().to_string(),
                };
                self.submit(stream.clone(), message, Some(id)).await?;
            }
        }
        Ok(())
    }

    async fn submit(
        &self,
        stream: StreamId,
        command: impl Into<Command>,
        correlation: Option<Uuid>,
    ) -> anyhow::Result<()> {
        let submission = Submission {
            stream,
            command: command.into(),
            id: CommandId(*self.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: openclaw_gateway::sequencer::Expected::Any,
            actor: Actor("token:bench".into()),
            causality: Causality { causation: None, correlation },
        };
        self.sequencer.submit(submission).await?;
        Ok(())
    }

    /// Stops everything and closes the log as a server does that is told to stop.
    pub(crate) async fn stop(self) {
        let Self { log, sequencer, runtime, mut tasks, .. } = self;
        runtime.stop(Duration::from_secs(10)).await;
        drop(sequencer);
        while tasks.join_next().await.is_some() {}
        log.close();
    }
}

/// Effects that succeed at once, so that what is measured is everything around them.
struct Nothing;

impl Effects for Nothing {
    fn perform<'a>(&'a self, _: RunId, _: TaskId, _: &'a Intent, _: CancellationToken) -> Performing<'a> {
        Box::pin(std::future::ready(Ok(json!("4711 access.log"))))
    }
}

/// The time of day.
pub(crate) struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the measured engine")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros() as i64)
    }
}

/// UUIDv7 of the clock and a counter.
struct Counted(AtomicU64);

impl Ids for Counted {
    fn next(&self) -> Uuid {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        let mut tail = [0; 10];
        tail[..8].copy_from_slice(&count.to_be_bytes());
        let millis = WallClock.now().as_millis() as u64;
        Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}
