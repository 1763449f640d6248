//! A process with values of secrets in its environment: only of those that its task names, and nowhere else.

use std::collections::BTreeSet;

use openclaw_model::event::run::{ProcessRequest, WorkflowError};
use openclaw_ports::{
    EffectOutcome,
    secrets::{Handle, Opened, Revealed, handles_in},
};
use serde_json::Value;

use super::exposure::Exposure;

/// What a process runs with.
pub(super) struct Exposed {
    pub(super) request: ProcessRequest,
    revealed: Vec<(Handle, Revealed)>,
}

/// The handles in the environment of `request` of secrets that are `named`.
pub(super) fn handles(request: &ProcessRequest, named: &[String]) -> BTreeSet<Handle> {
    let mut found = BTreeSet::new();
    for text in request.environment.values() {
        found.extend(handles_in(&Value::from(text.as_str())));
    }
    found.retain(|handle| named.contains(&handle.name));
    found
}

impl Exposed {
    /// `request` as it is: all handles stay handles.
    pub(super) fn nothing(request: &ProcessRequest) -> Self {
        Self { request: request.clone(), revealed: Vec::new() }
    }

    /// `request` with the values that are `opened` in its environment.
    ///
    /// # Errors
    /// An authorization error for a secret that cannot be used.
    pub(super) fn new(request: &ProcessRequest, opened: Opened) -> Result<Self, WorkflowError> {
        let mut request = request.clone();
        let mut exposure = Exposure::of(&opened);
        for text in request.environment.values_mut() {
            let handles = handles_in(&Value::from(text.as_str()));
            if !handles.is_empty() && handles.iter().all(|handle| opened.contains_key(handle)) {
                *text = exposure.text(text)?.to_string();
            }
        }
        let revealed = exposure.into_revealed();
        Ok(Self { request, revealed })
    }

    /// What the process gave, without the values that it was given and without handles.
    pub(super) fn outcome(&self, outcome: EffectOutcome) -> EffectOutcome {
        Exposure::nothing().having(&self.revealed).outcome(outcome)
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        for text in self.request.environment.values_mut() {
            zeroize::Zeroize::zeroize(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use openclaw_model::event::run::{ProcessReturn, Program};
    use serde_json::json;

    use super::*;
    use crate::effects::exposure::tests::handle;

    fn request() -> ProcessRequest {
        let environment = [
            ("TOKEN", format!("Bearer {}", handle("api", "/key"))),
            ("OTHER", handle("other", "")),
            ("BOTH", format!("{}{}", handle("api", "/key"), handle("other", ""))),
            ("PLAIN", "x".to_owned()),
        ];
        ProcessRequest {
            program: Program::Shell { command: format!("echo {}", handle("api", "/key")) },
            stdin: Some(handle("api", "/key")),
            arguments: vec![handle("api", "/key")],
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
            returns: ProcessReturn::Stdout,
            wait: true,
            sandbox: None,
        }
    }

    #[test]
    fn values_are_in_the_environment_only_and_only_those_that_are_named() {
        let request = request();
        let wanted = handles(&request, &["api".to_owned(), "absent".to_owned()]);
        assert_eq!(wanted.iter().map(|handle| handle.name.as_str()).collect::<Vec<_>>(), ["api"]);
        let opened =
            wanted.into_iter().map(|handle| (handle, Ok(Revealed::new("canary-value".into())))).collect();
        let exposed = Exposed::new(&request, opened).unwrap();
        assert_eq!(exposed.request.environment["TOKEN"], "Bearer canary-value");
        for name in ["OTHER", "BOTH", "PLAIN"] {
            assert_eq!(exposed.request.environment[name], request.environment[name], "{name}");
        }
        assert_eq!(exposed.request.arguments, request.arguments);
        assert_eq!((&exposed.request.stdin, &exposed.request.program), (&request.stdin, &request.program));
        let outcome = exposed.outcome(Ok(json!({ "stdout": "got canary-value" }))).unwrap();
        assert_eq!(outcome, json!({ "stdout": "got (secret api)" }));
    }

    #[test]
    fn a_secret_that_cannot_be_used_is_an_error_before_anything_runs() {
        let request = request();
        let refused = openclaw_ports::secrets::Error::Sealed("api".into());
        let opened = handles(&request, &["api".to_owned()])
            .into_iter()
            .map(|handle| (handle, Err(refused.clone())))
            .collect();
        let error = Exposed::new(&request, opened).err().unwrap();
        assert!(error.status == 403 && error.detail.unwrap().starts_with("OC-SEC-005"));
    }
}
