//! An event in a few words, for people.

use openclaw_model::{
    Event, Recorded,
    event::{
        ApprovalEvent, AuditEvent, CredentialEvent, EgressEvent, RunEvent,
        policy::Action,
        run::{Intent, TaskStarted, Work},
    },
};
use serde_json::Value;

/// Longest summary, in characters.
const LONGEST: usize = 160;

/// What happened, in a few words; beginning with nothing that the type of the event says already.
#[must_use]
pub fn summary(event: &Recorded) -> String {
    let text = match event.decode() {
        Ok(decoded) => of(&decoded).unwrap_or_else(|| fields(&event.data)),
        Err(error) => error.to_string(),
    };
    shortened(&text)
}

fn of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Run(event) => return of_run(event),
        Event::Approval(ApprovalEvent::Requested(asked)) => {
            format!(
                "{:?} is asked, for task {} of run {}",
                asked.request.title, asked.task.task, asked.task.run
            )
        }
        Event::Approval(ApprovalEvent::Voted(voted)) => {
            let comment = voted.vote.comment.as_deref().map(|text| format!(": {text:?}")).unwrap_or_default();
            format!("{} chose {}{comment}", voted.vote.by, voted.vote.choice)
        }
        Event::Approval(ApprovalEvent::Resolved(resolved)) => match &resolved.choice {
            Some(choice) => format!("decided: {choice}"),
            None => "denied".into(),
        },
        Event::Credential(CredentialEvent::Used(used)) => {
            let by = match (used.run, used.task) {
                (Some(run), Some(task)) => format!(", by task {task} of run {run}"),
                (Some(run), None) => format!(", by run {run}"),
                _ => String::new(),
            };
            format!("for {}{by}", used.purpose)
        }
        Event::Egress(EgressEvent::Opened(opened)) => {
            let credential = opened
                .credential
                .as_deref()
                .map(|name| format!(", with credential {name}"))
                .unwrap_or_default();
            format!(
                "{}:{} at {}, allowed by {}{credential}",
                opened.host, opened.port, opened.address, opened.rule
            )
        }
        Event::Egress(EgressEvent::Denied(denied)) => {
            format!("{}:{} was refused: {} {}", denied.host, denied.port, denied.code, denied.reason)
        }
        Event::Audit(AuditEvent::Checkpoint(signed)) => format!("position {} was signed", signed.position),
        Event::Audit(AuditEvent::Exported(exported)) => {
            format!("a copy of {} was taken, up to position {}", exported.what, exported.through)
        }
        Event::Audit(AuditEvent::Denied(denied)) => {
            format!("{} was refused {}, which needs {}", denied.caller, denied.what, denied.needs)
        }
        _ => return None,
    })
}

fn of_run(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::Started(started) => {
            let workflow = &started.workflow;
            let parent =
                started.parent.map(|parent| format!(", for task {} of run {}", parent.task, parent.run));
            format!(
                "workflow {}/{} {}{}",
                workflow.namespace,
                workflow.name,
                workflow.version,
                parent.unwrap_or_default()
            )
        }
        RunEvent::TaskStarted(TaskStarted { task, name, work: Work::Effect(intent), .. }) => {
            format!("task {task}, {name}: {}{}", request(intent), verdict(intent))
        }
        RunEvent::TaskStarted(TaskStarted { task, name, .. }) => format!("task {task}, {name}"),
        RunEvent::TaskCompleted(done) => format!("task {}", done.task),
        RunEvent::TaskFaulted(failed) => format!("task {}: {}", failed.task, error(&failed.error)),
        RunEvent::TaskCancelled(stopped) => format!("task {}", stopped.task),
        RunEvent::EffectUnknown(unknown) => format!("what became of task {} is not known", unknown.task),
        RunEvent::Faulted(failed) => error(&failed.error),
        RunEvent::Signalled(signal) => signal.name.clone(),
        RunEvent::CancelRequested(asked) => asked.reason.clone().unwrap_or_default(),
        _ => return None,
    })
}

fn error(error: &openclaw_model::event::run::WorkflowError) -> String {
    let data = serde_json::to_value(error).unwrap_or_default();
    let part = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    [part("type"), part("title"), part("detail")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

/// What an effect asks for: the kind of the request, and the first thing that says where to or what.
fn request(intent: &Intent) -> String {
    let data = serde_json::to_value(&intent.request).unwrap_or_default();
    let kind = data["type"].as_str().unwrap_or("effect");
    let what = ["method", "url", "uri", "endpoint", "image", "command", "program", "operation"]
        .iter()
        .filter_map(|name| data[*name].as_str())
        .collect::<Vec<_>>()
        .join(" ");
    if what.is_empty() { kind.to_owned() } else { format!("{kind} {what}") }
}

fn verdict(intent: &Intent) -> String {
    let Some(verdict) = &intent.verdict else { return String::new() };
    let action = match verdict.action {
        Action::Allow => "allowed",
        Action::Ask => "to be asked",
        Action::Deny => "denied",
    };
    let rule = verdict.rule.as_deref().map_or_else(|| "its default".into(), |rule| format!("rule {rule}"));
    format!(" ({action} by policy {} version {}, {rule})", verdict.policy, verdict.version)
}

/// The first fields that are texts or numbers.
fn fields(data: &[u8]) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_slice(data) else { return String::new() };
    let plain = fields.iter().filter_map(|(name, value)| match value {
        Value::String(text) if !text.is_empty() => Some(format!("{name} {text}")),
        Value::Number(number) => Some(format!("{name} {number}")),
        _ => None,
    });
    plain.take(4).collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> String {
    let plain: String =
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    match plain.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &plain[..end]),
        None => plain,
    }
}
