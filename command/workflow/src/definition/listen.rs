//! `listen` and event consumption strategies (dsl-reference, "Listen", "Event Consumption Strategy", "Event Filter").

use std::collections::BTreeMap;

use openclaw_model::event::run::Interest;
use serde_json::Value;

use super::{
    body::attribute_names,
    events::{Consume, Correlation, Filter, ForEach, Listen, Mode, Read, Until},
    model::Body,
    problem::code,
    reader::{Fields, Node, Reader, join},
    tasks,
};
use crate::expression::Template;

/// `listen`.
pub(super) fn read<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    reference: &str,
    _: &[&str],
) -> Option<Body> {
    let node = reader.required(task, "listen")?;
    let fields = reader.object(&node, &["to", "read"])?;
    let consume = reader.required(&fields, "to").and_then(|node| consume(reader, &node, true));
    let read = reader.optional(fields.get("read"), |reader, node| {
        reader.word(node, &[("data", Read::Data), ("envelope", Read::Envelope), ("raw", Read::Raw)])
    });
    let foreach = reader.optional(task.get("foreach"), |reader, node| foreach(reader, node, reference));
    Some(Body::Listen(Listen { consume: consume?, read: read?.unwrap_or_default(), foreach: foreach? }))
}

/// An event consumption strategy. `until` says whether it may say when to stop.
pub(super) fn consume<'d>(reader: &mut Reader<'d>, node: &Node<'d>, until: bool) -> Option<Consume> {
    const MODES: [(&str, Mode); 3] = [("one", Mode::One), ("any", Mode::Any), ("all", Mode::All)];
    let known = ["one", "any", "all", "until"];
    let fields = reader.object(node, if until { &known } else { &known[..3] })?;
    let mut found = MODES.iter().filter_map(|(name, mode)| fields.get(name).map(|node| (node, *mode)));
    let (Some((filters, mode)), None) = (found.next(), found.next()) else {
        reader.report(code::BAD_VALUE, &node.path, "give one of one, any, all");
        return None;
    };
    let nodes = if mode == Mode::One { vec![filters.clone()] } else { reader.array(&filters)? };
    if nodes.is_empty() && mode == Mode::All {
        reader.report(code::BAD_VALUE, &filters.path, "there has to be at least one event");
        return None;
    }
    let filters: Vec<_> = nodes.iter().map(|node| filter(reader, node)).collect();
    let until = match fields.get("until") {
        Some(node) if mode != Mode::Any => {
            reader.report(code::BAD_VALUE, &node.path, "`until` belongs to `any`");
            return None;
        }
        node => reader.optional(node, |reader, node| match node.value {
            Value::String(_) => reader.expression(node).map(Until::Holds),
            Value::Object(_) => {
                consume(reader, node, false).map(|consume| Until::Consumed(Box::new(consume)))
            }
            _ => {
                reader.wrong_type(node, "an expression or the events to stop at");
                None
            }
        }),
    };
    Some(Consume { mode, filters: filters.into_iter().collect::<Option<_>>()?, until: until? })
}

fn filter<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Filter> {
    let fields = reader.object(node, &["with", "correlate"])?;
    let with = reader.required(&fields, "with")?;
    let map = reader.map(&with)?;
    let mut good = attribute_names(reader, &with, map);
    if map.is_empty() {
        reader.report(code::BAD_VALUE, &with.path, "a filter names at least one attribute");
        good = false;
    }
    let (mut interest, mut attributes) = (Interest::default(), BTreeMap::new());
    for (name, value) in map {
        match reader.template(&with.child(name, value)) {
            Some(Template::Literal(Value::String(text))) => {
                interest.0.insert(name.clone(), text);
            }
            Some(template) => {
                attributes.insert(name.clone(), template);
            }
            None => good = false,
        }
    }
    let correlations = reader.optional(fields.get("correlate"), correlations);
    let correlations = correlations?.unwrap_or_default();
    good.then_some(Filter { interest, attributes, correlations })
}

fn correlations<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<BTreeMap<String, Correlation>> {
    let mut found = Some(BTreeMap::new());
    for (name, value) in reader.map(node)? {
        let node = node.child(name, value);
        let correlation = correlation(reader, &node);
        found = found.zip(correlation).map(|(mut found, correlation)| {
            found.insert(name.clone(), correlation);
            found
        });
    }
    found
}

fn correlation<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Correlation> {
    let fields = reader.object(node, &["from", "expect"])?;
    let from = reader.required(&fields, "from").and_then(|node| reader.expression(&node));
    let expect = reader.optional(fields.get("expect"), Reader::scalar_template);
    Some(Correlation { from: from?, expect: expect? })
}

fn foreach<'d>(reader: &mut Reader<'d>, node: &Node<'d>, reference: &str) -> Option<ForEach> {
    let fields = reader.object(node, &["item", "at", "do", "output", "export"])?;
    let item = reader.variable_name(fields.get("item"), "item");
    let at = reader.variable_name(fields.get("at"), "index");
    if item.is_some() && item == at {
        reader.report(code::DUPLICATE, &node.path, "the event and its index need different variables");
        return None;
    }
    let outer = reader.variables.len();
    reader.variables.extend(item.iter().chain(&at).cloned());
    let reference = join(&join(reference, "foreach"), "do");
    let tasks = reader.optional(fields.get("do"), |reader, node| tasks::list(reader, node, &reference));
    let output = reader.transform(fields.get("output"), "as");
    let export = reader.transform(fields.get("export"), "as");
    reader.variables.truncate(outer);
    Some(ForEach { item: item?, at: at?, tasks: tasks?, output: output?, export: export? })
}
