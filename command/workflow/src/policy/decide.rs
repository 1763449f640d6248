//! The decision: pure, from the policies in force, the use, and what has reached the run.

use std::{cell::OnceCell, collections::BTreeMap};

use openclaw_core::run::Labels;
use openclaw_model::{
    RunId, Timestamp,
    event::{
        policy::{Action, Verdict},
        run::{Request, WorkflowRef},
    },
};
use serde_json::{Value, json};

use super::{LabelTest, Policies, Policy, Rule, arguments, ask};
use crate::expression::{EvaluationError, Evaluator, Scope};

/// A use of a tool.
pub struct Use<'a> {
    /// The tool.
    pub tool: &'a str,
    /// Labels of the data that has reached the run.
    pub labels: Labels,
    /// What the run executes.
    pub workflow: &'a WorkflowRef,
    /// Labels of the run itself, for finding it.
    pub tags: &'a BTreeMap<String, String>,
    request: Option<&'a Request>,
    arguments: OnceCell<Value>,
    input: OnceCell<Value>,
}

impl<'a> Use<'a> {
    /// The use that `request` makes of a tool; none if policies have nothing to say about it.
    #[must_use]
    pub fn of(
        request: &'a Request,
        labels: Labels,
        workflow: &'a WorkflowRef,
        tags: &'a BTreeMap<String, String>,
    ) -> Option<Self> {
        let tool = arguments::tool(request)?;
        let (arguments, input) = (OnceCell::new(), OnceCell::new());
        Some(Self { tool, labels, workflow, tags, request: Some(request), arguments, input })
    }

    /// A use that has not happened, for a test of a policy.
    #[must_use]
    pub fn imagined(
        tool: &'a str,
        arguments: Value,
        labels: Labels,
        workflow: &'a WorkflowRef,
        tags: &'a BTreeMap<String, String>,
    ) -> Self {
        let (arguments, input) = (OnceCell::from(arguments), OnceCell::new());
        Self { tool, labels, workflow, tags, request: None, arguments, input }
    }

    /// What it does. Made when a rule first asks for it.
    #[must_use]
    pub fn arguments(&self) -> &Value {
        self.arguments.get_or_init(|| self.request.map(arguments::arguments).unwrap_or_default())
    }

    /// The agent, `namespace/name`.
    #[must_use]
    pub fn agent(&self) -> String {
        format!("{}/{}", self.workflow.namespace, self.workflow.name)
    }

    /// What predicates see.
    fn input(&self) -> &Value {
        self.input.get_or_init(|| {
            json!({
                "tool": self.tool,
                "arguments": self.arguments(),
                "labels": self.labels.names().collect::<Vec<_>>(),
                "run": {
                    "namespace": self.workflow.namespace,
                    "workflow": self.workflow.name,
                    "version": self.workflow.version,
                    "labels": self.tags,
                },
            })
        })
    }
}

/// A rule that matches a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Namespace of its policy.
    pub policy: String,
    /// Its name.
    pub rule: String,
    /// What it says.
    pub action: Action,
    /// Why its predicate could not be computed, if it matches because of that.
    pub failure: Option<String>,
}

/// What the policies say about a use.
#[derive(Clone, Debug)]
pub struct Decision<'p> {
    /// What happens.
    pub action: Action,
    /// The policy that decided.
    pub policy: &'p Policy,
    /// The rule that decided; none if it is the policy's default.
    pub rule: Option<&'p Rule>,
    /// Every rule that matches, if they were asked for; else those that were looked at.
    pub matches: Vec<Match>,
}

impl Decision<'_> {
    /// The decision as it is recorded with the intent of `run` whose effect has `key`.
    #[must_use]
    pub fn verdict(&self, usage: &Use<'_>, run: RunId, key: &str, now: Timestamp) -> Verdict {
        Verdict {
            action: self.action,
            tool: usage.tool.to_owned(),
            policy: self.policy.namespace.to_string(),
            version: self.policy.version,
            rule: self.rule.map(|rule| rule.name.clone()),
            labels: usage.labels.to_set(),
            ask: (self.action == Action::Ask)
                .then(|| Box::new(ask::request(self.policy, self.rule, usage, run, key, now))),
        }
    }
}

/// What the policies that count for the namespace of the run say about `usage`; none if there are none. With `all`
/// every rule that matches is found, else only as much is computed as the decision needs.
///
/// Cost: nothing without policies; else one look at each rule, and the predicates of those that could decide, each under
/// the limits of `evaluator`.
pub fn decide<'p>(
    policies: &'p Policies,
    usage: &Use<'_>,
    evaluator: &dyn Evaluator,
    all: bool,
) -> Option<Decision<'p>> {
    if policies.is_empty() {
        return None;
    }
    let agent = usage.agent();
    let mut strictest: Option<Decision<'p>> = None;
    let mut matches = Vec::new();
    for policy in policies.counting(&usage.workflow.namespace) {
        let mut own: Option<(Action, &Rule)> = None;
        for rule in &policy.rules.rules {
            // An equally strict rule before it decides already.
            let decided = own.is_some_and(|(action, _)| action >= rule.action);
            if (decided && !all) || !rule.is_about(usage, &agent) {
                continue;
            }
            let failure = match rule.holds(usage, evaluator) {
                Ok(true) => None,
                Ok(false) => continue,
                Err(_) if rule.action == Action::Allow => continue,
                Err(failure) => Some(failure),
            };
            matches.push(Match {
                policy: policy.namespace.to_string(),
                rule: rule.name.clone(),
                action: rule.action,
                failure,
            });
            if !decided {
                own = Some((rule.action, rule));
            }
        }
        let (action, rule) = own.map_or((policy.rules.default, None), |(action, rule)| (action, Some(rule)));
        if strictest.as_ref().is_none_or(|decision| decision.action < action) {
            strictest = Some(Decision { action, policy, rule, matches: Vec::new() });
        }
    }
    strictest.map(|decision| Decision { matches, ..decision })
}

/// Predicates have no variables.
struct Nothing;

impl Scope for Nothing {
    fn variable(&self, _: &str) -> Option<Value> {
        None
    }
}

impl Rule {
    /// Whether the rule is about such uses, whatever its predicate says.
    fn is_about(&self, usage: &Use<'_>, agent: &str) -> bool {
        self.tools.iter().any(|tool| tool.fits(usage.tool))
            && (self.agents.is_empty() || self.agents.iter().any(|known| known.fits(agent)))
            && self.labels.holds(usage.labels)
    }

    /// Whether its predicate holds; the error says why that cannot be known.
    fn holds(&self, usage: &Use<'_>, evaluator: &dyn Evaluator) -> Result<bool, String> {
        let Some(when) = &self.when else { return Ok(true) };
        match evaluator.evaluate(when, usage.input(), &Nothing) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("the predicate gave {}, no boolean", kind_of(&other))),
            Err(EvaluationError { reason }) => Err(reason),
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl LabelTest {
    fn holds(self, labels: Labels) -> bool {
        let wanted = self.any.without(labels) != self.any || self.any.is_empty();
        wanted && labels.contains(self.all) && self.none.without(labels) == self.none
    }
}
