//! Asking people.

use openclaw_core::approval::{Command, End, State};
use openclaw_gateway::{Sequencer, approvals, sequencer::Submission};
use openclaw_log::EventLog;
use openclaw_model::{
    Actor, CommandDigest, CommandId, RunId, StreamId, TaskId,
    envelope::Causality,
    event::{
        approval::{ApprovalRequest, Resolved},
        run::{Intent, ParentTask, WorkflowError},
    },
};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::{error, policy, stepper};

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
    Ok(asked(log, sequencer, run, task, request).await?.output().map(Ok))
}

/// Asks whether the effect of `task` may be performed, as the policy wants that judged it, and gives the decision if it
/// is there. None if people have still to decide.
///
/// # Errors
/// When they do not allow it, or the request could not be recorded.
pub async fn permit<L: EventLog>(
    log: &L,
    sequencer: &Sequencer,
    run: RunId,
    task: TaskId,
    intent: &Intent,
) -> Result<Option<()>, WorkflowError> {
    let verdict = intent.verdict.as_deref();
    let Some((verdict, request)) = verdict.and_then(|verdict| Some((verdict, verdict.ask.as_ref()?))) else {
        return Err(error::authorization(format!("there is no question about the effect of task {task}")));
    };
    let state = asked(log, sequencer, run, task, request).await?;
    let Some(End::Resolved { resolved, .. }) = &state.end else { return Ok(None) };
    // A decision about something else is none.
    if state.request.as_ref().is_none_or(|decided| decided.digest != request.digest) {
        return Ok(None);
    }
    if policy::asked(resolved.choice.as_deref()) {
        return Ok(Some(()));
    }
    Err(stepper::refusal(verdict, resolved.how == Resolved::Deadline))
}

/// Asks for a decision, unless that was done, and gives how it stands.
async fn asked<L: EventLog>(
    log: &L,
    sequencer: &Sequencer,
    run: RunId,
    task: TaskId,
    request: &ApprovalRequest,
) -> Result<State, WorkflowError> {
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
    approvals::fold(log, request.approval).await.map_err(failed)
}
