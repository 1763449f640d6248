//! `event.publish`.

use openclaw_core::published::Command;
use openclaw_log::EventLog;
use openclaw_model::{Event, StreamId, StreamKind, event::published::PublishedEvent, namespace};
use serde_json::{Value, json};

use super::{Service, reach};
use crate::rpc::{
    Error,
    context::CallContext,
    methods::event::{Publish, Published},
};

/// The source of events that come without one.
const SOURCE: &str = "urn:openclaw:api";

impl<L: EventLog> Service<L> {
    pub(super) async fn publish(&self, context: CallContext, params: Publish) -> Result<Published, Error> {
        let namespace = params.namespace.unwrap_or_else(|| reach::usual(&context));
        reach::admit(&context, &namespace)?;
        // Before an id is made up: the repetition of an event without one is the same event.
        if let Some(first) = self.recall(&context).await? {
            let Some(Event::Published(PublishedEvent::Published(published))) = first.events.first() else {
                return Err(Error::Internal);
            };
            let text = |name: &str| published.event[name].as_str().unwrap_or_default().to_owned();
            return Ok(Published {
                id: text("id"),
                source: text("source"),
                position: first.position,
                stream_version: first.stream_version,
            });
        }
        let mut event = params.event;
        event.entry("specversion").or_insert_with(|| json!("1.0"));
        let mut text = |name: &str, default: &dyn Fn() -> String| {
            let value = event.entry(name).or_insert_with(|| Value::String(default()));
            value.as_str().unwrap_or_default().to_owned()
        };
        let id = text("id", &|| self.ids.next().to_string());
        let source = text("source", &|| SOURCE.to_owned());
        let stream = stream(&namespace, &source, &id);
        let command = Command::Publish { event: Value::Object(event) };
        let accepted = self.submit(&context, stream, command, None).await?;
        Ok(Published { id, source, position: accepted.position, stream_version: accepted.stream_version })
    }
}

/// The stream of the event with this source and id. In another namespace it is another event.
fn stream(namespace: &str, source: &str, id: &str) -> StreamId {
    let mut hasher = blake3::Hasher::new();
    // The length tells where the source ends, whatever characters it has.
    hasher.update(&(source.len() as u64).to_be_bytes()).update(source.as_bytes()).update(id.as_bytes());
    let name = namespace::qualify(namespace, hasher.finalize().to_hex().as_str());
    StreamId::new(StreamKind::Event, &name).expect("a namespace and 64 hexadecimal digits are a name")
}
