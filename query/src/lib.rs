//! What you may ask: GraphQL over HTTP and, with subscriptions, over WebSocket.
//!
//! There is no mutation: whatever changes something is a command. Every answer says up to which position of the
//! log it is good, and a question can demand a position.
//!
//! Invariant: a question is bounded before it is worked on: its bytes, tokens and nesting before it is parsed, its
//! cost before it is executed, its time in the database while it runs.

mod access;
mod caller;
mod cursor;
mod door;
mod fault;
#[doc(hidden)]
pub mod fuzz;
mod guard;
mod history;
mod homes;
mod http;
mod lasting;
mod metrics;
mod read;
mod root;
mod scalar;
mod subscription;
mod ws;

use std::sync::Arc;

use async_graphql::{EmptyMutation, Schema};
use openclaw_model::Timestamp;
use openclaw_projection::Views;

pub use caller::{Authenticate, Caller};
pub use door::{Ask, Door, OnRefusal, Place};
pub use fault::Code;
pub use history::History;
pub use http::{guarded_router, router};
pub use lasting::Lasting;

/// What the answers are made of.
#[derive(Clone)]
pub struct Deps {
    /// The rows.
    pub views: Views,
    /// The log they are made from.
    pub history: Arc<dyn History>,
    /// Now, for windows of time that end now.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Version of the program.
    pub version: &'static str,
}

/// The schema with what its resolvers need.
pub(crate) type QuerySchema = Schema<root::Query, EmptyMutation, subscription::Subscription>;

/// Builds the schema.
#[must_use]
pub(crate) fn schema(deps: Deps) -> QuerySchema {
    Schema::build(root::Query::default(), EmptyMutation, subscription::Subscription::default())
        .data(deps)
        .data(read::moment::Folding::default())
        .data(homes::Homes::default())
        .limit_recursive_depth(guard::MAX_NESTING)
        .limit_directives(guard::MAX_DIRECTIVES)
        .disable_suggestions()
        .finish()
}

/// The schema in its definition language, as checked in.
#[must_use]
pub fn sdl() -> String {
    let sorted =
        async_graphql::SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    Schema::build(root::Query::default(), EmptyMutation, subscription::Subscription::default())
        .finish()
        .sdl_with_options(sorted)
}
