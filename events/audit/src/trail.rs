//! What happened around one thing, and why: its own events, those of whatever belongs to it, and those that it caused.
//!
//! Events point backwards (to the run of a task, to the event that caused them), so one pass over the log in order
//! finds everything: [`Trail::admit`] is shown each event and says why it belongs, if it does. Cost: as much as reading
//! the log from where the thing began; memory for one id per event that belongs.

mod summary;

use std::collections::{BTreeSet, HashSet};

use openclaw_model::{
    Actor, CommandId, Event, EventId, Position, Recorded, RunId, SessionId, StreamId, StreamKind, Timestamp,
    Version,
    event::{
        ApprovalEvent, AuditEvent, CredentialEvent, EgressEvent, PolicyEvent, RunEvent, WorkflowEvent,
        run::Work,
    },
};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

pub use summary::summary;

/// What somebody wants to know everything about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A run, with its child runs.
    Run(RunId),
    /// A session.
    Session(SessionId),
    /// A credential: namespace and name.
    Credential {
        /// Namespace.
        namespace: String,
        /// Name in it.
        name: String,
    },
    /// Everything that somebody did: `token:NAME`, `user:NAME` or `runtime`.
    Actor(String),
}

impl About {
    /// Where its history begins, so that nothing before has to be read; none where that can be anywhere.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Run(id) => Some(StreamId::run(*id)),
            Self::Session(id) => Some(StreamId::session(id)),
            Self::Credential { namespace, name } => {
                StreamId::new(StreamKind::Credential, &format!("{namespace}/{name}")).ok()
            }
            Self::Actor(_) => None,
        }
    }

    /// As the log of exports names it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Actor(name) => format!("actor/{name}"),
            other => other.stream().map_or_else(String::new, |stream| stream.to_string()),
        }
    }
}

/// Why an event belongs to a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is one of the thing's own.
    Own,
    /// It happened to a run that a task of it started.
    Child,
    /// It happened to a decision that it asked for.
    Approval,
    /// It is about a connection of it.
    Connection,
    /// It used, or was used for, a credential.
    Credential,
    /// It is the definition that the run executes.
    Definition,
    /// It is the policy that judged it.
    Policy,
    /// Auditors were told of it.
    Audit,
    /// An event of the trail led to it, or the same request did.
    Caused,
    /// Somebody did it.
    Actor,
}

/// An event of a trail, as people and programs get to see it.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    /// Where it stands.
    pub position: Position,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: &'a Actor,
    /// What happened: the type of the event.
    pub r#type: &'a str,
    /// To what.
    pub stream: &'a StreamId,
    /// Place within the stream.
    pub version: Version,
    /// Why it is here.
    pub why: Why,
    /// In a few words.
    pub summary: String,
    /// Its id.
    pub id: EventId,
    /// The command that led to it.
    pub command: CommandId,
    /// The event that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation: Option<EventId>,
    /// Common to all that one request set off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Uuid>,
    /// Its data.
    pub data: &'a RawValue,
}

impl<'a> Entry<'a> {
    /// The entry of an event.
    ///
    /// # Errors
    /// When its data is not JSON.
    pub fn new(event: &'a Recorded, why: Why) -> Result<Self, serde_json::Error> {
        Ok(Self {
            position: event.position,
            at: event.at,
            actor: &event.actor,
            r#type: &event.event_type,
            stream: &event.stream,
            version: event.version,
            why,
            summary: summary(event),
            id: event.id,
            command: event.command,
            causation: event.causality.causation,
            correlation: event.causality.correlation,
            data: serde_json::from_slice(&event.data)?,
        })
    }
}

/// Follows one thing through the log.
#[derive(Debug)]
pub struct Trail {
    about: About,
    /// The thing and its child runs.
    runs: HashSet<RunId>,
    approvals: HashSet<StreamId>,
    events: HashSet<EventId>,
    commands: HashSet<CommandId>,
    correlations: HashSet<Uuid>,
    /// Definitions and policies that are wanted, and were registered before the thing began.
    earlier: Earlier,
}

/// What a run rests on and what is older than it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Streams of workflows, and the versions of them that runs execute.
    pub workflows: BTreeSet<(String, String)>,
    /// Namespaces of policies, and the versions of them that judged.
    pub policies: BTreeSet<(String, u64)>,
}

impl Trail {
    /// The trail of a thing.
    #[must_use]
    pub fn new(about: About) -> Self {
        let runs = match &about {
            About::Run(id) => HashSet::from([*id]),
            _ => HashSet::new(),
        };
        Self {
            about,
            runs,
            approvals: HashSet::new(),
            events: HashSet::new(),
            commands: HashSet::new(),
            correlations: HashSet::new(),
            earlier: Earlier::default(),
        }
    }

    /// Looks at the next event of the log. Events before the beginning of the thing may be left out.
    pub fn admit(&mut self, event: &Recorded) -> Option<Why> {
        let why = self.judge(event)?;
        if !matches!(self.about, About::Actor(_)) {
            self.events.insert(event.id);
        }
        Some(why)
    }

    /// What the events so far rest on that is older than they are: [`Earlier::admit`] finds it.
    #[must_use]
    pub const fn earlier(&self) -> &Earlier {
        &self.earlier
    }

    fn judge(&mut self, event: &Recorded) -> Option<Why> {
        match &self.about {
            About::Actor(name) => self.of_actor(event, name).then_some(Why::Actor),
            About::Run(_) => self.of_run(event).or_else(|| self.caused(event)),
            About::Session(id) => {
                if event.stream.kind() == StreamKind::Session && event.stream.name() == id.as_str() {
                    self.commands.insert(event.command);
                    return Some(Why::Own);
                }
                self.of_run(event).or_else(|| self.caused(event))
            }
            About::Credential { .. } => self.of_credential(event).or_else(|| self.caused(event)),
        }
    }

    fn of_actor(&self, event: &Recorded, name: &str) -> bool {
        let person = name.strip_prefix("user:").unwrap_or(name);
        event.actor.0 == name
            || match event.decode() {
                Ok(Event::Approval(ApprovalEvent::Voted(voted))) => voted.vote.by == person,
                Ok(Event::Audit(AuditEvent::Denied(denied))) => denied.caller == name,
                Ok(Event::Audit(AuditEvent::LoginFailed(failed))) => failed.user.as_deref() == Some(person),
                _ => false,
            }
    }

    /// Whether it belongs to one of the runs.
    fn of_run(&mut self, event: &Recorded) -> Option<Why> {
        let stream = &event.stream;
        match stream.kind() {
            StreamKind::Run => {
                let id = stream.as_run()?;
                let own = self.about == About::Run(id);
                if !self.runs.contains(&id) {
                    let caused = event.version == Version(1) && self.is_caused(event);
                    match event.decode() {
                        Ok(Event::Run(RunEvent::Started(started))) => {
                            let child = started.parent.is_some_and(|parent| self.runs.contains(&parent.run));
                            if !child && !caused {
                                return None;
                            }
                        }
                        _ => return None,
                    }
                    self.runs.insert(id);
                }
                self.rest_on(event);
                self.commands.insert(event.command);
                Some(if own { Why::Own } else { Why::Child })
            }
            StreamKind::Approval => {
                let mut belongs = self.approvals.contains(stream);
                if let (false, Ok(Event::Approval(ApprovalEvent::Requested(asked)))) =
                    (belongs, event.decode())
                {
                    belongs = self.runs.contains(&asked.task.run);
                    if belongs {
                        self.approvals.insert(stream.clone());
                    }
                }
                belongs.then_some(Why::Approval)
            }
            StreamKind::Egress => {
                let run: RunId = stream.name().parse().ok()?;
                self.runs.contains(&run).then_some(Why::Connection)
            }
            StreamKind::Credential => match event.decode() {
                Ok(Event::Credential(CredentialEvent::Used(used))) => {
                    used.run.is_some_and(|run| self.runs.contains(&run)).then_some(Why::Credential)
                }
                _ => None,
            },
            StreamKind::Audit => self.names_a_run(event).then_some(Why::Audit),
            _ => None,
        }
    }

    /// Whether auditors were told something about one of the runs.
    fn names_a_run(&self, event: &Recorded) -> bool {
        let is_ours = |text: &str| text.parse().is_ok_and(|run| self.runs.contains(&run));
        match event.decode() {
            Ok(Event::Audit(AuditEvent::Exported(exported))) => {
                exported.what.strip_prefix("run/").is_some_and(is_ours)
            }
            Ok(Event::Audit(AuditEvent::SandboxRefused(refused))) => {
                refused.task.as_deref().and_then(|task| task.split('/').next()).is_some_and(is_ours)
            }
            _ => false,
        }
    }

    /// Notes what an event of a run rests on.
    fn rest_on(&mut self, event: &Recorded) {
        match event.decode() {
            Ok(Event::Run(RunEvent::Started(started))) => {
                let workflow = &started.workflow;
                let stream = format!("{}/{}", workflow.namespace, workflow.name);
                self.earlier.workflows.insert((stream, workflow.version.clone()));
                self.correlations.extend(event.causality.correlation);
            }
            Ok(Event::Run(RunEvent::TaskStarted(task))) => {
                if let Work::Effect(intent) = task.work
                    && let Some(verdict) = intent.verdict
                {
                    self.earlier.policies.insert((verdict.policy, verdict.version));
                }
            }
            _ => {}
        }
    }

    fn of_credential(&mut self, event: &Recorded) -> Option<Why> {
        let About::Credential { name, .. } = &self.about else { return None };
        if Some(&event.stream) == self.about.stream().as_ref() {
            if let Ok(Event::Credential(CredentialEvent::Used(used))) = event.decode() {
                self.runs.extend(used.run);
            }
            return Some(Why::Own);
        }
        match event.decode() {
            // Of a run that used it; its tasks are not everything about the credential, its connections are.
            Ok(Event::Egress(EgressEvent::Opened(opened))) => {
                let run: RunId = event.stream.name().parse().ok()?;
                let named =
                    opened.credential.as_deref().is_some_and(|used| used.rsplit('/').next() == Some(name));
                (named && self.runs.contains(&run)).then_some(Why::Connection)
            }
            _ => None,
        }
    }

    fn caused(&self, event: &Recorded) -> Option<Why> {
        self.is_caused(event).then_some(Why::Caused)
    }

    fn is_caused(&self, event: &Recorded) -> bool {
        let same_command = self.commands.contains(&event.command);
        let causality = &event.causality;
        same_command
            || causality.causation.is_some_and(|cause| self.events.contains(&cause))
            || causality.correlation.is_some_and(|correlation| {
                self.correlations.contains(&correlation) || self.runs.contains(&RunId(correlation))
            })
    }
}

impl Earlier {
    /// The streams to look through.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamId> {
        let workflows = self.workflows.iter().map(|(stream, _)| (StreamKind::Workflow, stream));
        let policies = self.policies.iter().map(|(namespace, _)| (StreamKind::Policy, namespace));
        let all: BTreeSet<StreamId> =
            workflows.chain(policies).filter_map(|(kind, name)| StreamId::new(kind, name).ok()).collect();
        all.into_iter().collect()
    }

    /// Whether an event of one of the streams is the definition or the policy.
    #[must_use]
    pub fn admit(&self, event: &Recorded) -> Option<Why> {
        let name = event.stream.name();
        match event.decode().ok()? {
            Event::Workflow(WorkflowEvent::Registered(registered)) => {
                self.workflows.contains(&(name.to_owned(), registered.version)).then_some(Why::Definition)
            }
            Event::Policy(PolicyEvent::Changed(changed)) => {
                self.policies.contains(&(name.to_owned(), changed.version)).then_some(Why::Policy)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
