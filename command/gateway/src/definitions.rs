//! Finding and compiling workflow definitions.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::StreamExt;
use lru::LruCache;
use openclaw_core::{
    Decider,
    workflow::{State, Workflow},
};
use openclaw_log::EventLog;
use openclaw_model::{
    Digest, Event, StreamId, StreamKind, Version,
    event::{run::WorkflowRef, workflow::WorkflowEvent},
};
use openclaw_workflow::{
    definition::{self, NoResources, Problem, RecordedResources, Resources},
    stepper::Program,
};
use serde_json::Value;

use crate::sequencer::Refused;

/// Compiled definitions that are kept.
const PROGRAMS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// Workflows whose versions are kept.
const WORKFLOWS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Why there is no definition.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Missing {
    /// No such workflow, version, or none that may be started.
    #[error("there is no workflow {0} that may be started")]
    NotFound(String),
    /// It was stored and does not load any more; a newer program wrote it.
    #[error("the definition does not load: {0}")]
    Broken(String),
    /// The log could not be read.
    #[error(transparent)]
    Unreadable(#[from] Refused),
}

impl Missing {
    /// There is no such workflow, or no such version, that may be started.
    #[must_use]
    pub fn not_found(namespace: &str, name: &str, version: Option<&str>) -> Self {
        Self::NotFound(match version.filter(|version| *version != "latest") {
            Some(version) => format!("{namespace}/{name}:{version}"),
            None => format!("{namespace}/{name}"),
        })
    }
}

/// Definitions by reference, compiled once.
///
/// Invariant: a definition that is recorded is compiled with the texts that were recorded with it, never with those that
/// its files have now.
pub struct Definitions<L> {
    log: Arc<L>,
    resources: Arc<dyn Resources + Send + Sync>,
    programs: Mutex<LruCache<Digest, Arc<Program>>>,
    versions: Mutex<LruCache<StreamId, (Version, Arc<State>)>>,
}

/// The stream of all versions of a workflow.
///
/// # Errors
/// When the names do not make a stream id.
pub fn stream(namespace: &str, name: &str) -> Result<StreamId, openclaw_model::id::InvalidId> {
    StreamId::new(StreamKind::Workflow, &format!("{namespace}/{name}"))
}

impl<L: EventLog> Definitions<L> {
    /// Reads from `log`. New documents may refer to no files.
    #[must_use]
    pub fn new(log: Arc<L>) -> Self {
        let programs = Mutex::new(LruCache::new(PROGRAMS));
        let versions = Mutex::new(LruCache::new(WORKFLOWS));
        Self { log, resources: Arc::new(NoResources), programs, versions }
    }

    /// New documents may refer to files of `resources`.
    #[must_use]
    pub fn with_resources(self, resources: Arc<dyn Resources + Send + Sync>) -> Self {
        Self { resources, ..self }
    }

    /// The files that new documents may refer to.
    #[must_use]
    pub fn resources(&self) -> Arc<dyn Resources + Send + Sync> {
        self.resources.clone()
    }

    /// Compiles a new document.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(&self, document: Value) -> Result<Arc<Program>, Vec<Problem>> {
        let definition = definition::from_value_with(document, &*self.resources)?;
        Ok(self.keep(Program::new(Arc::new(definition))))
    }

    /// Compiles a document that was recorded with the texts of its files.
    fn recorded(
        &self,
        document: Value,
        resources: &BTreeMap<String, String>,
    ) -> Result<Arc<Program>, Missing> {
        let definition = definition::from_value_with(document, &RecordedResources(resources));
        Ok(self.keep(Program::new(Arc::new(definition.map_err(broken)?))))
    }

    /// Compiles the YAML or JSON text of a new document.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile_text(&self, text: &str) -> Result<Arc<Program>, Vec<Problem>> {
        let definition = definition::load_with(text, definition::Format::Auto, &*self.resources)?;
        Ok(self.keep(Program::new(Arc::new(definition))))
    }

    fn keep(&self, program: Program) -> Arc<Program> {
        let digest = program.definition().digest;
        let program = Arc::new(program);
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.get_or_insert(digest, || program).clone()
    }

    fn kept(&self, digest: Digest) -> Option<Arc<Program>> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }

    /// The registered workflow that may be started under this reference. No version, or `latest`, means the highest
    /// by semantic versioning that is not retired.
    ///
    /// # Errors
    /// See [`Missing`].
    pub async fn startable(
        &self,
        namespace: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<(WorkflowRef, Arc<Program>), Missing> {
        let wanted = version.filter(|version| *version != "latest");
        let missing = || Missing::not_found(namespace, name, wanted);
        let stream = stream(namespace, name).map_err(|_| missing())?;
        let versions = self.versions(&stream).await?;
        let startable = versions.versions.iter().filter(|(_, registered)| !registered.retired);
        let found = match wanted {
            Some(wanted) => startable.into_iter().find(|(version, _)| *version == wanted),
            None => startable.max_by_key(|(version, _)| semver::Version::parse(version).ok()),
        };
        let (version, registered) = found.ok_or_else(missing)?;
        let reference = WorkflowRef {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            version: version.clone(),
            digest: registered.digest,
        };
        let program = self.registered(&stream, registered.digest, registered.at).await?;
        Ok((reference, program))
    }

    /// The program that a run executes: of its inline document with the texts of its files, or of the registered
    /// version, retired or not.
    ///
    /// # Errors
    /// See [`Missing`].
    pub async fn of_run(
        &self,
        reference: &WorkflowRef,
        inline: Option<&Value>,
        resources: &BTreeMap<String, String>,
    ) -> Result<Arc<Program>, Missing> {
        if let Some(program) = self.kept(reference.digest) {
            return Ok(program);
        }
        if let Some(document) = inline {
            return self.recorded(document.clone(), resources);
        }
        let missing =
            || Missing::NotFound(format!("{}/{}:{}", reference.namespace, reference.name, reference.version));
        let stream = stream(&reference.namespace, &reference.name).map_err(|_| missing())?;
        let versions = self.versions(&stream).await?;
        let registered = versions.versions.get(&reference.version).ok_or_else(missing)?;
        self.registered(&stream, reference.digest, registered.at).await
    }

    async fn registered(
        &self,
        stream: &StreamId,
        digest: Digest,
        at: Version,
    ) -> Result<Arc<Program>, Missing> {
        if let Some(program) = self.kept(digest) {
            return Ok(program);
        }
        let mut history = self.log.read_stream(stream, at);
        let recorded = match history.next().await {
            Some(batch) => batch.map_err(Refused::from)?.first().cloned(),
            None => None,
        };
        let event = recorded
            .ok_or_else(|| Missing::NotFound(stream.to_string()))?
            .decode()
            .map_err(|error| Refused::Unreadable(error.to_string()))?;
        match event {
            Event::Workflow(WorkflowEvent::Registered(registered)) if registered.digest == digest => {
                self.recorded(registered.definition, &registered.resources)
            }
            _ => Err(Missing::Broken(format!("{stream} has another definition at version {at}"))),
        }
    }

    /// All versions of a workflow, folded; from memory if its stream has not grown.
    async fn versions(&self, stream: &StreamId) -> Result<Arc<State>, Refused> {
        let Some(head) = self.log.stream_head(stream)? else { return Ok(Arc::default()) };
        if let Some((version, state)) =
            self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(stream)
            && *version == head.version
        {
            return Ok(state.clone());
        }
        let mut state = State::default();
        let mut newest = Version::NONE;
        let mut history = self.log.read_stream(stream, Version(1));
        while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                let event = recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?;
                if let Event::Workflow(event) = &event {
                    Workflow::evolve(&mut state, event, recorded.version, recorded.at);
                }
                newest = recorded.version;
            }
        }
        let state = Arc::new(state);
        self.versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(stream.clone(), (newest, state.clone()));
        Ok(state)
    }
}

impl<L> fmt::Debug for Definitions<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definitions").finish_non_exhaustive()
    }
}

fn broken(problems: Vec<Problem>) -> Missing {
    Missing::Broken(problems.first().map_or_else(String::new, |problem| problem.message.clone()))
}

#[cfg(test)]
mod tests {
    use openclaw_log::MemoryLog;
    use serde_json::json;

    use super::*;

    /// One file, with this text.
    struct Proto(&'static str);

    impl Resources for Proto {
        fn read(&self, _: &str) -> Result<String, String> {
            Ok(self.0.to_owned())
        }
    }

    fn definitions(text: &'static str) -> Definitions<MemoryLog> {
        Definitions::new(Arc::new(MemoryLog::default())).with_resources(Arc::new(Proto(text)))
    }

    #[tokio::test]
    async fn a_run_keeps_the_files_that_it_was_started_with() {
        let document = json!({
            "document": { "dsl": "1.0.3", "namespace": "t", "name": "t", "version": "1.0.0" },
            "do": [{ "a": { "call": "grpc", "with": {
                "proto": { "endpoint": "file:///a.proto" },
                "service": { "name": "s", "host": "localhost" },
                "method": "m",
            } } }],
        });
        let program = definitions("as it was").compile(document.clone()).expect("it is valid");
        let definition = program.definition();
        let reference = WorkflowRef {
            namespace: "t".into(),
            name: "t".into(),
            version: "1.0.0".into(),
            digest: definition.digest,
        };
        let later = definitions("as it is now");
        let again = later.of_run(&reference, Some(&document), &definition.resources).await;
        let again = again.expect("what was recorded loads");
        assert_eq!(again.definition().digest, definition.digest);
        assert_eq!(again.definition().resources["file:///a.proto"], "as it was");
        let started_now = later.compile(document).expect("it is valid");
        assert_ne!(started_now.definition().digest, definition.digest);
    }
}
