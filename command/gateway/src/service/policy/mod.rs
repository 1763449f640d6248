//! `policy.set`, `policy.remove`, `policy.get`, `policy.test` and `policy.replay`.

mod replay;

use std::{collections::BTreeMap, sync::Arc};

use openclaw_core::{policy::Command, run::Labels};
use openclaw_log::EventLog;
use openclaw_model::{
    Digest, Event, StreamId, Version,
    event::{policy as recorded, run::WorkflowRef},
};
use openclaw_workflow::{
    expression::Evaluator,
    policy::{self, EVERYWHERE, Policy, Rules},
};
use serde_json::Value;

use super::{Service, answer, reach::admit};
use crate::{
    policies::{self, Policies},
    rpc::{
        Error,
        context::CallContext,
        methods::{
            Document,
            policy::{Accepted, Action, Get, InForce, Matching, Remove, Set, Test, Tested},
        },
    },
    sequencer,
};

/// What the methods about policies work with.
pub(super) struct Guard {
    /// Those in force.
    policies: Arc<Policies>,
    evaluator: Arc<dyn Evaluator>,
}

impl Guard {
    pub(super) fn new(policies: Arc<Policies>, evaluator: Arc<dyn Evaluator>) -> Self {
        Self { policies, evaluator }
    }
}

impl<L: EventLog> Service<L> {
    fn guard(&self) -> Result<&Guard, Error> {
        self.guard.as_ref().ok_or_else(|| {
            tracing::error!("the service was made without policies");
            Error::Internal
        })
    }

    pub(super) async fn set_policy(&self, context: CallContext, params: Set) -> Result<Accepted, Error> {
        reach(&context, &params.namespace)?;
        let (document, rules) = read(params.document)?;
        let command = Command::Change { digest: rules.digest, document };
        self.change(&context, params.namespace, command).await
    }

    pub(super) async fn remove_policy(
        &self,
        context: CallContext,
        params: Remove,
    ) -> Result<Accepted, Error> {
        reach(&context, &params.namespace)?;
        self.change(&context, params.namespace, Command::Remove).await
    }

    /// When this answers, the change is in force.
    async fn change(
        &self,
        context: &CallContext,
        namespace: String,
        command: Command,
    ) -> Result<Accepted, Error> {
        let guard = self.guard()?;
        let stream = stream(&namespace)?;
        let accepted = self.submit(context, stream.clone(), command, None).await?;
        let count = accepted.events.len() as u64;
        for (event, ahead) in accepted.events.iter().zip((0..count).rev()) {
            if let Event::Policy(event) = event {
                guard.policies.apply(&stream, event, Version(accepted.stream_version.0 - ahead));
            }
        }
        let version = guard.policies.now().of(&namespace).map(|policy| policy.version);
        Ok(Accepted {
            namespace,
            version,
            position: accepted.position,
            stream_version: accepted.stream_version,
        })
    }

    pub(super) async fn get_policy(&self, context: CallContext, params: Get) -> Result<InForce, Error> {
        use futures_util::StreamExt as _;

        reach(&context, &params.namespace)?;
        let unreadable = |reason: String| answer::refused(sequencer::Refused::Unreadable(reason));
        let mut known = None;
        let mut history = self.log.read_stream(&stream(&params.namespace)?, Version(1));
        while let Some(batch) = history.next().await {
            for event in batch.map_err(|error| answer::refused(error.into()))?.iter() {
                match event.decode().map_err(|error| unreadable(error.to_string()))? {
                    Event::Policy(recorded::PolicyEvent::Changed(data)) => known = Some(data),
                    Event::Policy(recorded::PolicyEvent::Removed(_)) => known = None,
                    _ => {}
                }
            }
        }
        let data = known.ok_or_else(|| {
            let none = openclaw_core::policy::Rejection::NotFound;
            Error::Rejected { code: none.code().into(), reason: none.to_string() }
        })?;
        let namespace = params.namespace;
        Ok(InForce { namespace, version: data.version, digest: data.digest, document: data.document })
    }

    pub(super) fn test_policy(&self, context: &CallContext, params: Test) -> Result<Tested, Error> {
        let guard = self.guard()?;
        let (namespace, name) = params.agent.split_once('/').unwrap_or_default();
        admit(context, namespace)?;
        let mut labels = Labels::NONE;
        for name in &params.labels {
            let label = Labels::named(name).ok_or_else(|| {
                let known: Vec<&str> = Labels::known().collect();
                Error::invalid("labels", format!("{name:?} is none of {}", known.join(", ")))
            })?;
            labels = labels.and(label);
        }
        let mut policies = guard.policies.now();
        if let Some(document) = params.document {
            policies = policies.with(candidate(namespace, document)?);
        }
        // A test knows no version; predicates over it see an empty text.
        let (version, digest) = (String::new(), Digest([0; 32]));
        let workflow =
            WorkflowRef { namespace: namespace.to_owned(), name: name.to_owned(), version, digest };
        let tags = BTreeMap::new();
        let usage =
            policy::Use::imagined(&params.tool, Value::Object(params.arguments), labels, &workflow, &tags);
        let Some(decision) = policy::decide(&policies, &usage, &*guard.evaluator, true) else {
            return Ok(Tested { action: Action::Allow, policy: None, rule: None, matches: Vec::new() });
        };
        let matches = decision.matches.into_iter().map(|found| Matching {
            policy: found.policy,
            rule: found.rule,
            action: action(found.action),
            failure: found.failure,
        });
        Ok(Tested {
            action: action(decision.action),
            policy: Some(decision.policy.namespace.to_string()),
            rule: decision.rule.map(|rule| rule.name.clone()),
            matches: matches.collect(),
        })
    }
}

/// Refuses a namespace that the caller does not reach; `*` takes one that reaches all of them.
fn reach(context: &CallContext, namespace: &str) -> Result<(), Error> {
    if namespace == EVERYWHERE && !context.caller.grants.allow_everywhere(context.need) {
        return Err(Error::Forbidden { needs: context.need.to_string() });
    }
    if namespace == EVERYWHERE { Ok(()) } else { admit(context, namespace) }
}

fn stream(namespace: &str) -> Result<StreamId, Error> {
    policies::stream(namespace).map_err(|error| Error::invalid("namespace", error.to_string()))
}

fn read(document: Document) -> Result<(Value, Rules), Error> {
    match document {
        Document::Text(text) => policy::load(&text).map_err(answer::invalid),
        Document::Object(object) => {
            let document = Value::Object(object);
            let rules = policy::of_value(&document).map_err(answer::invalid)?;
            Ok((document, rules))
        }
    }
}

/// A policy that is tried out; it has no version.
fn candidate(namespace: &str, document: Document) -> Result<Policy, Error> {
    let (_, rules) = read(document)?;
    Ok(Policy { namespace: namespace.into(), version: 0, rules })
}

const fn action(action: recorded::Action) -> Action {
    match action {
        recorded::Action::Allow => Action::Allow,
        recorded::Action::Ask => Action::Ask,
        recorded::Action::Deny => Action::Deny,
    }
}
