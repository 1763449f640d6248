//! Intents: what a task is about to do to the world, with every expression evaluated.

mod approval;
mod authentication;
mod container;
mod http;
pub(super) mod judge;
mod service;

use std::collections::BTreeMap;

use openclaw_model::{
    RunId,
    event::run::{
        CommandRequest, EffectClass, Intent, ProcessRequest, Program, Request, RunRequest, WorkflowError,
    },
};
use serde_json::Value;

use super::{
    Step,
    data::Place,
    start::{as_text, kind_of},
};
use crate::{
    definition::{Body, Process, ProgramTemplate, Task},
    error,
    expression::Template,
};

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
        let mut inquiry = None;
        let (class, request) = match &task.body {
            Body::Http(call) => {
                let asked = call.inquiry.as_deref().map(|call| self.http(call, input, place)).transpose()?;
                inquiry = asked.map(|(_, request)| Box::new(request));
                let (class, request) = self.http(call, input, place)?;
                (class, Request::Http(request))
            }
            Body::OpenApi(call) => self.openapi(call, input, place)?,
            Body::Grpc(call) => self.grpc(call, input, place)?,
            Body::Approval(call) => {
                let request = self.approval(call, &key, input, place)?;
                (EffectClass::Keyed, Request::Approval(request))
            }
            Body::Container(container) => self.container(container, input, place)?,
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
                    data_labels: self.labels().to_set(),
                };
                (EffectClass::Keyed, Request::Run(request))
            }
            _ => return Err(error::runtime(format!("task {} has no effect", task.reference))),
        };
        let key = key.to_hex()[..32].to_owned();
        let verdict = self.verdict_on(&request, &key);
        Ok(Intent { key, class, request, inquiry, verdict })
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
        let request = ProcessRequest {
            program,
            stdin: self.optional_text(process.stdin.as_ref(), input, place)?,
            arguments: self.list(process.arguments.as_ref(), "arguments", input, place)?,
            environment: self.texts(process.environment.as_ref(), "environment", input, place)?,
            returns: process.returns,
            wait: process.wait,
            sandbox: process.sandbox.clone().map(Box::new),
        };
        // The sandbox confines the process to the run's own workspace.
        Ok((process.class.unwrap_or(EffectClass::Idempotent), Request::Process(request)))
    }

    /// An array of texts.
    fn list(
        &self,
        template: Option<&Template>,
        what: &str,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Vec<String>, WorkflowError> {
        match template.map(|template| self.render(template, input, place)).transpose()? {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items.iter().map(as_text).collect()),
            Some(other) => {
                let kind = kind_of(&other);
                Err(error::configuration(format!("{what} has to be an array, it is {kind}")))
            }
        }
    }

    /// A text; none if it is absent or null.
    fn optional_text(
        &self,
        template: Option<&Template>,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Option<String>, WorkflowError> {
        let value = template.map(|template| self.render(template, input, place)).transpose()?;
        Ok(value.filter(|value| !value.is_null()).map(|value| as_text(&value)))
    }

    /// An object; empty if it is absent or null.
    fn object(
        &self,
        template: Option<&Template>,
        what: &str,
        input: &Value,
        place: Place<'_>,
    ) -> Result<BTreeMap<String, Value>, WorkflowError> {
        match template.map(|template| self.render(template, input, place)).transpose()? {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(entries)) => Ok(entries.into_iter().collect()),
            Some(other) => {
                let kind = kind_of(&other);
                Err(error::configuration(format!("{what} has to be an object, it is {kind}")))
            }
        }
    }

    /// An object of texts; absent and null entries are left out.
    fn texts(
        &self,
        template: Option<&Template>,
        what: &str,
        input: &Value,
        place: Place<'_>,
    ) -> Result<BTreeMap<String, String>, WorkflowError> {
        let entries = self.object(template, what, input, place)?.into_iter();
        Ok(entries
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, as_text(&value)))
            .collect())
    }
}
