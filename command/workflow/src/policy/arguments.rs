//! What a tool is called, and what a policy sees of the way it is used.

use openclaw_model::event::run::{HttpRequest, ProcessRequest, Program, Request, ScriptLanguage};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A kind of tool that policies know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// As rules name it.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
}

/// Every tool there is. `call: approval` is none: a question to people harms nobody.
pub const TOOLS: [Tool; 11] = [
    Tool { name: "http", what: "call: http" },
    Tool { name: "openapi", what: "call: openapi" },
    Tool { name: "grpc", what: "call: grpc" },
    Tool { name: "shell", what: "run: shell" },
    Tool { name: "script", what: "run: script" },
    Tool { name: "container", what: "run: container" },
    Tool { name: "workflow", what: "run: workflow" },
    Tool { name: "session.create", what: "call: session.create" },
    Tool { name: "session.message", what: "call: session.message" },
    Tool { name: "session.set_state", what: "call: session.set_state" },
    Tool { name: "session.end", what: "call: session.end" },
];

/// The tool that `request` uses; none if policies have nothing to say about it.
#[must_use]
pub fn tool(request: &Request) -> Option<&str> {
    Some(match request {
        Request::Http(_) => "http",
        Request::OpenApi(_) => "openapi",
        Request::Grpc(_) => "grpc",
        Request::Process(ProcessRequest { program: Program::Shell { .. }, .. }) => "shell",
        Request::Process(ProcessRequest { program: Program::Script { .. }, .. }) => "script",
        Request::Container(_) => "container",
        Request::Run(_) => "workflow",
        Request::Command(command) => &command.method,
        Request::Approval(_) => return None,
    })
}

/// What `request` does, without what differs each time it is tried. Secrets stand in it as handles.
///
/// - `http`: `method`, `url`, `scheme`, `host`, `port` (the host as it will be called, whatever way it is written),
///   `headers`, `query`, `body`, `authentication`, `redirect`
/// - `openapi`: `document`, `operation`, `parameters`, `authentication`
/// - `grpc`: `proto`, `service`, `host`, `port`, `method`, `arguments`, `authentication`
/// - `shell`: `command`, `arguments`, `environment`, `stdin`, `wait`; `script`: `language` and `code` instead
/// - `container`: `image`, `name`, `command`, `arguments`, `environment`, `stdin`, `ports`, `volumes`, `pull_policy`
/// - `workflow`: `namespace`, `name`, `version`, `input`, `wait`
/// - commands of this server: their parameters
#[must_use]
pub fn arguments(request: &Request) -> Value {
    match request {
        Request::Http(request) => http(request),
        Request::OpenApi(request) => plain(request, &["output"]),
        Request::Grpc(request) => plain(request, &[]),
        Request::Process(request) => process(request),
        Request::Container(request) => plain(request, &["returns", "keep_ms"]),
        Request::Run(request) => json!({
            "namespace": request.namespace,
            "name": request.name,
            "version": request.version,
            "input": request.input,
            "wait": request.wait,
        }),
        Request::Command(request) => request.params.clone(),
        Request::Approval(request) => request.subject.clone(),
    }
}

/// The fields of `request` except `hidden`, which only say what becomes of the answer.
fn plain(request: &impl Serialize, hidden: &[&str]) -> Value {
    Value::Object(fields(request, hidden))
}

fn fields(request: &impl Serialize, hidden: &[&str]) -> Map<String, Value> {
    match serde_json::to_value(request) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|name, _| !hidden.contains(&name.as_str()));
            fields
        }
        // Requests are objects with text keys.
        _ => Map::new(),
    }
}

fn http(request: &HttpRequest) -> Value {
    let mut fields = fields(request, &["output"]);
    // Read as the client reads it: what a rule compares is what is called. A text that is no URL has no host, and is
    // refused when it is called.
    let parsed = url::Url::parse(&request.url).ok();
    let host = parsed.as_ref().and_then(url::Url::host_str).map(|host| host.trim_matches(['[', ']']));
    fields.insert("scheme".into(), json!(parsed.as_ref().map(url::Url::scheme)));
    fields.insert("host".into(), json!(host));
    fields.insert("port".into(), json!(parsed.as_ref().and_then(url::Url::port_or_known_default)));
    Value::Object(fields)
}

fn process(request: &ProcessRequest) -> Value {
    let mut fields = fields(request, &["returns", "program"]);
    match &request.program {
        Program::Shell { command } => {
            fields.insert("command".into(), json!(command));
        }
        Program::Script { language, code } => {
            let language = match language {
                ScriptLanguage::Javascript => "javascript",
                ScriptLanguage::Python => "python",
            };
            fields.insert("language".into(), json!(language));
            fields.insert("code".into(), json!(code));
        }
    }
    Value::Object(fields)
}

/// Names of the environment variables that a use sets.
pub(super) fn environment(arguments: &Value) -> Vec<&str> {
    let variables = arguments.get("environment").and_then(Value::as_object);
    variables.map_or_else(Vec::new, |variables| variables.keys().map(String::as_str).collect())
}
