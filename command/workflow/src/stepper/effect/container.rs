//! `run: container`.

use openclaw_model::event::run::{ContainerRequest, EffectClass, Request, WorkflowError};
use serde_json::Value;

use super::super::{Step, data::Place, start::as_text};
use crate::definition::{Container, Keep};

impl Step<'_> {
    pub(super) fn container(
        &self,
        container: &Container,
        input: &Value,
        place: Place<'_>,
    ) -> Result<(EffectClass, Request), WorkflowError> {
        let keep_ms = match &container.keep {
            Keep::Not => Some(0),
            Keep::For(length) => Some(self.millis(length, input, place)?),
            Keep::Forever => None,
        };
        let request = ContainerRequest {
            image: as_text(&self.render(&container.image, input, place)?),
            name: self.optional_text(container.name.as_ref(), input, place)?,
            command: self.optional_text(container.command.as_ref(), input, place)?,
            ports: self.object(container.ports.as_ref(), "ports", input, place)?,
            volumes: self.texts(container.volumes.as_ref(), "volumes", input, place)?,
            environment: self.texts(container.environment.as_ref(), "environment", input, place)?,
            stdin: self.optional_text(container.stdin.as_ref(), input, place)?,
            arguments: self.list(container.arguments.as_ref(), "arguments", input, place)?,
            pull_policy: container.pull_policy.clone(),
            keep_ms,
            returns: container.returns,
            wait: container.wait,
        };
        // The container carries the effect's key, so that it is found again instead of being run twice.
        Ok((container.class.unwrap_or(EffectClass::Keyed), Request::Container(request)))
    }
}
