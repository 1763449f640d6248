//! Writes histories for tests and the rebuild measurement: whole commands, packed into frames, into a real log.

use std::collections::HashMap;

use openclaw_log::{EventLog, MemoryLog, frame};
use openclaw_model::{
    Actor, Causality, CommandDigest, CommandId, Digest, Event, EventId, Position, Recorded, RunId, SessionId,
    StreamId, StreamKind, TaskId, Timestamp, Version,
    event::{
        RunEvent, SessionEvent, WorkflowEvent,
        run::{
            EffectClass, Flow, Intent, ProcessRequest, ProcessReturn, Program, Request, RunCompleted,
            RunRunning, RunStarted, TaskCompleted, TaskKind, TaskStarted, Work, WorkflowRef,
        },
        session::{AgentResponse, MessageReceived, MessageSent, SessionStarted, TokenUsage},
        workflow::WorkflowRegistered,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// 2026-11-24T08:00:00Z.
pub(crate) const EPOCH: i64 = 1_795_507_200_000_000;

/// Appends commands to a log, with contiguous positions and versions. Time goes on by a millisecond per event.
pub(crate) struct Scribe {
    pub(crate) log: MemoryLog,
    versions: HashMap<StreamId, u64>,
    waiting: Vec<Vec<Recorded>>,
    position: u64,
}

impl Scribe {
    pub(crate) fn new(log: MemoryLog) -> Self {
        assert_eq!(log.head().position, Position::START, "a scribe begins a log");
        Self { log, versions: HashMap::new(), waiting: Vec::new(), position: 0 }
    }

    /// Position of the newest event, whether it is appended or waits for that.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Time of the event at `position`.
    pub(crate) fn time(position: Position) -> Timestamp {
        Timestamp::from_micros(EPOCH + position.0 as i64 * 1_000)
    }

    /// Adds one command with these events, to be appended by [`Self::flush`]. Returns the position of the last.
    pub(crate) fn command(&mut self, actor: &str, events: Vec<(StreamId, Event)>) -> Position {
        let command = u128::from(self.position + 1);
        let recorded = events
            .into_iter()
            .map(|(stream, event)| {
                self.position += 1;
                let version = self.versions.entry(stream.clone()).or_default();
                *version += 1;
                Recorded {
                    position: Position(self.position),
                    stream,
                    version: Version(*version),
                    id: EventId(Uuid::from_u128(u128::from(self.position) << 64)),
                    event_type: event.event_type().into(),
                    schema: event.schema(),
                    at: Self::time(Position(self.position)),
                    actor: Actor(actor.to_owned().into()),
                    command: CommandId(command.to_be_bytes()),
                    digest: CommandDigest([7; 16]),
                    causality: Causality {
                        causation: None,
                        correlation: Some(Uuid::from_u128(command << 64)),
                    },
                    data: event.encode().into(),
                }
            })
            .collect();
        self.waiting.push(recorded);
        Position(self.position)
    }

    /// Changes the newest command's events before they are appended.
    pub(crate) fn tamper(&mut self, change: impl Fn(&mut Recorded)) {
        self.waiting.last_mut().expect("there is a command").iter_mut().for_each(change);
    }

    /// Appends what is waiting.
    pub(crate) async fn flush(&mut self) -> Position {
        let head = self.log.head();
        let (frames, _) = frame::pack(head, std::mem::take(&mut self.waiting)).expect("the commands fit");
        self.log.append(frames, head).await.expect("memory takes it").position
    }

    /// Adds a whole run of `tasks` tasks with an effect each; 3 + 2 * tasks events in 2 + tasks commands.
    pub(crate) fn run(&mut self, id: RunId, workflow: &str, tasks: u32) {
        let stream = StreamId::run(id);
        let on = |event: RunEvent| (stream.clone(), Event::Run(event));
        let first = vec![on(started(workflow)), on(running()), on(task_started(1))];
        self.command("token:bench", first);
        for task in 1..=tasks {
            let mut events = vec![on(task_completed(task))];
            if task < tasks {
                events.push(on(task_started(task + 1)));
            } else {
                events.push(on(RunEvent::Completed(RunCompleted { output: json!({ "tasks": tasks }) })));
            }
            self.command("runtime", events);
        }
    }

    /// Adds a conversation of `turns` questions and answers; 1 + 3 * turns events.
    pub(crate) fn session(&mut self, name: &str, turns: u32) {
        let id = SessionId::new(name).expect("a short name");
        let stream = StreamId::session(&id);
        let on = |event: SessionEvent| (stream.clone(), Event::Session(event));
        self.command("token:bench", vec![on(session_started())]);
        for turn in 0..turns {
            let text = format!("message {turn} of {name}");
            self.command(
                "token:bench",
                vec![
                    on(SessionEvent::MessageReceived(MessageReceived {
                        content: text.clone(),
                        attachments: Vec::new(),
                        message_id: format!("in-{turn}"),
                    })),
                    on(SessionEvent::AgentResponse(AgentResponse {
                        content: text.clone(),
                        model: "scripted/one".into(),
                        tokens: TokenUsage { input_tokens: 11, output_tokens: 7 },
                    })),
                    on(SessionEvent::MessageSent(MessageSent {
                        content: text,
                        message_id: format!("out-{turn}"),
                    })),
                ],
            );
        }
    }

    /// Adds the registration of a workflow version.
    pub(crate) fn workflow(&mut self, name: &str, version: &str) {
        let stream = StreamId::new(StreamKind::Workflow, &format!("test/{name}")).expect("a short name");
        let event = WorkflowEvent::Registered(WorkflowRegistered {
            namespace: "test".into(),
            name: name.into(),
            version: version.into(),
            digest: Digest([3; 32]),
            definition: json!({
                "document": { "dsl": "1.0.0", "namespace": "test", "name": name, "version": version, "title": "T" },
                "do": [{ "a": { "set": { "x": 1 } } }, { "b": { "try": [{ "c": { "set": {} } }], "catch": {} } }],
            }),
            resources: Default::default(),
        });
        self.command("token:bench", vec![(stream, Event::Workflow(event))]);
    }
}

pub(crate) fn run_id(number: u64) -> RunId {
    RunId(Uuid::from_u128((0x0190_0000_0000_7000 << 64) | u128::from(number)))
}

pub(crate) fn started(workflow: &str) -> RunEvent {
    RunEvent::Started(RunStarted {
        workflow: WorkflowRef {
            namespace: "test".into(),
            name: workflow.into(),
            version: "1.0.0".into(),
            digest: Digest([3; 32]),
        },
        definition: None,
        input: payload(),
        parent: None,
        labels: Default::default(),
        priority: 0,
        concurrency: None,
        not_before: None,
        trigger: None,
        fork: None,
        resources: Default::default(),
        data_labels: Default::default(),
    })
}

pub(crate) fn running() -> RunEvent {
    RunEvent::Running(RunRunning { input: payload(), deadline: None })
}

pub(crate) fn task(task: u32, parent: Option<u32>, kind: TaskKind, work: Work) -> RunEvent {
    RunEvent::TaskStarted(TaskStarted {
        task: TaskId(task),
        parent: parent.map(TaskId),
        name: format!("step{task}"),
        reference: format!("/do/{task}/step{task}"),
        kind,
        iteration: None,
        attempt: 1,
        input: payload(),
        raw_input: None,
        deadline: None,
        work,
    })
}

pub(crate) fn effect() -> Work {
    Work::Effect(Intent {
        key: "00112233445566778899aabbccddeeff".into(),
        class: EffectClass::Irreversible,
        request: Request::Process(ProcessRequest {
            program: Program::Shell { command: "wc -l access.log".into() },
            stdin: None,
            arguments: Vec::new(),
            environment: std::collections::BTreeMap::new(),
            returns: ProcessReturn::Stdout,
            wait: true,
            sandbox: None,
        }),
        inquiry: None,
        verdict: None,
    })
}

pub(crate) fn task_started(number: u32) -> RunEvent {
    task(number, None, TaskKind::Run, effect())
}

pub(crate) fn task_completed(number: u32) -> RunEvent {
    RunEvent::TaskCompleted(TaskCompleted {
        task: TaskId(number),
        output: json!({ "stdout": "4711 access.log\n", "lines": 4711, "step": number }),
        raw_output: None,
        context: None,
        then: Flow::Continue,
    })
}

pub(crate) fn session_started() -> SessionEvent {
    SessionEvent::Started(SessionStarted {
        channel: "api".into(),
        peer_id: "alice".into(),
        agent_id: "main".into(),
        account: "gateway".into(),
    })
}

fn payload() -> Value {
    json!({ "file": "access.log", "limit": 100, "options": { "split": true, "format": "combined" }, "tags": ["a", "b"] })
}
