//! Taking runs in hand, deciding, publishing, schedules and webhooks, as the wire has them.

use std::collections::BTreeMap;

use openclaw_model::{ApprovalId, Digest, Position, RunId, TaskId, Version as StreamVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Client, Error,
    methods::{Problem, RunAccepted, WorkflowRef, commands},
};

/// Parameters of `run.kill` and `run.pause`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HaltRun {
    /// Which run.
    pub run_id: RunId,
    /// Why, for the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Parameters of `run.resume`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumeRun {
    /// Which run.
    pub run_id: RunId,
}

/// Parameters of `run.retry`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryRun {
    /// Which run.
    pub run_id: RunId,
    /// Ordinal of the task; all that failed if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

/// Parameters of `run.fork`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForkRun {
    /// The run whose history the new one begins with.
    pub run_id: RunId,
    /// Up to where.
    pub at: ForkAt,
    /// Input of the new run, if it is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The context from there on, if it is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// A registered workflow to go on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowRef>,
    /// A document to go on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
}

/// A point in the history of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ForkAt {
    /// After the event with this version in the run's stream.
    Version(StreamVersion),
    /// As it was at this position of the log.
    Position(Position),
    /// Before the task with this ordinal began; or before one with this name or JSON pointer began for the first time.
    BeforeTask(Value),
}

/// Answer of `run.fork`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForkedRun {
    /// The new run.
    pub run_id: RunId,
    /// The other one.
    pub origin: RunId,
    /// Version of the newest event that both have in common.
    pub at: StreamVersion,
    /// Log position of the new run's start.
    pub position: Position,
}

/// Parameters of `effect.reconcile`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileEffect {
    /// Which run.
    pub run_id: RunId,
    /// Ordinal of the task.
    pub task: TaskId,
    /// What became of its effect.
    pub outcome: EffectOutcome,
    /// How that was found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of an effect.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EffectOutcome {
    /// It happened and gave this.
    Succeeded(Value),
    /// It failed with this error.
    Failed(Problem),
    /// It did not happen, and is tried again.
    NotDone {},
}

/// Parameters of `approval.decide`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decide {
    /// Which approval.
    pub approval_id: ApprovalId,
    /// Digest of what the person saw.
    pub digest: Digest,
    /// Name of the choice.
    pub choice: String,
    /// The person, if the token vouches for one; the caller itself if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
    /// The answer that goes with the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// In the person's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Somebody who decides.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// What they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// Answer of `approval.decide`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Which approval.
    pub approval_id: ApprovalId,
    /// Whether it is decided; it is not while more people have to decide.
    pub resolved: bool,
    /// What is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Log position of the command's last event.
    pub position: Position,
}

/// Parameters of `event.publish`.
#[derive(Clone, Debug, Serialize)]
pub struct PublishEvent {
    /// The CloudEvent in its JSON form.
    pub event: Value,
    /// The namespace to publish it in; without it the only one of the caller, or else `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Answer of `event.publish`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublishedEvent {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Log position of the event.
    pub position: Position,
}

/// Parameters of `schedule.pause` and `schedule.resume`.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleName {
    /// Namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Answer of the commands about schedules and webhooks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Log position of the command's last event.
    pub position: Position,
    /// Version of the stream after the command.
    pub stream_version: StreamVersion,
}

/// Parameters of `webhook.register`.
#[derive(Clone, Debug, Serialize)]
pub struct RegisterWebhook {
    /// Its name.
    pub name: String,
    /// Where events are POSTed.
    pub url: String,
    /// Types of CloudEvents; `*` at the end stands for any rest.
    pub types: Vec<String>,
    /// Name of the secret that signs deliveries.
    pub secret: String,
    /// Headers that go along.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Parameters of `webhook.remove`.
#[derive(Clone, Debug, Serialize)]
pub struct RemoveWebhook {
    /// Its name.
    pub name: String,
}

/// Parameters of `webhook.redrive` and `webhook.drop`.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetters {
    /// Name of the webhook.
    pub name: String,
    /// Log positions; for a redrive, all if empty.
    pub positions: Vec<Position>,
}

commands! {
    /// Stops a run at once, without compensation.
    kill_run(HaltRun) -> RunAccepted = "run.kill";
    /// Begins nothing new in a run until it is resumed.
    pause_run(HaltRun) -> RunAccepted = "run.pause";
    /// Lets a paused run go on.
    resume_run(ResumeRun) -> RunAccepted = "run.resume";
    /// Runs failed tasks again.
    retry_run(RetryRun) -> RunAccepted = "run.retry";
    /// Starts a run with the history of another one up to a point.
    fork_run(ForkRun) -> ForkedRun = "run.fork";
    /// Says what became of an effect whose outcome is unknown.
    reconcile_effect(ReconcileEffect) -> RunAccepted = "effect.reconcile";
    /// Records what a person decides.
    decide(Decide) -> Decided = "approval.decide";
    /// Publishes a CloudEvent.
    publish_event(PublishEvent) -> PublishedEvent = "event.publish";
    /// Starts no runs by a schedule until it is resumed.
    pause_schedule(ScheduleName) -> Recorded = "schedule.pause";
    /// Lets a schedule start runs again.
    resume_schedule(ScheduleName) -> Recorded = "schedule.resume";
    /// Delivers events from here on to a receiver outside.
    register_webhook(RegisterWebhook) -> Recorded = "webhook.register";
    /// Delivers no more events to a receiver outside.
    remove_webhook(RemoveWebhook) -> Recorded = "webhook.remove";
    /// Tries events again that could not be delivered.
    redrive_webhook(DeadLetters) -> Recorded = "webhook.redrive";
    /// Gives events up for good that could not be delivered.
    drop_dead_letters(DeadLetters) -> Recorded = "webhook.drop";
}
