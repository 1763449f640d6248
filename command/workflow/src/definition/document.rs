//! The document as a whole (dsl-reference, "Workflow").

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openclaw_model::{Digest, canonical};
use serde_json::Value;

use super::{
    MAX_TASKS,
    model::Definition,
    problem::{Problem, code},
    reader::{Fields, Node, Reader, excerpt},
    resource::Resources,
    reuse, schedule, tasks,
    text::MAX_TEXT_BYTES,
};

/// How many bytes of tasks are kept for `$task.definition`, those of nested tasks counted at each level.
const MAX_SOURCE_BYTES: usize = 16 * MAX_TEXT_BYTES;

/// Reads a document and the files that it refers to.
pub(super) fn read(document: Value, resources: &dyn Resources) -> Result<Definition, Vec<Problem>> {
    let mut reader = Reader::new(&document, resources, MAX_TASKS, MAX_SOURCE_BYTES);
    let parts = parts(&mut reader);
    let loose = reader.loose;
    let texts = std::mem::take(&mut reader.texts);
    let problems = reader.into_problems();
    match parts {
        Some(parts) if problems.is_empty() => Ok(Definition {
            namespace: parts.identity.namespace,
            name: parts.identity.name,
            version: parts.identity.version,
            digest: digest(&document, &texts),
            source: Arc::new(document),
            input: parts.input,
            output: parts.output,
            timeout: parts.timeout,
            loose,
            schedule: parts.schedule,
            secrets: parts.secrets,
            resources: texts,
            tasks: parts.tasks,
        }),
        _ => Err(problems),
    }
}

/// Over the document and what it refers to. Without resources it is that of the document alone.
fn digest(document: &Value, resources: &BTreeMap<String, String>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&canonical::to_bytes(document));
    if !resources.is_empty() {
        let texts = resources.iter().map(|(uri, text)| (uri.clone(), Value::from(text.as_str()))).collect();
        hasher.update(&canonical::to_bytes(&Value::Object(texts)));
    }
    Digest(*hasher.finalize().as_bytes())
}

struct Parts {
    identity: Identity,
    schedule: Option<super::Schedule>,
    secrets: BTreeSet<String>,
    input: super::Transform,
    output: super::Transform,
    timeout: Option<super::Duration>,
    tasks: super::Tasks,
}

struct Identity {
    namespace: String,
    name: String,
    version: String,
}

fn parts(reader: &mut Reader<'_>) -> Option<Parts> {
    let root = Node { value: reader.root, path: String::new() };
    let known = ["document", "input", "use", "do", "timeout", "output", "schedule", "evaluate"];
    let fields = reader.object(&root, &known)?;
    evaluation(reader, &fields);
    let identity = reader.required(&fields, "document").and_then(|node| identity(reader, &node));
    let schedule = schedule::read(reader, &fields);
    let secrets = reader.secrets();
    let input = reader.transform(fields.get("input"), "from");
    let output = reader.transform(fields.get("output"), "as");
    let timeout = reader.timeout(fields.get("timeout"));
    reuse::check(reader, &fields);
    let tasks = reader.required(&fields, "do").and_then(|node| tasks::list(reader, &node, "/do"));
    Some(Parts {
        identity: identity?,
        schedule: schedule?,
        secrets,
        input: input?,
        output: output?,
        timeout: timeout?,
        tasks: tasks?,
    })
}

/// `evaluate`: before everything else, because it says what texts mean.
fn evaluation<'d>(reader: &mut Reader<'d>, fields: &Fields<'d>) {
    let Some(node) = fields.get("evaluate") else { return };
    let Some(fields) = reader.object(&node, &["language", "mode"]) else { return };
    if let Some(language) = fields.get("language")
        && reader.text(&language).is_some_and(|language| language != "jq")
    {
        reader.unsupported(&language.path, "an expression language other than `jq`");
    }
    if let Some(mode) = fields.get("mode") {
        reader.loose = reader.word(&mode, &[("strict", false), ("loose", true)]).unwrap_or(false);
    }
}

fn identity<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Identity> {
    let known = ["dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"];
    let fields = reader.object(node, &known)?;
    if let Some(dsl) = reader.required(&fields, "dsl")
        && let Some(version) = reader.text(&dsl)
    {
        let parsed = semver::Version::parse(version).ok();
        if !parsed.is_some_and(|version| version.major == 1 && version.minor == 0) {
            let message = format!("the language version has to be 1.0.x, it is `{}`", excerpt(version));
            reader.report(code::BAD_VALUE, &dsl.path, message);
        }
    }
    let namespace = reader.required(&fields, "namespace").and_then(|node| label(reader, &node));
    let name = reader.required(&fields, "name").and_then(|node| label(reader, &node));
    let version = reader.required(&fields, "version").and_then(|node| {
        let text = reader.text(&node)?;
        if semver::Version::parse(text).is_ok() && text.len() <= 128 {
            return Some(text.to_owned());
        }
        let message = format!("`{}` is no semantic version such as 1.0.0", excerpt(text));
        reader.report(code::BAD_VALUE, &node.path, message);
        None
    });
    for name in ["title", "summary"] {
        if let Some(node) = fields.get(name) {
            reader.text(&node);
        }
    }
    for name in ["tags", "metadata"] {
        if let Some(node) = fields.get(name) {
            reader.map(&node);
        }
    }
    Some(Identity { namespace: namespace?, name: name?, version: version? })
}

fn label<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<String> {
    let text = reader.text(node)?;
    if is_label(text) {
        return Some(text.to_owned());
    }
    let message = format!(
        "`{}` has to have 1 to 63 letters, digits and hyphens, and no hyphen at its ends",
        excerpt(text)
    );
    reader.report(code::BAD_VALUE, &node.path, message);
    None
}

/// Whether `text` may name a namespace or a workflow.
pub(super) fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}
