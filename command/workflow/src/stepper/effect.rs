//! Intents: what a task is about to do to the world, with every expression evaluated.

use std::collections::BTreeMap;

use openclaw_model::{
    RunId,
    event::run::{
        CommandRequest, EffectClass, HttpRequest, Intent, ProcessRequest, Program, Request, RunRequest,
        WorkflowError,
    },
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    Step,
    data::Place,
    start::{as_text, kind_of},
};
use crate::{
    definition::{Body, HttpCall, Process, ProgramTemplate, Task},
    error,
    expression::Template,
};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Step<'_> {
    /// What `task` at `path` is about to do.
    pub(super) fn intend(
        &self,
        task: &Task,
        path: &str,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Intent, WorkflowError> {
        let key = blake3::hash(format!("{}{path}", self.around.run).as_bytes());
        let (class, request) = match &task.body {
            Body::Http(call) => self.http(call, input, place)?,
            Body::Process(process) => self.process(process, input, place)?,
            Body::Command(call) => {
                let params = self.render(&call.params, input, place)?;
                let request = CommandRequest { method: call.method.clone(), params };
                (EffectClass::Keyed, Request::Command(request))
            }
            Body::Workflow(child) => {
                let input = match &child.input {
                    Some(template) => self.render(template, input, place)?,
                    None => input.clone(),
                };
                let request = RunRequest {
                    run: RunId((self.around.ids)()),
                    namespace: child.namespace.clone(),
                    name: child.name.clone(),
                    version: child.version.clone(),
                    input,
                    wait: child.wait,
                    close: child.close,
                };
                (EffectClass::Keyed, Request::Run(request))
            }
            _ => return Err(error::runtime(format!("task {} has no effect", task.reference))),
        };
        Ok(Intent { key: key.to_hex()[..32].to_owned(), class, request, inquiry: None })
    }

    fn http(
        &self,
        call: &HttpCall,
        input: &Value,
        place: Place<'_>,
    ) -> Result<(EffectClass, Request), WorkflowError> {
        let method = as_text(&self.render(&call.method, input, place)?).to_ascii_uppercase();
        let url = match &call.endpoint {
            // Only a literal is a URI template; what an expression gives is a URI already.
            Template::Literal(Value::String(template)) => expand(template, input)?,
            template => as_text(&self.render(template, input, place)?),
        };
        let class = call.class.unwrap_or(match method.as_str() {
            "GET" | "HEAD" | "OPTIONS" => EffectClass::Pure,
            "PUT" | "DELETE" => EffectClass::Idempotent,
            // Sent with the effect's key as Idempotency-Key.
            _ => EffectClass::Keyed,
        });
        let request = HttpRequest {
            method,
            url,
            headers: self.texts(call.headers.as_ref(), "headers", input, place)?,
            query: self.texts(call.query.as_ref(), "query", input, place)?,
            body: call.body.as_ref().map(|body| self.render(body, input, place)).transpose()?,
            output: call.output,
            redirect: call.redirect,
            authentication: None,
        };
        Ok((class, Request::Http(request)))
    }

    fn process(
        &self,
        process: &Process,
        input: &Value,
        place: Place<'_>,
    ) -> Result<(EffectClass, Request), WorkflowError> {
        let program = match &process.program {
            ProgramTemplate::Shell(command) => {
                Program::Shell { command: as_text(&self.render(command, input, place)?) }
            }
            ProgramTemplate::Script(language, code) => {
                Program::Script { language: *language, code: as_text(&self.render(code, input, place)?) }
            }
        };
        let stdin = process.stdin.as_ref().map(|stdin| self.render(stdin, input, place)).transpose()?;
        let arguments =
            process.arguments.as_ref().map(|arguments| self.render(arguments, input, place)).transpose()?;
        let arguments = match arguments {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(as_text).collect(),
            Some(other) => {
                let kind = kind_of(&other);
                return Err(error::configuration(format!("arguments has to be an array, it is {kind}")));
            }
        };
        let request = ProcessRequest {
            program,
            stdin: stdin.map(|value| as_text(&value)),
            arguments,
            environment: self.texts(process.environment.as_ref(), "environment", input, place)?,
            returns: process.returns,
            wait: process.wait,
        };
        // The sandbox confines the process to the run's own workspace.
        Ok((process.class.unwrap_or(EffectClass::Idempotent), Request::Process(request)))
    }

    /// An object of texts; absent and null entries are left out.
    fn texts(
        &self,
        template: Option<&Template>,
        what: &str,
        input: &Value,
        place: Place<'_>,
    ) -> Result<BTreeMap<String, String>, WorkflowError> {
        match template.map(|template| self.render(template, input, place)).transpose()? {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(entries)) => Ok(entries
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, as_text(&value)))
                .collect()),
            Some(other) => {
                let kind = kind_of(&other);
                Err(error::configuration(format!("{what} has to be an object, it is {kind}")))
            }
        }
    }
}

/// Expands the simple expressions of a URI template (RFC 6570, level 1) from the task's input.
fn expand(template: &str, input: &Value) -> Result<String, WorkflowError> {
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or_else(|| {
            error::configuration(format!("the URI template {template:?} has a brace that is not closed"))
        })?;
        let value = input.get(name).filter(|value| !value.is_null()).ok_or_else(|| {
            error::configuration(format!("the URI template {template:?} needs {name:?}, the input has none"))
        })?;
        url.push_str(before);
        url.extend(utf8_percent_encode(&as_text(value), RESERVED));
        rest = tail;
    }
    url.push_str(rest);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn uri_templates_take_their_values_from_the_input_and_encode_them() {
        let input = json!({ "petId": 7, "name": "a b/ü" });
        assert_eq!(expand("http://h/{petId}?n={name}", &input).unwrap(), "http://h/7?n=a%20b%2F%C3%BC");
        assert!(expand("http://h/{missing}", &input).unwrap_err().detail.unwrap().contains("missing"));
        assert!(expand("http://h/{petId", &input).is_err());
    }
}
