//! Asking people.

use openclaw_core::approval::Command;
use openclaw_gateway::{Sequencer, approvals, sequencer::Submission};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, CommandDigest, CommandId, RunId, StreamId, TaskId,
    envelope::Causality,
    event::{
        approval::ApprovalRequest,
        run::{ParentTask, WorkflowError},
    },
};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::error;

/// Asks for the decision that `task` of `run` waits for, and answers it if it is there. None if people have still to
/// decide; ask again when the approval has ended. Asking as often as one likes asks once.
///
/// # Errors
/// When the request could not be recorded.
pub async fn ask<L: EventLog>(
    log: &L,
    sequencer: &Sequencer,
    run: RunId,
    task: TaskId,
    request: &ApprovalRequest,
) -> Result<Option<EffectOutcome>, WorkflowError> {
    let asked = Command::Request {
        task: ParentTask { run, task, close: Default::default() },
        request: request.clone(),
    };
    let submission = Submission {
        stream: StreamId::approval(request.approval),
        command: asked.into(),
        // Not keyed: the decider knows a repetition, and has to see one that comes after the approval was voided.
        id: CommandId(request.approval.0),
        digest: CommandDigest([0; 16]),
        keyed: false,
        expected: Default::default(),
        actor: Actor::RUNTIME,
        causality: Causality { causation: None, correlation: Some(run.0) },
    };
    let failed = |refused: openclaw_gateway::sequencer::Refused| error::runtime(refused.to_string());
    sequencer.submit_patiently(submission).await.map_err(failed)?;
    let state = approvals::fold(log, request.approval).await.map_err(failed)?;
    Ok(state.output().map(Ok))
}
