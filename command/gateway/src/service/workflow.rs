//! `workflow.register`, `workflow.validate` and `workflow.retire`.

use openclaw_core::workflow::Command;
use openclaw_log::EventLog;
use openclaw_workflow::definition::{self, Problem, Severity};
use serde_json::Value;

use super::{Service, reach};
use crate::{
    definitions,
    rpc::{
        Error,
        context::CallContext,
        methods::{
            Document,
            workflow::{Finding, Register, Registered, Retire, Retired, Validate, Validated},
        },
    },
};

impl<L: EventLog> Service<L> {
    pub(super) async fn register(&self, context: CallContext, params: Register) -> Result<Registered, Error> {
        let program = self.compile(&params.definition)?;
        let definition = program.definition();
        let stream = definitions::stream(&definition.namespace, &definition.name)
            .map_err(|error| Error::invalid("definition.document.name", error.to_string()))?;
        reach::admit(&context, &definition.namespace)?;
        let command = Command::Register {
            resources: definition.resources.clone(),
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
            definition: (*definition.source).clone(),
        };
        let accepted = self.submit(&context, stream, command, None).await?;
        Ok(Registered {
            namespace: definition.namespace.clone(),
            name: definition.name.clone(),
            version: definition.version.clone(),
            digest: definition.digest,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    pub(super) async fn validate(&self, context: CallContext, params: Validate) -> Result<Validated, Error> {
        let secrets = self.secrets.clone();
        let resources = self.definitions.resources();
        // A large document takes long enough to keep a thread from others that wait for it.
        let checked = tokio::task::spawn_blocking(move || {
            let files = &*resources;
            // Which secrets there are depends on the namespace, and is not told about those of others.
            let loaded = match &params.definition {
                Document::Text(text) => definition::load_with(text, definition::Format::Auto, files),
                Document::Object(object) => definition::from_value_with(Value::Object(object.clone()), files),
            };
            let namespace = loaded.ok().map(|definition| definition.namespace.clone());
            let namespace = namespace.filter(|namespace| context.reaches(namespace));
            let existing = secrets.zip(namespace).map(|(secrets, namespace)| secrets.names(&namespace));
            let existing = existing.as_ref();
            match params.definition {
                Document::Text(text) => {
                    definition::check_with(&text, definition::Format::Auto, existing, files)
                }
                Document::Object(object) => {
                    definition::check_value_with(Value::Object(object), existing, files)
                }
            }
        });
        let found = checked
            .await
            .map_err(|failure| if failure.is_panic() { Error::Internal } else { Error::Stopping })?;
        let (problems, warnings): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|problem| problem.severity() == Severity::Error);
        Ok(Validated {
            valid: problems.is_empty(),
            problems: problems.into_iter().map(finding).collect(),
            warnings: warnings.into_iter().map(finding).collect(),
        })
    }

    pub(super) async fn retire(&self, context: CallContext, params: Retire) -> Result<Retired, Error> {
        let stream = definitions::stream(&params.namespace, &params.name)
            .map_err(|error| Error::invalid("name", error.to_string()))?;
        let command = Command::Retire { version: params.version.clone() };
        let accepted = self.submit_to(&context, stream, command, None).await?;
        Ok(Retired {
            namespace: params.namespace,
            name: params.name,
            version: params.version,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }
}

fn finding(problem: Problem) -> Finding {
    Finding {
        code: problem.code.to_owned(),
        path: problem.path,
        message: problem.message,
        suggestion: problem.suggestion,
        line: problem.line,
        column: problem.column,
    }
}
