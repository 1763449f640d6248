//! `run: container` (dsl-reference, "Container Process" and "Container Lifetime").

use openclaw_model::event::run::{EffectClass, ProcessReturn};

use super::{
    calls::{Container, Keep},
    problem::code,
    process,
    reader::{Node, Reader},
};

pub(super) fn read<'d>(
    reader: &mut Reader<'d>,
    node: &Node<'d>,
    returns: ProcessReturn,
    wait: bool,
    class: Option<EffectClass>,
) -> Option<Container> {
    let known = [
        "image",
        "name",
        "command",
        "ports",
        "volumes",
        "environment",
        "stdin",
        "arguments",
        "lifetime",
        "pullPolicy",
    ];
    let fields = reader.object(node, &known)?;
    let image = reader.required(&fields, "image").and_then(|node| {
        reader.text(&node)?;
        reader.template(&node)
    });
    let name = reader.optional(fields.get("name"), Reader::scalar_template);
    let command = reader.optional(fields.get("command"), Reader::scalar_template);
    let ports = reader.optional(fields.get("ports"), Reader::texts_template);
    let volumes = reader.optional(fields.get("volumes"), Reader::texts_template);
    let environment = reader.optional(fields.get("environment"), Reader::texts_template);
    let stdin = reader.optional(fields.get("stdin"), Reader::scalar_template);
    let arguments = reader.optional(fields.get("arguments"), process::arguments);
    let keep = reader.optional(fields.get("lifetime"), lifetime);
    let pull_policy = reader.optional(fields.get("pullPolicy"), |reader, node| {
        reader.word(node, &["ifNotPresent", "always", "never"].map(|word| (word, word)))
    });
    Some(Container {
        image: image?,
        name: name?,
        command: command?,
        ports: ports?,
        volumes: volumes?,
        environment: environment?,
        stdin: stdin?,
        arguments: arguments?,
        pull_policy: pull_policy?.unwrap_or("ifNotPresent").to_owned(),
        keep: keep?.unwrap_or(Keep::Forever),
        returns,
        wait,
        class,
    })
}

fn lifetime<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Keep> {
    let fields = reader.object(node, &["cleanup", "after"])?;
    let cleanup = reader.required(&fields, "cleanup")?;
    let words = ["always", "never", "eventually"].map(|word| (word, word));
    match (reader.word(&cleanup, &words)?, fields.get("after")) {
        ("eventually", Some(after)) => reader.duration(&after).map(Keep::For),
        ("eventually", None) => {
            reader.report(code::MISSING_FIELD, &node.path, "`eventually` needs `after`");
            None
        }
        (_, Some(after)) => {
            reader.report(code::BAD_VALUE, &after.path, "`after` belongs to `cleanup: eventually`");
            None
        }
        ("always", None) => Some(Keep::Not),
        (_, None) => Some(Keep::Forever),
    }
}
