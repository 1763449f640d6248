//! `run`: shell commands, scripts and other workflows (dsl-reference, "Run").

use openclaw_model::event::run::{ParentClose, ProcessReturn, ScriptLanguage};
use serde_json::Value;

use super::{
    container,
    document::is_label,
    model::{Body, Process, ProgramTemplate, SubWorkflow},
    problem::code,
    reader::{Fields, Node, Reader, excerpt},
    resource, sandbox,
};
use crate::expression::Template;

/// `run`.
pub(super) fn read<'d>(reader: &mut Reader<'d>, task: &Fields<'d>, _: &str, _: &[&str]) -> Option<Body> {
    let node = reader.required(task, "run")?;
    let known = ["container", "script", "shell", "workflow", "await", "return"];
    let fields = reader.object(&node, &known)?;
    let wait = reader.optional(fields.get("await"), Reader::boolean);
    let returns = reader.optional(fields.get("return"), |reader, node| {
        let words = [
            ("stdout", ProcessReturn::Stdout),
            ("stderr", ProcessReturn::Stderr),
            ("code", ProcessReturn::Code),
            ("all", ProcessReturn::All),
            ("none", ProcessReturn::None),
        ];
        reader.word(node, &words)
    });
    let class = reader.effect_class(task, false);
    let sandbox = sandbox::read(reader, task);
    let mut programs = known[..4].iter().filter_map(|name| fields.get(name).map(|node| (*name, node)));
    let (Some((kind, program)), None) = (programs.next(), programs.next()) else {
        reader.report(code::BAD_VALUE, &node.path, "give one of container, script, shell, workflow");
        return None;
    };
    match kind {
        "container" => {
            let returns = returns?.unwrap_or_default();
            container::read(reader, &program, returns, wait?.unwrap_or(true), class?).map(Body::Container)
        }
        "workflow" => workflow(reader, task, &program, wait?.unwrap_or(true)).map(Body::Workflow),
        kind => {
            let parts = if kind == "shell" { shell(reader, &program) } else { script(reader, &program) };
            let parts = parts?;
            Some(Body::Process(Process {
                program: parts.program,
                stdin: parts.stdin,
                arguments: parts.arguments,
                environment: parts.environment,
                returns: returns?.unwrap_or_default(),
                wait: wait?.unwrap_or(true),
                class: class?,
                sandbox: sandbox?,
            }))
        }
    }
}

/// What shell commands and scripts have in common.
struct Parts {
    program: ProgramTemplate,
    stdin: Option<Template>,
    arguments: Option<Template>,
    environment: Option<Template>,
}

fn shell<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Parts> {
    let fields = reader.object(node, &["command", "stdin", "arguments", "environment"])?;
    let command = reader.required(&fields, "command").and_then(|node| {
        reader.text(&node)?;
        reader.template(&node)
    });
    parts(reader, &fields, command.map(ProgramTemplate::Shell))
}

fn script<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Parts> {
    let known = ["language", "code", "source", "stdin", "arguments", "environment"];
    let fields = reader.object(node, &known)?;
    let language = reader.required(&fields, "language").and_then(|node| {
        let words = [
            ("javascript", ScriptLanguage::Javascript),
            ("js", ScriptLanguage::Javascript),
            ("python", ScriptLanguage::Python),
        ];
        reader.word(&node, &words)
    });
    let code = match fields.get("source") {
        Some(source) if fields.has("code") => {
            reader.report(code::DUPLICATE, &source.path, "give either `code` or `source`");
            None
        }
        Some(source) => {
            let (_, text) = resource::text(reader, &source, "a script")?;
            Some(Template::Literal(Value::String(text)))
        }
        // `${` has a meaning of its own in scripts.
        None => reader.required(&fields, "code").and_then(|node| reader.whole_template(&node)),
    };
    let program = language.zip(code).map(|(language, code)| ProgramTemplate::Script(language, code));
    parts(reader, &fields, program)
}

fn parts<'d>(
    reader: &mut Reader<'d>,
    fields: &Fields<'d>,
    program: Option<ProgramTemplate>,
) -> Option<Parts> {
    let stdin = reader.optional(fields.get("stdin"), Reader::scalar_template);
    let arguments = reader.optional(fields.get("arguments"), arguments);
    let environment = reader.optional(fields.get("environment"), Reader::texts_template);
    Some(Parts { program: program?, stdin: stdin?, arguments: arguments?, environment: environment? })
}

/// Arguments: an array, or an expression that gives one.
pub(super) fn arguments<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Template> {
    if node.value.is_string() {
        return reader.expression(node).map(Template::Expression);
    }
    let mut good = true;
    for item in reader.array(node)? {
        if matches!(item.value, Value::Object(_) | Value::Array(_) | Value::Null) {
            reader.wrong_type(&item, "a text");
            good = false;
        }
    }
    if good { reader.template(node) } else { None }
}

fn workflow<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    node: &Node<'d>,
    wait: bool,
) -> Option<SubWorkflow> {
    let fields = reader.object(node, &["namespace", "name", "version", "input"])?;
    let namespace = reader.required(&fields, "namespace").and_then(|node| label(reader, &node));
    let name = reader.required(&fields, "name").and_then(|node| label(reader, &node));
    let version = reader.required(&fields, "version").and_then(|node| version(reader, &node));
    let input = reader.optional(fields.get("input"), Reader::template);
    let close = reader.parent_close(task);
    // What nobody waits for is nobody's to stop.
    let otherwise = if wait { ParentClose::Cancel } else { ParentClose::Abandon };
    Some(SubWorkflow {
        namespace: namespace?,
        name: name?,
        version: version?,
        input: input?,
        wait,
        close: close?.unwrap_or(otherwise),
    })
}

fn label<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<String> {
    let text = reader.text(node)?;
    if is_label(text) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is no name of a namespace or workflow", excerpt(text));
    reader.report(code::BAD_VALUE, &node.path, message);
    None
}

fn version<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<String> {
    let text = reader.text(node)?;
    if text == "latest" || semver::Version::parse(text).is_ok() {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is neither a semantic version nor `latest`", excerpt(text));
    reader.report(code::BAD_VALUE, &node.path, message);
    None
}
