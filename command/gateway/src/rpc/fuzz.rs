//! The readers of foreign bytes, for the fuzz targets in `tests/fuzz`. No part of the surface.

use axum::body::Body;
use futures_util::FutureExt as _;
use http::HeaderMap;
use serde_json::{Value, value::RawValue};

use super::{
    envelope, events, json,
    limits::Limits,
    methods::{approval, control, event, fork, run, session, webhook, workflow},
    params,
};

/// Reads a message as dispatch does: its syntax, its batch, each envelope, and the params of the methods with the most
/// involved ones.
///
/// # Panics
/// When what dispatch relies on does not hold.
pub fn message(text: &str) {
    let limits = Limits::default();
    if json::check(text, limits.depth).is_err() {
        return;
    }
    assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "what was checked is JSON");
    let text = text.trim();
    let calls = match text.starts_with('[') {
        true => serde_json::from_str::<Vec<&RawValue>>(text).expect("what was checked is a list"),
        false => vec![serde_json::from_str::<&RawValue>(text).expect("what was checked is JSON")],
    };
    for call in calls.into_iter().take(limits.batch) {
        match envelope::read(call.get()) {
            Ok(call) => {
                // The id is put into the answer as it came.
                if let Some(id) = call.id {
                    assert!(
                        serde_json::from_str::<Value>(id).is_ok_and(|id| !id.is_object() && !id.is_array())
                    );
                }
                read_params(call.params);
            }
            Err(malformed) => {
                assert!(serde_json::from_str::<Value>(malformed.id).is_ok(), "the id is echoed")
            }
        }
    }
}

fn read_params(text: Option<&str>) {
    macro_rules! each {
        ($($params:ty),*) => { $(if let Ok(params) = params::read::<$params>(text) { let _ = params::digest(&params); })* };
    }
    each!(
        workflow::Register,
        run::Start,
        run::Signal,
        control::Reconcile,
        fork::Fork,
        approval::Decide,
        event::Publish,
        webhook::Register,
        session::Message,
        session::SetState
    );
}

/// Reads the body of `POST /events` as the content type and the headers say.
///
/// # Panics
/// When an event could say more than one event.
pub fn cloud_events(headers: &HeaderMap, body: &[u8]) {
    let limits = Limits::default();
    let reading = events::read(headers, Body::from(body.to_vec()), limits.body_bytes);
    let read = reading.now_or_never().expect("a body in memory is there at once");
    let Ok(read) = read else { return };
    for call in read.calls() {
        // It may still be refused, for its depth or a key that stands twice; but if it is one call, it is this one.
        if json::check(&call, limits.depth).is_ok() {
            let call = envelope::read(&call).expect("the call is ours");
            assert_eq!((call.method.as_str(), call.id), ("event.publish", Some("0")));
            read_params(call.params);
        }
    }
}
