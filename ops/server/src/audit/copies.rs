//! Copies of history as lines of JSON: the trail of one thing, and events by what they are about.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _};
use openclaw_audit::{
    cloudevents,
    trail::{About, Entry, Trail},
};
use openclaw_log::{EventLog, Frame, Frames, ReadError};
use openclaw_model::{Digest, Position, Recorded, RunId, SessionId, Version};
use serde::{Deserialize, Serialize};

/// Lines, without their breaks. They end after the first error.
pub(crate) type Lines = Pin<Box<dyn Stream<Item = Result<String, Error>> + Send>>;

/// Why there are no more lines.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What is asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    /// There is nothing of that name. `OC-AUD-011`.
    #[error("[OC-AUD-011] there is no event about {0}")]
    Nothing(String),
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(#[from] ReadError),
    /// The data of an event is not JSON.
    #[error("the data of position {0} is not JSON")]
    Data(Position),
}

/// What somebody wants to know everything about. Exactly one of the first four is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("about").required(true).args(["run", "session", "credential", "actor"])))]
pub(crate) struct TrailOf {
    /// A run, with its child runs.
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<RunId>,
    /// A session.
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// A credential.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<String>,
    /// Somebody, as events name them: token:NAME, user:NAME or runtime.
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// Nothing before this position.
    #[arg(long, value_name = "POSITION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<u64>,
    /// Nothing after this position.
    #[arg(long, value_name = "POSITION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<u64>,
}

/// Which events, and how they are written.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportOf {
    /// How a line looks: as `log export` writes it, or as a CloudEvent 1.0.
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    pub(crate) format: Format,
    /// Nothing before this position.
    #[arg(long, value_name = "POSITION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<u64>,
    /// Nothing after this position.
    #[arg(long, value_name = "POSITION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<u64>,
    /// Only of this stream, for example run/ID.
    #[arg(long, value_name = "STREAM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<String>,
    /// Only what this actor did.
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
}

/// How a line of an export looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// As `openclaw log export` writes it.
    #[default]
    Jsonl,
    /// CloudEvents 1.0 in their JSON format.
    Cloudevents,
}

impl TrailOf {
    /// What it is about.
    ///
    /// # Errors
    /// When it is not exactly one thing, or its name is none.
    pub(crate) fn about(&self) -> Result<About, Error> {
        let invalid = |text: &str| Error::Invalid(text.to_owned());
        match (&self.run, &self.session, &self.credential, &self.actor) {
            (Some(run), None, None, None) => Ok(About::Run(*run)),
            (None, Some(session), None, None) => {
                SessionId::new(session).map(About::Session).map_err(|error| Error::Invalid(error.to_string()))
            }
            (None, None, Some(credential), None) => {
                let (namespace, name) =
                    credential.split_once('/').ok_or_else(|| invalid("a credential is NAMESPACE/NAME"))?;
                Ok(About::Credential { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            (None, None, None, Some(actor)) => Ok(About::Actor(actor.clone())),
            _ => Err(invalid("name one of run, session, credential and actor")),
        }
    }
}

/// The trail of something, in order of position. Costs as much as reading the log from where it began; of an actor from
/// `from` on. All of a trail but an actor's is in memory at once.
///
/// # Errors
/// When there is no such thing.
pub(crate) async fn trail<L: EventLog>(log: &L, of: &TrailOf) -> Result<Lines, Error> {
    let about = of.about()?;
    let (from, to) = (of.from.unwrap_or(1), of.to.unwrap_or(u64::MAX));
    let Some(stream) = about.stream() else {
        return Ok(Box::pin(of_actor(log.read(Position(from.max(1))), about, to)));
    };
    let begins = match log.read_stream(&stream, Version(1)).next().await.transpose()? {
        Some(batch) => batch.first().map_or(Position::START, |event| event.position),
        None => return Err(Error::Nothing(about.text())),
    };
    let mut trail = Trail::new(about);
    let mut lines: Vec<(Position, String)> = Vec::new();
    let mut batches = log.read(begins);
    'all: while let Some(batch) = batches.next().await {
        for event in batch?.iter() {
            if event.position.0 > to {
                break 'all;
            }
            if let Some(why) = trail.admit(event)
                && event.position.0 >= from
            {
                lines.push((event.position, line(event, why)?));
            }
        }
    }
    for stream in trail.earlier().streams() {
        let mut batches = log.read_stream(&stream, Version(1));
        while let Some(batch) = batches.next().await {
            for event in batch?.iter().filter(|event| (from..=to).contains(&event.position.0)) {
                if let Some(why) = trail.earlier().admit(event) {
                    lines.push((event.position, line(event, why)?));
                }
            }
        }
    }
    lines.sort_by_key(|(position, _)| *position);
    Ok(Box::pin(futures_util::stream::iter(lines.into_iter().map(|(_, line)| Ok(line)))))
}

fn of_actor(
    mut batches: openclaw_log::Batches,
    about: About,
    to: u64,
) -> impl Stream<Item = Result<String, Error>> + Send {
    async_stream::stream! {
        let mut trail = Trail::new(about);
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    yield Err(error.into());
                    return;
                }
            };
            for event in batch.iter() {
                if event.position.0 > to {
                    return;
                }
                if let Some(why) = trail.admit(event) {
                    yield line(event, why);
                }
            }
        }
    }
}

fn line(event: &Recorded, why: openclaw_audit::trail::Why) -> Result<String, Error> {
    let entry = Entry::new(event, why).and_then(|entry| serde_json::to_string(&entry));
    entry.map_err(|_| Error::Data(event.position))
}

/// Events as lines, up to the head at the time of the call.
///
/// # Errors
/// When the stream has no such name.
pub(crate) async fn export<L: Frames>(log: &L, of: &ExportOf) -> Result<Lines, Error> {
    let first = Position(of.from.unwrap_or(1).max(1));
    let batches = match &of.stream {
        Some(stream) => {
            let stream = stream.parse().map_err(|error| Error::Invalid(format!("{stream}: {error}")))?;
            log.read_stream(&stream, Version(1))
        }
        None => log.read(first),
    };
    let source = match of.format {
        Format::Jsonl => String::new(),
        Format::Cloudevents => cloudevents::source(&log_id(log).await?),
    };
    Ok(Box::pin(written(batches, of.clone(), first, source)))
}

fn written(
    mut batches: openclaw_log::Batches,
    of: ExportOf,
    first: Position,
    source: String,
) -> impl Stream<Item = Result<String, Error>> + Send {
    async_stream::stream! {
        let to = Position(of.to.unwrap_or(u64::MAX));
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    yield Err(error.into());
                    return;
                }
            };
            for event in batch.iter() {
                if event.position > to {
                    return;
                }
                if event.position < first || of.actor.as_ref().is_some_and(|actor| *actor != event.actor.0) {
                    continue;
                }
                let line = match of.format {
                    Format::Jsonl => event.to_export(),
                    Format::Cloudevents => cloudevents::to_line(&source, event),
                };
                yield line.map_err(|_| Error::Data(event.position));
            }
        }
    }
}

/// Hash of the first frame, which tells logs apart; all zero for an empty log.
async fn log_id<L: Frames>(log: &L) -> Result<Digest, Error> {
    let first = log.frames(Position(1)).next().await.transpose()?;
    let read = first.and_then(|bytes| Frame::parse(&bytes, true).ok().map(|frame| frame.header.hash));
    Ok(read.unwrap_or(Digest([0; 32])))
}
