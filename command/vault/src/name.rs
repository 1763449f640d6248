//! What credentials are called.

use std::fmt;

use openclaw_model::access::is_namespace;
use openclaw_ports::secrets::is_name;

use crate::error::Error;

/// A namespace and a name in it, `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    namespace: String,
    name: String,
}

impl Name {
    /// Longest text of a name, in bytes: a namespace, `/`, and a name.
    pub const MAX_BYTES: usize = 63 + 1 + 128;

    /// A name in a namespace.
    ///
    /// # Errors
    /// [`Error::BadName`] if the namespace is none or the name is not what [`is_name`] asks for.
    pub fn new(namespace: &str, name: &str) -> Result<Self, Error> {
        if is_namespace(namespace) && is_name(name) {
            Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
        } else {
            Err(Error::BadName)
        }
    }

    /// Reads `NAMESPACE/NAME`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        Self::new(namespace, name).ok()
    }

    /// Which namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Which of it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
