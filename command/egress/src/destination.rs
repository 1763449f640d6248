//! `HOST:PORT` as it stands in lists.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Host;

use crate::Target;

/// Where connections may lead, or may not: `api.example.com:443`, `*.example.com:443` (names below it, not itself),
/// `10.0.0.0/8:5432`, `[fd00::/8]:*`, `*:443`. The port is a number or `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    host: Pattern,
    /// None is all.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pattern {
    All,
    /// A name in its ASCII form, in lower case, without a dot at its end.
    Name(String),
    /// The names below this one.
    Below(String),
    /// The addresses that have these leading bits.
    Network {
        address: IpAddr,
        bits: u8,
    },
}

/// A text that is no destination. `OC-EGR-002`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "OC-EGR-002: {text:?} is no destination: {problem}; write HOST:PORT, for example api.example.com:443, 10.0.0.0/8:5432 or [::1]:*"
)]
pub struct Malformed {
    text: String,
    problem: &'static str,
}

impl Malformed {
    pub(crate) fn new(text: &str, problem: &'static str) -> Self {
        Self { text: text.into(), problem }
    }
}

impl Destination {
    /// This host at this port, or at all if there is none.
    ///
    /// # Errors
    /// [`Malformed`] if it is no host.
    pub fn new(host: &str, port: Option<u16>) -> Result<Self, Malformed> {
        let malformed = |problem| Malformed { text: host.into(), problem };
        if port == Some(0) {
            return Err(malformed("there is no port 0"));
        }
        Ok(Self { host: pattern(host).map_err(malformed)?, port })
    }

    /// Whether it is every host.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.host == Pattern::All
    }

    /// Whether it has the host as it is written.
    #[must_use]
    pub fn names(&self, target: &Target) -> bool {
        self.port.is_none_or(|port| port == target.port())
            && match (&self.host, target.host()) {
                (Pattern::All, _) => true,
                (Pattern::Name(name), Host::Domain(domain)) => name == domain,
                (Pattern::Below(parent), Host::Domain(domain)) => domain
                    .strip_suffix(parent.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                (Pattern::Network { .. }, Host::Ipv4(address)) => self.contains((*address).into()),
                (Pattern::Network { .. }, Host::Ipv6(address)) => self.contains((*address).into()),
                _ => false,
            }
    }

    /// Whether it has this address at this port, whatever name led there.
    #[must_use]
    pub fn has(&self, address: IpAddr, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && self.contains(address)
    }

    /// Whether everything that `other` has is here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.port.is_none_or(|port| other.port == Some(port))
            && match (&self.host, &other.host) {
                (Pattern::All, _) => true,
                (Pattern::Name(own), Pattern::Name(name)) => own == name,
                (Pattern::Below(parent), Pattern::Name(name) | Pattern::Below(name)) => {
                    let below = name.strip_suffix(parent.as_str());
                    below.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
                        || other.host == Pattern::Below(parent.clone())
                }
                (Pattern::Network { bits, .. }, Pattern::Network { address, bits: narrower }) => {
                    bits <= narrower && self.contains(*address)
                }
                _ => false,
            }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let Pattern::Network { address: network, bits } = &self.host else { return false };
        let differing = match (network, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(*bits)
    }
}

fn pattern(text: &str) -> Result<Pattern, &'static str> {
    if text == "*" {
        return Ok(Pattern::All);
    }
    if let Some(parent) = text.strip_prefix("*.") {
        return match host(parent)? {
            Host::Domain(name) => Ok(Pattern::Below(name)),
            _ => Err("there are no names below an address"),
        };
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Some((address, bits)) = bare.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| "a network begins with an address")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits =
            bits.parse().ok().filter(|bits| *bits <= most).ok_or("a network has no such number of bits")?;
        return Ok(Pattern::Network { address, bits });
    }
    Ok(match host(text)? {
        Host::Domain(name) => Pattern::Name(name),
        Host::Ipv4(address) => Pattern::Network { address: address.into(), bits: 32 },
        Host::Ipv6(address) => match IpAddr::from(address).to_canonical() {
            address @ IpAddr::V4(_) => Pattern::Network { address, bits: 32 },
            address => Pattern::Network { address, bits: 128 },
        },
    })
}

/// A host in the form in which hosts are compared.
pub(crate) fn host(text: &str) -> Result<Host<String>, &'static str> {
    if text.contains('*') {
        return Err("a star stands for a whole host, or for what is before a dot");
    }
    match Host::parse(text).map_err(|_| "that is no host")? {
        Host::Domain(mut name) => {
            if name.ends_with('.') {
                name.pop();
            }
            if name.is_empty() || name.ends_with('.') {
                Err("that is no host")
            } else {
                Ok(Host::Domain(name))
            }
        }
        address => Ok(address),
    }
}

impl FromStr for Destination {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = |problem| Malformed { text: text.into(), problem };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| malformed("there is no port"))?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(malformed("an IPv6 address stands in brackets"));
        }
        let port = match port {
            "*" => None,
            port => Some(port.parse().map_err(|_| malformed("the port is neither a number nor *"))?),
        };
        Self::new(host, port).map_err(|problem| malformed(problem.problem))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Pattern::All => f.write_str("*")?,
            Pattern::Name(name) => f.write_str(name)?,
            Pattern::Below(name) => write!(f, "*.{name}")?,
            Pattern::Network { address: IpAddr::V4(address), bits: 32 } => write!(f, "{address}")?,
            Pattern::Network { address: IpAddr::V6(address), bits: 128 } => write!(f, "[{address}]")?,
            Pattern::Network { address: IpAddr::V4(address), bits } => write!(f, "{address}/{bits}")?,
            Pattern::Network { address: IpAddr::V6(address), bits } => write!(f, "[{address}/{bits}]")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> Destination {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn target(text: &str) -> Target {
        let (host, port) = text.rsplit_once(':').expect("a port");
        Target::new(host, port.parse().expect("a number")).expect("a host")
    }

    #[test]
    fn destinations_are_read_as_they_are_shown() {
        for text in [
            "api.example.com:443",
            "*.example.com:443",
            "10.0.0.0/8:5432",
            "[fd00::/8]:*",
            "*:443",
            "127.0.0.1:*",
            "[::1]:80",
            "xn--bcher-kva.example:80",
        ] {
            assert_eq!(destination(text).to_string(), text);
        }
        assert_eq!(destination("BÜCHER.example.:80"), destination("xn--bcher-kva.example:80"));
        assert_eq!(destination("0x7f.1:80").to_string(), "127.0.0.1:80");
        assert_eq!(destination("[::ffff:127.0.0.1]:80").to_string(), "127.0.0.1:80");
    }

    #[test]
    fn what_is_no_destination_is_refused_with_its_text() {
        for text in [
            "",
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "::1:80",
            "*x.example:1",
            "a.*.b:1",
            "*.127.0.0.1:1",
            "10.0.0.0/33:1",
            "a/8:1",
            ":80",
            ".:80",
            "a b:80",
            "user@host:80",
        ] {
            let problem = text.parse::<Destination>().expect_err(text).to_string();
            assert!(problem.starts_with("OC-EGR-002") && problem.contains(&format!("{text:?}")), "{problem}");
        }
    }

    #[test]
    fn a_destination_has_the_hosts_that_it_names_and_no_others() {
        for (list, host) in [
            ("api.example.com:443", "api.example.com:443"),
            ("api.example.com:443", "API.example.com.:443"),
            ("*.example.com:443", "a.b.example.com:443"),
            ("10.0.0.0/8:*", "10.9.8.7:1"),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80"),
            ("*:443", "[2606:4700::1]:443"),
        ] {
            assert!(destination(list).names(&target(host)), "{list} {host}");
        }
        for (list, host) in [
            ("api.example.com:443", "api.example.com:80"),
            ("*.example.com:443", "example.com:443"),
            ("*.example.com:443", "badexample.com:443"),
            ("*.example.com:443", "example.com.evil.test:443"),
            ("10.0.0.0/8:*", "11.0.0.1:1"),
            ("10.0.0.0/8:*", "ten.example:1"),
            ("[fd00::/8]:*", "[fe80::1]:1"),
        ] {
            assert!(!destination(list).names(&target(host)), "{list} {host}");
        }
    }

    #[test]
    fn a_destination_covers_what_is_no_wider() {
        for (wide, narrow) in [
            ("*:*", "*.example.com:443"),
            ("*.example.com:*", "*.a.example.com:1"),
            ("*.example.com:*", "*.example.com:1"),
            ("*.example.com:*", "a.example.com:*"),
            ("10.0.0.0/8:*", "10.1.0.0/16:80"),
        ] {
            assert!(destination(wide).covers(&destination(narrow)), "{wide} {narrow}");
            assert!(!destination(narrow).covers(&destination(wide)), "{narrow} {wide}");
        }
        assert!(!destination("*.example.com:*").covers(&destination("example.com:*")));
        assert!(!destination("a.example:80").covers(&destination("a.example:*")));
    }
}
