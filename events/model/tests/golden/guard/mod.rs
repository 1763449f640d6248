//! What guards the server: one file per family.

mod access;
mod audit;
mod credential;
mod egress;
mod policy;
mod vault;

use openclaw_model::{Event, event::PolicyEvent};

pub(crate) fn types() -> Vec<&'static str> {
    let mut types =
        [audit::TYPES, credential::TYPES, egress::TYPES, vault::TYPES, PolicyEvent::TYPES].concat();
    types.extend(access::types());
    types
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let mut samples =
        [audit::samples(), credential::samples(), egress::samples(), vault::samples(), policy::samples()]
            .concat();
    samples.extend(access::samples());
    samples
}
