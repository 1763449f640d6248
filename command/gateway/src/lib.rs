//! The JSON-RPC surface and the sequencer, the only door into the log.

pub mod access;
pub mod approvals;
pub mod definitions;
pub mod ends;
pub mod homes;
pub mod metrics;
pub mod policies;
pub mod rpc;
pub mod runs;
pub mod sequencer;
pub mod service;
pub mod webhooks;

pub use access::Access;
pub use definitions::Definitions;
pub use ends::Ends;
pub use homes::{Homes, Whereabouts};
pub use policies::Policies;
pub use sequencer::Sequencer;
pub use service::Service;
