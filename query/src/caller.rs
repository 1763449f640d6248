//! Who asks. Deciding that is the server's business; this crate refuses whoever it has not decided on.

use std::{fmt, sync::Arc};

use openclaw_model::access::Grants;

/// Somebody who was authenticated. The server puts it into the extensions of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who, as the log names it: `token:NAME` or `user:NAME`.
    pub name: String,
    /// What it may do. From the server's own records, never from the caller.
    pub grants: Arc<Grants>,
}

type Decide = dyn Fn(Option<&str>) -> Option<Caller> + Send + Sync;

/// Decides on the value of an `Authorization` header as it was sent, for example `Bearer abc`; none when there was
/// none.
#[derive(Clone)]
pub struct Authenticate(Arc<Decide>);

impl Authenticate {
    /// Decides with `decide`, which answers none to refuse.
    pub fn new(decide: impl Fn(Option<&str>) -> Option<Caller> + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    pub(crate) fn decide(&self, authorization: Option<&str>) -> Option<Caller> {
        (self.0)(authorization)
    }
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticate")
    }
}
