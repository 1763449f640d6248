//! The typed form of what waits for events, of schedules and of extensions.

use std::{collections::BTreeMap, sync::Arc};

use openclaw_model::event::{
    run::Interest,
    schedule::{Missed, Overlap, Timetable},
};
use serde_json::Value;

use super::model::{Task, Tasks, Transform};
use crate::expression::{Expression, Template};

/// A `listen` task (dsl-reference, "Listen").
#[derive(Debug)]
pub struct Listen {
    /// Which events.
    pub consume: Consume,
    /// How they are read.
    pub read: Read,
    /// What happens with each.
    pub foreach: Option<ForEach>,
}

/// An event consumption strategy.
#[derive(Debug)]
pub struct Consume {
    /// How many of the filters have to be passed.
    pub mode: Mode,
    /// The filters; none for "any event".
    pub filters: Vec<Filter>,
    /// When to stop; only with [`Mode::Any`].
    pub until: Option<Until>,
}

impl Consume {
    /// What an event has to look like for any of the filters, those of `until` included, as far as that is known
    /// without the event. Empty if every event may pass.
    #[must_use]
    pub fn interests(&self) -> Vec<Interest> {
        let until = match &self.until {
            Some(Until::Consumed(consume)) => consume.interests(),
            _ => Vec::new(),
        };
        let anything = self.filters.is_empty() && self.mode == Mode::Any
            || matches!(&self.until, Some(Until::Consumed(consume)) if consume.filters.is_empty());
        if anything {
            return Vec::new();
        }
        self.filters.iter().map(|filter| filter.interest.clone()).chain(until).collect()
    }
}

/// How many filters have to be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The only one.
    One,
    /// One of them; without filters by any event. With `until` each event that passes is taken in until then.
    Any,
    /// Each of them, once.
    All,
}

/// When to stop taking in events.
#[derive(Debug)]
pub enum Until {
    /// When this holds; it is evaluated over the array of the events so far.
    Holds(Expression),
    /// When these events have come. They are no part of the output.
    Consumed(Box<Consume>),
}

/// An event filter.
#[derive(Debug)]
pub struct Filter {
    /// The attributes that are texts without expressions: the attribute equals the text, or matches it as a regular
    /// expression as a whole.
    pub interest: Interest,
    /// The other attributes. An expression is evaluated over the attribute's value; the event passes if it gives
    /// something true. Anything else has to be equal to the value.
    pub attributes: BTreeMap<String, Template>,
    /// Correlations by name.
    pub correlations: BTreeMap<String, Correlation>,
}

/// A correlation.
#[derive(Debug)]
pub struct Correlation {
    /// Takes the value out of the event; evaluated over the whole of it.
    pub from: Expression,
    /// What the value has to be, evaluated over the input of the task; the first value that was taken out if none.
    pub expect: Option<Template>,
}

/// How events are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Read {
    /// Their data.
    #[default]
    Data,
    /// The whole CloudEvent.
    Envelope,
    /// Their data as it came, which for data in base 64 is that text.
    Raw,
}

/// What a `listen` task does with each event.
#[derive(Debug)]
pub struct ForEach {
    /// Variable of the event, by default `item`.
    pub item: String,
    /// Variable of its index, by default `index`.
    pub at: String,
    /// The tasks; none if the event is only transformed.
    pub tasks: Option<Tasks>,
    /// Transformation and schema of what an event gives.
    pub output: Transform,
    /// Transformation and schema of the context it exports.
    pub export: Transform,
}

/// When a workflow is started by itself.
#[derive(Debug)]
pub struct Schedule {
    /// When.
    pub timetable: Timetable,
    /// The events, for [`Timetable::On`].
    pub on: Option<Consume>,
    /// `document.metadata.schedule.overlap`.
    pub overlap: Overlap,
    /// `document.metadata.schedule.missed`.
    pub missed: Missed,
    /// `document.metadata.schedule.input`.
    pub input: Value,
}

/// A task with tasks of extensions around it, its children in this order (dsl-reference, "Extension").
#[derive(Debug)]
pub struct Extended {
    /// One task with [`Body::Advice`](super::Body::Advice) for each extension. They get the raw input.
    pub before: Vec<Arc<Task>>,
    /// The task itself. It gets the raw input too.
    pub task: Arc<Task>,
    /// One task with [`Body::Advice`](super::Body::Advice) for each extension. They get the task's output.
    pub after: Vec<Arc<Task>>,
}

impl Extended {
    /// All children, in order.
    pub fn children(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.before.iter().chain([&self.task]).chain(&self.after)
    }
}
