//! The network of a process: a proxy of its own, with the destinations that its task asks for and the server allows.

use std::collections::BTreeSet;

use openclaw_egress::{Destination, Grant, Injection, Origin, Permit, Proxies, Proxy};
use openclaw_model::event::run::{NetworkRequest, WorkflowError};
use openclaw_ports::sandbox::{self, Level};
use openclaw_workflow::error;

/// For whom a process runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caller {
    /// The task.
    pub origin: Origin,
    /// Key of its effect.
    pub effect: String,
    /// The namespace of its workflow, where its credentials are.
    pub namespace: String,
    /// The secrets that its workflow lists; it may use no others.
    pub listed: BTreeSet<String>,
}

/// How processes reach the network.
#[derive(Debug)]
pub struct Network {
    proxies: Proxies,
    injections: Vec<(Destination, Injection)>,
}

impl Network {
    /// Through `proxies`, with the credentials `injections`, each for the destinations before it.
    #[must_use]
    pub fn new(proxies: Proxies, injections: Vec<(Destination, Injection)>) -> Self {
        Self { proxies, injections }
    }

    /// Starts the proxy of a process that asks for `asked`, which the server's policy has been found to allow.
    ///
    /// # Errors
    /// A configuration error if the level has no network (`OC-EGR-007`), an authorization error for a credential that it
    /// may not use there (`OC-EGR-008`), a runtime error if there is no socket.
    pub(super) fn start(
        &self,
        caller: &Caller,
        level: Level,
        asked: &[NetworkRequest],
    ) -> Result<Proxy, WorkflowError> {
        if level != Level::Relaxed {
            return Err(error::configuration(format!(
                "OC-EGR-007: the task asks for a network, which a process has at level relaxed only; it runs at level {level}"
            )));
        }
        let permits = asked.iter().map(|request| self.permit(caller, request)).collect::<Result<_, _>>()?;
        let grant = Grant {
            origin: caller.origin,
            namespace: caller.namespace.clone(),
            effect: Some(caller.effect.clone()),
            permits,
        };
        let proxy = self.proxies.start(grant);
        proxy.map_err(|problem| {
            error::runtime(format!("the proxy of the process cannot be started: {problem}"))
        })
    }

    fn permit(&self, caller: &Caller, asked: &NetworkRequest) -> Result<Permit, WorkflowError> {
        let destination: Destination =
            asked.destination.parse().map_err(|problem| error::configuration(format!("{problem}")))?;
        let Some(credential) = &asked.credential else { return Ok(Permit { destination, injection: None }) };
        let refused = |why: &str| {
            Err(error::authorization(format!(
                "OC-EGR-008: the credential {credential} is not put into requests to {destination}: {why}"
            )))
        };
        let name = credential.split('/').next().unwrap_or_default();
        if !caller.listed.contains(name) {
            return refused("the workflow does not list it in use.secrets");
        }
        let known = self.injections.iter().find(|(allowed, injection)| {
            injection.credential() == credential && allowed.covers(&destination)
        });
        match known {
            Some((_, injection)) => Ok(Permit { destination, injection: Some(injection.clone()) }),
            None => refused("egress.credentials of the server does not allow that"),
        }
    }
}

/// What is asked for, as the sandbox's policy has it.
pub(super) fn destinations(asked: &[NetworkRequest]) -> Result<Vec<sandbox::Destination>, WorkflowError> {
    let read = |request: &NetworkRequest| {
        request.destination.parse().map_err(|problem| error::configuration(format!("OC-EGR-002: {problem}")))
    };
    asked.iter().map(read).collect()
}
