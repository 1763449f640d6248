//! What tells one command from another, and which version of its stream it is meant for.

use openclaw_model::{Actor, CommandId};

use crate::{
    rpc::context::{CallContext, ExpectedVersion},
    sequencer::Expected,
};

pub(super) fn expected(context: &CallContext) -> Expected {
    match context.expected {
        ExpectedVersion::Any => Expected::Any,
        ExpectedVersion::None => Expected::NoStream,
        ExpectedVersion::Exact(version) => Expected::Exact(version),
    }
}

/// The id of the command that `actor` sends under `key`: the same for a repetition.
#[must_use]
pub fn keyed_command(actor: &Actor, key: &str) -> CommandId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(actor.0.as_bytes()).update(&[0]).update(key.as_bytes());
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    CommandId(id)
}
