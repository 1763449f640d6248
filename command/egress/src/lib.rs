//! Connections to the outside: one decision, taken after the name is resolved, about the very address that is then
//! connected to.
//!
//! - [`Gate`] decides. Addresses that are not public are refused unless the configuration allows them by name.
//! - [`Clients`] is how the server itself sends HTTP: its calls, its webhooks, whatever comes. There is no other way to
//!   a connection, so none forgets to ask.
//! - [`Proxy`] is how a tool reaches the network: an HTTP proxy on a unix socket, for one job, that knows the job's
//!   allowlist and puts credentials in.
//!
//! Invariant: nothing is connected to that was not judged, as the address that it is, for the port that it is.

mod address;
mod clients;
mod destination;
mod gate;
mod metrics;
mod origin;
mod policy;
mod proxy;
mod record;
mod refusal;
mod resolve;
mod target;
mod tls;

pub use address::{Class, class};
pub use clients::{Clients, Options, SendError};
pub use destination::{Destination, Malformed};
pub use gate::{Admitted, Gate};
pub use metrics::describe as describe_metrics;
pub use origin::Origin;
pub use policy::Policy;
pub use proxy::{Grant, Injection, Limits, Permit, Proxies, Proxy};
pub use record::{Connection, Ended, NoRecorder, Recorder, Recording};
pub use refusal::{Error, Reason, Refused};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use target::Target;
