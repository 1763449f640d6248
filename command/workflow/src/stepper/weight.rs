//! About how many bytes an event will have in the log. Only the payloads are looked at, and not encoded for it.

use openclaw_model::event::run::{Intent, Request, RunEvent, Work};
use serde_json::Value;

/// What an event has beside its payloads: envelope, names, reference.
const ENVELOPE: usize = 400;

/// The estimate; too large rather than too small for text, which is most of what is large.
pub(super) fn of(event: &RunEvent) -> usize {
    ENVELOPE
        + match event {
            RunEvent::Running(data) => value(&data.input),
            RunEvent::TaskStarted(data) => {
                value(&data.input) + data.raw_input.as_ref().map_or(0, value) + work(&data.work)
            }
            RunEvent::TaskSkipped(data) => value(&data.output),
            RunEvent::TaskCompleted(data) => {
                let more = [&data.raw_output, &data.context];
                value(&data.output) + more.into_iter().flatten().map(value).sum::<usize>()
            }
            RunEvent::EventEmitted(data) => value(&data.event),
            RunEvent::EventConsumed(data) => value(&data.event),
            RunEvent::ItemCompleted(data) => value(&data.output) + data.context.as_ref().map_or(0, value),
            RunEvent::Completed(data) => value(&data.output),
            _ => 0,
        }
}

fn work(work: &Work) -> usize {
    match work {
        Work::Loop { items } => items.iter().map(value).sum(),
        Work::Effect(intent) => {
            asked(intent)
                + match &intent.request {
                    Request::Http(request) => request.body.as_ref().map_or(0, value),
                    Request::Process(request) => request.stdin.as_ref().map_or(0, String::len),
                    Request::Run(request) => value(&request.input),
                    Request::Command(request) => value(&request.params),
                    Request::Approval(request) => value(&request.details) + value(&request.subject),
                    Request::Grpc(request) => value(&request.arguments),
                    Request::OpenApi(request) => request.parameters.values().map(value).sum(),
                    Request::Container(request) => request.stdin.as_ref().map_or(0, String::len),
                }
        }
        Work::Steps | Work::Branches { .. } | Work::Timer { .. } | Work::Listen { .. } => 0,
    }
}

/// What people are asked, which repeats what is about to happen.
fn asked(intent: &Intent) -> usize {
    let request = intent.verdict.as_ref().and_then(|verdict| verdict.ask.as_ref());
    request.map_or(0, |request| value(&request.subject))
}

fn value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 12,
        Value::String(text) => text.len() + 3,
        Value::Array(items) => 2 + items.iter().map(self::value).sum::<usize>() + items.len(),
        Value::Object(entries) => {
            2 + entries.iter().map(|(name, item)| name.len() + 4 + self::value(item)).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use openclaw_model::{
        TaskId,
        event::run::{Flow, TaskCompleted},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn the_estimate_is_near_the_encoded_payload() {
        let output =
            json!({ "text": "x".repeat(1_000), "list": [1, 2.5, null, true], "deep": { "a": ["b"] } });
        let size = serde_json::to_vec(&output).unwrap().len();
        let event = RunEvent::TaskCompleted(TaskCompleted {
            task: TaskId(1),
            output,
            raw_output: None,
            context: None,
            then: Flow::Continue,
        });
        let estimate = of(&event) - ENVELOPE;
        assert!(estimate.abs_diff(size) < size / 10, "{estimate} for {size}");
    }
}
