//! `call`: HTTP, this server's own commands, and functions of the document (dsl-reference, "Call").
//! OpenAPI and gRPC are in `service`, decisions of people in `approval`.

use std::sync::Arc;

use openclaw_model::event::run::{EffectClass, Flow, HttpOutput};
use serde_json::{Map, Value};

use super::{
    approval, authentication,
    calls::AuthenticationTemplate,
    model::{Body, CommandCall, HttpCall, Task, Tasks, Transform},
    problem::code,
    reader::{Fields, Node, Reader, excerpt, join},
    service, tasks,
};
use crate::{expression::Template, suggest};

/// Commands of this server that a task may call.
const COMMANDS: [&str; 4] = ["session.create", "session.message", "session.set_state", "session.end"];
/// Calls of the language, and those this runtime will add, that are not carried out yet.
const LATER: [&str; 6] = ["asyncapi", "a2a", "mcp", "agent", "model", "tool"];
/// Calls of the language that are carried out.
const KNOWN: [&str; 4] = ["http", "openapi", "grpc", "approval"];

/// `call`.
pub(super) fn read<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    reference: &str,
    _: &[&str],
) -> Option<Body> {
    let call = reader.required(task, "call")?;
    let name = reader.text(&call)?;
    match name {
        "http" => http(reader, task).map(Body::Http),
        "openapi" => service::openapi(reader, task).map(Body::OpenApi),
        "grpc" => service::grpc(reader, task).map(Body::Grpc),
        "approval" => approval::read(reader, task).map(Body::Approval),
        name if COMMANDS.contains(&name) => command(reader, task, name).map(Body::Command),
        name if LATER.contains(&name) => {
            reader.unsupported(&call.path, &format!("`call: {name}`"));
            None
        }
        name if name.contains("://") || name.contains('@') => {
            reader.unsupported(&call.path, "a function from a catalog");
            None
        }
        name => function(reader, task, &call, name, reference),
    }
}

fn http<'d>(reader: &mut Reader<'d>, task: &Fields<'d>) -> Option<HttpCall> {
    let with = reader.required(task, "with")?;
    let known = ["method", "endpoint", "headers", "body", "query", "output", "redirect"];
    let fields = reader.object(&with, &known)?;
    let method = reader.required(&fields, "method").and_then(|node| method(reader, &node));
    let endpoint = reader.required(&fields, "endpoint").and_then(|node| endpoint(reader, &node));
    let headers = reader.optional(fields.get("headers"), Reader::texts_template);
    let query = reader.optional(fields.get("query"), Reader::texts_template);
    let body = reader.optional(fields.get("body"), Reader::template);
    let output = reader.optional(fields.get("output"), output);
    let redirect = reader.optional(fields.get("redirect"), Reader::boolean);
    let class = reader.effect_class(task, true);
    let inquiry = inquiry(reader, task, class.flatten());
    let (endpoint, authentication) = endpoint?;
    Some(HttpCall {
        authentication,
        inquiry: inquiry?.map(Box::new),
        method: method?,
        endpoint,
        headers: headers?,
        query: query?,
        body: body?,
        output: output?.unwrap_or_default(),
        redirect: redirect?.unwrap_or(false),
        class: class?,
    })
}

/// `output` of calls over HTTP.
pub(super) fn output<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<HttpOutput> {
    let words =
        [("raw", HttpOutput::Raw), ("content", HttpOutput::Content), ("response", HttpOutput::Response)];
    reader.word(node, &words)
}

/// `metadata.inquiry`: how to ask what became of a call of the class `queryable`.
fn inquiry<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    class: Option<EffectClass>,
) -> Option<Option<HttpCall>> {
    let queryable = class == Some(EffectClass::Queryable);
    let Some(node) = reader.metadata(task, "inquiry") else {
        if queryable {
            let message = "an effect that is queryable needs an `inquiry` that asks what became of it";
            reader.report(code::MISSING_FIELD, &join(&task.path, "metadata"), message);
            return None;
        }
        return Some(None);
    };
    if !queryable {
        reader.report(code::BAD_VALUE, &node.path, "an inquiry belongs to `effect: queryable`");
        return None;
    }
    let fields = reader.object(&node, &["endpoint", "headers", "query"])?;
    let endpoint = reader.required(&fields, "endpoint").and_then(|node| endpoint(reader, &node));
    let headers = reader.optional(fields.get("headers"), Reader::texts_template);
    let query = reader.optional(fields.get("query"), Reader::texts_template);
    let (endpoint, authentication) = endpoint?;
    Some(Some(HttpCall {
        method: Template::Literal(Value::from("GET")),
        endpoint,
        headers: headers?,
        query: query?,
        body: None,
        output: HttpOutput::Content,
        redirect: false,
        authentication,
        inquiry: None,
        class: None,
    }))
}

fn method<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Template> {
    let text = reader.text(node)?;
    if !text.contains("${") && (text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        reader.report(code::BAD_VALUE, &node.path, format!("`{}` is no HTTP method", excerpt(text)));
        return None;
    }
    reader.template(node)
}

/// An endpoint on the web, and how the caller proves who it is there (dsl-reference, "Endpoint").
fn endpoint<'d>(
    reader: &mut Reader<'d>,
    node: &Node<'d>,
) -> Option<(Template, Option<AuthenticationTemplate>)> {
    if node.value.is_object() {
        let fields = reader.object(node, &["uri", "authentication"])?;
        let authentication = reader.optional(fields.get("authentication"), authentication::read);
        let uri = reader.required(&fields, "uri").and_then(|uri| address(reader, &uri));
        return Some((uri?, authentication?));
    }
    Some((address(reader, node)?, None))
}

/// An address on the web: a URI template or an expression.
pub(super) fn address<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Template> {
    let text = reader.text(node)?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !text.contains("${") && !matches!(scheme.as_deref(), Some("http" | "https")) {
        let message = format!("`{}` is no address that begins with http:// or https://", excerpt(text));
        reader.report(code::BAD_VALUE, &node.path, message);
        return None;
    }
    // A text without `${ }` is a URI template in loose mode too.
    if text.contains("${") { reader.template(node) } else { Some(Template::Literal(node.value.clone())) }
}

fn command<'d>(reader: &mut Reader<'d>, task: &Fields<'d>, method: &str) -> Option<CommandCall> {
    let params = match task.get("with") {
        Some(with) => {
            reader.map(&with)?;
            reader.template(&with)?
        }
        None => Template::Literal(Value::Object(Map::new())),
    };
    Some(CommandCall { method: method.to_owned(), params })
}

/// A call of a function of the document: its arguments, and then its task with the arguments as input.
fn function<'d>(
    reader: &mut Reader<'d>,
    task: &Fields<'d>,
    call: &Node<'d>,
    name: &'d str,
    reference: &str,
) -> Option<Body> {
    let Some(definition) = reader.reusable("functions", name) else {
        let known: Vec<&str> = reader.reusable_names("functions").chain(COMMANDS).chain(KNOWN).collect();
        let near = suggest::nearest(name, known.into_iter()).map(|near| format!("did you mean `{near}`?"));
        let message = format!("there is no function `{}` in `use.functions`", excerpt(name));
        reader.advise(code::UNKNOWN_REFERENCE, &call.path, message, near);
        return None;
    };
    if reader.functions.iter().any(|open| open == name) {
        let message = format!("the function `{}` calls itself", excerpt(name));
        reader.report(code::RECURSION, &call.path, message);
        return None;
    }
    if reader.shallow {
        // Only the function that calls is being checked; what it calls is checked on its own.
        reader.optional(task.get("with"), Reader::template);
        return None;
    }
    let arguments = reader.optional(task.get("with"), |reader, with| {
        reader.map(with)?;
        let template = reader.template(with)?;
        let source = reader.source(with)?;
        Some(Task {
            name: "with".to_owned(),
            reference: join(reference, "with"),
            source,
            condition: None,
            input: Transform::default(),
            output: Transform::default(),
            export: Transform::default(),
            timeout: None,
            then: Flow::Continue,
            hold: false,
            body: Body::Set(template),
        })
    });
    // A function sees no variables of loops around its callers.
    let around = std::mem::take(&mut reader.variables);
    reader.functions.push(name.to_owned());
    let body = tasks::one(reader, &definition, name, &join(reference, "call"), &[]);
    reader.functions.pop();
    reader.variables = around;
    let steps = arguments?.into_iter().chain([body?]).map(Arc::new).collect();
    Some(Body::Do(Tasks(steps)))
}
