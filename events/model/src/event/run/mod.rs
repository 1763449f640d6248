//! What happens in a run of a workflow.
//!
//! The events say everything that folding a run needs: results of expressions, evaluated requests, due times. A
//! replay never evaluates anything, so a newer engine cannot change the past (DESIGN section 6).

mod lifecycle;
mod listen;
mod request;
mod sandbox;
mod task;

pub use lifecycle::*;
pub use listen::*;
pub use request::*;
pub use sandbox::*;
pub use task::*;

use super::family::event_family;

event_family! {
    /// What happened in a run.
    RunEvent {
        /// The run was accepted. Status `pending`.
        "run.started" @ 1 => Started(RunStarted),
        /// The input was validated and transformed, the first task may start. Status `running`.
        "run.running" @ 1 => Running(RunRunning),
        /// A task began. For a task with an effect this is the intent, committed before anything is tried.
        "run.task_started" @ 1 => TaskStarted(TaskStarted),
        /// A task's `if` was false; its raw input is its output.
        "run.task_skipped" @ 1 => TaskSkipped(TaskSkipped),
        /// A task ended well.
        "run.task_completed" @ 1 => TaskCompleted(TaskCompleted),
        /// A task ended with an error, which goes up to the nearest `try` that catches it.
        "run.task_faulted" @ 1 => TaskFaulted(TaskFaulted),
        /// A task was stopped: by a cancelled run, a lost race, a faulted sibling or a timeout above it.
        "run.task_cancelled" @ 1 => TaskCancelled(TaskCancelled),
        /// A `try` caught an error and will run its tasks again at a due time.
        "run.task_retried" @ 1 => TaskRetried(TaskRetried),
        /// A `try` caught an error for good and goes on with its `catch`.
        "run.error_caught" @ 1 => ErrorCaught(ErrorCaught),
        /// After a restart, an effect whose outcome is unknown but which may be repeated is tried again.
        "run.effect_redispatched" @ 1 => EffectRedispatched(EffectRedispatched),
        /// After a restart, the outcome of an effect that may not be repeated is unknown. Status `suspended`.
        "run.effect_unknown" @ 1 => EffectUnknown(EffectUnknown),
        /// People allowed an effect that a policy had asked them about. It is tried from here on.
        "run.effect_permitted" @ 1 => EffectPermitted(EffectPermitted),
        /// The policies have changed while people were asked, who are asked anew.
        "run.effect_judged" @ 1 => EffectJudged(EffectJudged),
        /// Data with labels reached the run from a child run.
        "run.data_labelled" @ 1 => DataLabelled(DataLabelled),
        /// Somebody said what became of an effect whose outcome was unknown.
        "run.effect_reconciled" @ 1 => EffectReconciled(EffectReconciled),
        /// A task failed and waits for somebody to decide, because its document says so. Status `suspended`.
        "run.task_held" @ 1 => TaskHeld(TaskHeld),
        /// Somebody asked for failed tasks to run again.
        "run.retried" @ 1 => Retried(RunRetried),
        /// A task published an event.
        "run.event_emitted" @ 1 => EventEmitted(EventEmitted),
        /// A `listen` task took an event in.
        "run.event_consumed" @ 1 => EventConsumed(EventConsumed),
        /// The tasks that a `listen` runs for each event are through with one.
        "run.item_completed" @ 1 => ItemCompleted(ItemCompleted),
        /// Somebody sent the run a signal.
        "run.signalled" @ 1 => Signalled(RunSignalled),
        /// Nothing new is begun until the run is resumed. Status `suspended`.
        "run.paused" @ 1 => Paused(RunPaused),
        /// The run goes on.
        "run.resumed" @ 1 => Resumed(RunResumed),
        /// The history of another run has been copied up to the fork, and the run goes on as itself.
        "run.forked" @ 1 => Forked(RunForked),
        /// Somebody asked the run to stop.
        "run.cancel_requested" @ 1 => CancelRequested(RunCancelRequested),
        /// The run ended well. Status `completed`.
        "run.completed" @ 1 => Completed(RunCompleted),
        /// The run ended with an error. Status `faulted`.
        "run.faulted" @ 1 => Faulted(RunFaulted),
        /// The run was stopped. Status `cancelled`.
        "run.cancelled" @ 1 => Cancelled(RunCancelled),
    }
}
