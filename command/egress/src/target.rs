//! Where a connection is wanted to.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::{Malformed, destination};

/// A host, as it is written, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    host: Host<String>,
    port: u16,
}

impl Target {
    /// Reads a host in any form that a URL may have it in: names of any script, IPv4 in decimal, octal and hexadecimal,
    /// percent-encoded, IPv6 in brackets.
    ///
    /// # Errors
    /// If it is no host.
    pub fn new(host: &str, port: u16) -> Result<Self, Malformed> {
        let read = destination::host(host).map_err(|problem| Malformed::new(host, problem))?;
        Ok(Self { host: read, port })
    }

    /// Where `url` leads; none for a URL that leads nowhere.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        Self::new(url.host_str()?, url.port_or_known_default()?).ok()
    }

    /// The host in the form in which it is compared: a name in ASCII, in lower case and without a dot at its end.
    #[must_use]
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, if the host is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some((*address).into()),
            Host::Ipv6(address) => Some((*address).into()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
