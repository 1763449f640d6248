//! The lifecycle events of the specification (dsl, "Lifecycle Events"; dsl-reference, "Lifecycle Events"), made of what
//! is in the log. They are made when somebody wants them, and never stored.
//!
//! What the specification leaves open: the events of a run have the source `/runs/<run id>`; their id is the position of
//! the log event they are made of, so that one event has one id however often it is made; a task that is skipped has
//! none; a workflow is suspended when it is paused, and a task when it is held or nobody knows what became of its effect.

use openclaw_model::{
    RunId, TaskId, Timestamp,
    event::run::{RunEvent, Work, WorkflowRef},
};
use serde_json::{Map, Value, json};

/// What the names of all lifecycle events start with.
pub const PREFIX: &str = "io.serverlessworkflow.";

/// The types of all lifecycle events.
pub const TYPES: [&str; 18] = [
    "io.serverlessworkflow.workflow.started.v1",
    "io.serverlessworkflow.workflow.suspended.v1",
    "io.serverlessworkflow.workflow.resumed.v1",
    "io.serverlessworkflow.workflow.correlation-started.v1",
    "io.serverlessworkflow.workflow.correlation-completed.v1",
    "io.serverlessworkflow.workflow.cancelled.v1",
    "io.serverlessworkflow.workflow.faulted.v1",
    "io.serverlessworkflow.workflow.completed.v1",
    "io.serverlessworkflow.workflow.status-changed.v1",
    "io.serverlessworkflow.task.created.v1",
    "io.serverlessworkflow.task.started.v1",
    "io.serverlessworkflow.task.suspended.v1",
    "io.serverlessworkflow.task.resumed.v1",
    "io.serverlessworkflow.task.retried.v1",
    "io.serverlessworkflow.task.cancelled.v1",
    "io.serverlessworkflow.task.faulted.v1",
    "io.serverlessworkflow.task.completed.v1",
    "io.serverlessworkflow.task.status-changed.v1",
];

/// The CloudEvents that `event` of `run` means, in order; none for most of what only concerns us.
///
/// `id` identifies the log event for ever; the first CloudEvent has it, those after it have a number behind it.
/// `reference` gives the JSON pointer of a task of the run; events about tasks it does not know are left out.
#[must_use]
pub fn cloud_events(
    run: RunId,
    workflow: &WorkflowRef,
    event: &RunEvent,
    at: Timestamp,
    id: &str,
    reference: &dyn Fn(TaskId) -> Option<String>,
) -> Vec<Value> {
    let mut told = Told { run, workflow, at, id, reference, events: Vec::new() };
    told.tell(event);
    told.events
}

struct Told<'a> {
    run: RunId,
    workflow: &'a WorkflowRef,
    at: Timestamp,
    id: &'a str,
    reference: &'a dyn Fn(TaskId) -> Option<String>,
    events: Vec<Value>,
}

impl Told<'_> {
    fn tell(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started(_) => self.status("pending"),
            RunEvent::Running(_) | RunEvent::Forked(_) => {
                let definition = json!({
                    "name": self.workflow.name,
                    "namespace": self.workflow.namespace,
                    "version": self.workflow.version,
                });
                self.workflow("started", "startedAt", json!({ "definition": definition }));
                self.status("running");
            }
            RunEvent::Paused(_) => {
                self.workflow("suspended", "suspendedAt", json!({}));
                self.status("suspended");
            }
            RunEvent::Resumed(_) => {
                self.workflow("resumed", "resumedAt", json!({}));
                self.status("running");
            }
            RunEvent::Retried(data) => {
                for task in &data.tasks {
                    self.task(*task, "retried", "retriedAt", json!({}));
                }
                self.status("running");
            }
            RunEvent::Completed(data) => {
                self.workflow("completed", "completedAt", output(&data.output));
                self.status("completed");
            }
            RunEvent::Faulted(data) => {
                self.workflow("faulted", "faultedAt", json!({ "error": data.error }));
                self.status("faulted");
            }
            RunEvent::Cancelled(_) => {
                self.workflow("cancelled", "cancelledAt", json!({}));
                self.status("cancelled");
            }
            RunEvent::TaskStarted(data) => {
                self.task(data.task, "created", "createdAt", json!({}));
                self.task(data.task, "started", "startedAt", json!({}));
                self.task_status(data.task, "running");
                if matches!(data.work, Work::Listen { .. }) {
                    self.workflow("correlation-started", "startedAt", json!({}));
                }
            }
            RunEvent::EventConsumed(data) if data.last => {
                let keys =
                    if data.keys.is_empty() { json!({}) } else { json!({ "correlationKeys": data.keys }) };
                self.workflow("correlation-completed", "completedAt", keys);
            }
            RunEvent::TaskCompleted(data) => {
                self.task(data.task, "completed", "completedAt", output(&data.output));
                self.task_status(data.task, "completed");
            }
            RunEvent::TaskFaulted(data) => {
                self.task(data.task, "faulted", "faultedAt", json!({ "error": data.error }));
                self.task_status(data.task, "faulted");
            }
            RunEvent::TaskCancelled(data) => {
                self.task(data.task, "cancelled", "cancelledAt", json!({}));
                self.task_status(data.task, "cancelled");
            }
            RunEvent::TaskRetried(data) => self.task(data.task, "retried", "retriedAt", json!({})),
            RunEvent::TaskHeld(data) => self.suspend(data.task),
            RunEvent::EffectUnknown(data) => self.suspend(data.task),
            RunEvent::EffectReconciled(data) => {
                self.task(data.task, "resumed", "resumedAt", json!({}));
                self.task_status(data.task, "running");
            }
            RunEvent::TaskSkipped(_)
            | RunEvent::ErrorCaught(_)
            | RunEvent::EffectRedispatched(_)
            | RunEvent::EffectPermitted(_)
            | RunEvent::EffectJudged(_)
            | RunEvent::DataLabelled(_)
            | RunEvent::EventEmitted(_)
            | RunEvent::EventConsumed(_)
            | RunEvent::ItemCompleted(_)
            | RunEvent::Signalled(_)
            | RunEvent::CancelRequested(_) => {}
        }
    }

    fn suspend(&mut self, task: TaskId) {
        self.task(task, "suspended", "suspendedAt", json!({}));
        self.task_status(task, "suspended");
    }

    /// `<name>-<run id>.<namespace>`, the qualified name of the run.
    fn name(&self) -> String {
        format!("{}-{}.{}", self.workflow.name, self.run, self.workflow.namespace)
    }

    fn status(&mut self, status: &str) {
        self.workflow("status-changed", "updatedAt", json!({ "status": status }));
    }

    fn task_status(&mut self, task: TaskId, status: &str) {
        self.task(task, "status-changed", "updatedAt", json!({ "status": status }));
    }

    fn workflow(&mut self, what: &str, when: &str, more: Value) {
        let data = json!({ "name": self.name(), when: self.at });
        self.push("workflow", what, None, data, more);
    }

    fn task(&mut self, task: TaskId, what: &str, when: &str, more: Value) {
        let Some(reference) = (self.reference)(task) else { return };
        let data = json!({ "workflow": self.name(), "task": reference, when: self.at });
        self.push("task", what, Some(task), data, more);
    }

    fn push(&mut self, about: &str, what: &str, task: Option<TaskId>, data: Value, more: Value) {
        let id = match self.events.len() {
            0 => self.id.to_owned(),
            number => format!("{}-{number}", self.id),
        };
        let (Value::Object(data), Value::Object(more)) = (data, more) else { return };
        let data: Map<String, Value> = data.into_iter().chain(more).collect();
        let mut event = json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/runs/{}", self.run),
            "type": format!("{PREFIX}{about}.{what}.v1"),
            "time": self.at,
            "datacontenttype": "application/json",
            "data": data,
        });
        if let Some(task) = task {
            event["subject"] = json!(task.to_string());
        }
        self.events.push(event);
    }
}

/// The output as a property, unless there is none.
fn output(output: &Value) -> Value {
    if output.is_null() { json!({}) } else { json!({ "output": output }) }
}

#[cfg(test)]
mod tests {
    use openclaw_model::{
        Digest,
        event::run::{RunFaulted, RunRunning, TaskFaulted, TaskStarted, WorkflowError},
    };
    use uuid::Uuid;

    use super::*;

    fn told(event: &RunEvent) -> Vec<Value> {
        let workflow = WorkflowRef {
            namespace: "samples".into(),
            name: "order".into(),
            version: "1.0.0".into(),
            digest: Digest([1; 32]),
        };
        let reference = |task: TaskId| (task == TaskId(1)).then(|| "/do/0/a".to_owned());
        let run = RunId(Uuid::from_u64_pair(0, 7));
        cloud_events(run, &workflow, event, Timestamp::from_millis(0), "12", &reference)
    }

    fn error() -> WorkflowError {
        WorkflowError { r#type: "t".into(), status: 503, title: None, detail: None, instance: None }
    }

    #[test]
    fn a_workflow_that_starts_is_told_with_its_definition() {
        let events = told(&RunEvent::Running(RunRunning { input: json!({}), deadline: None }));
        assert_eq!(events[0]["type"], "io.serverlessworkflow.workflow.started.v1");
        assert_eq!(events[0]["id"], "12");
        assert_eq!(
            events[0]["data"],
            json!({
                "name": "order-00000000-0000-0000-0000-000000000007.samples",
                "startedAt": "1970-01-01T00:00:00.000000Z",
                "definition": { "name": "order", "namespace": "samples", "version": "1.0.0" },
            })
        );
        assert_eq!(events[1]["id"], "12-1", "each event has an id of its own");
    }

    #[test]
    fn a_task_that_fails_is_told_with_its_pointer_and_one_that_nobody_knows_is_not() {
        let fault = |task| RunEvent::TaskFaulted(TaskFaulted { task, error: error(), raw_output: None });
        let events = told(&fault(TaskId(1)));
        assert_eq!(events[0]["data"]["task"], "/do/0/a");
        assert_eq!(events[0]["data"]["error"]["status"], 503);
        assert_eq!(told(&fault(TaskId(2))), Vec::<Value>::new());
    }

    #[test]
    fn every_type_that_is_told_is_one_of_the_specification() {
        let started = RunEvent::TaskStarted(TaskStarted {
            task: TaskId(1),
            parent: None,
            name: "a".into(),
            reference: "/do/0/a".into(),
            kind: openclaw_model::event::run::TaskKind::Listen,
            iteration: None,
            attempt: 1,
            input: json!({}),
            raw_input: None,
            deadline: None,
            work: Work::Listen { interests: vec![] },
        });
        let faulted = RunEvent::Faulted(RunFaulted { error: error() });
        for event in [started, faulted].iter().flat_map(told) {
            let name = event["type"].as_str().unwrap().to_owned();
            assert!(TYPES.contains(&name.as_str()), "{name}");
        }
    }
}
