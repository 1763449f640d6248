//! A workflow as a Mermaid flowchart.
//!
//! The chart shows the document as it is written: a scope is a subgraph, a flow directive an edge, and every name stands
//! in a quoted label, so that no name can break the chart. Errors are drawn where the document speaks of them: from a
//! `raise`, and from a `try` to its `catch`. Cost: linear in the document.

mod chart;
mod label;
mod task;

use serde_json::Value;

use self::{chart::Chart, task::Draw};
use crate::definition::Definition;

/// Draws `definition` as the text of a Mermaid flowchart, top down.
#[must_use]
pub fn mermaid(definition: &Definition) -> String {
    let document = &*definition.source;
    let mut chart = Chart::new();
    let title = format!("{}/{}:{}", definition.namespace, definition.name, definition.version);
    let begin = match document.get("schedule").and_then(Value::as_object) {
        Some(schedule) => {
            let when = schedule.iter().map(|(kind, value)| format!("{kind}: {}", label::brief(value)));
            label::lines(["start".to_owned()].into_iter().chain(when))
        }
        None => label::lines(["start".to_owned()]),
    };
    chart.declare(chart::START, &format!("([{begin}])"));
    let mut draw = Draw::new(&mut chart);
    let list = draw.list(document.get("do"), None);
    if let Some(entry) = &list.entry {
        draw.chart.edge(chart::START, entry, None, false);
    }
    for exit in list.into_exits() {
        draw.chart.leave(exit, chart::DONE);
    }
    chart.finish(&title)
}

#[cfg(test)]
mod tests;
