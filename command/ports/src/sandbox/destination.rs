//! Where a process may connect to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A host and a port: `api.example.com:443`, `*.example.com:443`, `192.0.2.7:80`, `[2001:db8::1]:443`, `host:*`, `*:443`.
///
/// `*.example.com` is every name below `example.com` and not `example.com` itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    /// Lower case, without brackets and without a dot at the end.
    host: String,
    /// None is every port.
    port: Option<u16>,
}

/// A text that is no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no destination: write host:port, *.domain:port, [address]:port, with * for every port")]
pub struct NoDestination(String);

impl Destination {
    /// The host, or the pattern for hosts.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; none is every port.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether a connection to `host`, a name or an address, and `port` is meant.
    #[must_use]
    pub fn matches(&self, host: &str, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && covers(&self.host, &plain(host))
    }

    /// Whether everything that `other` means is meant by this, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        (self.port.is_none() || self.port == other.port) && covers(&self.host, &other.host)
    }
}

/// Whether the pattern `wide` means everything that the name or pattern `narrow` does.
fn covers(wide: &str, narrow: &str) -> bool {
    if wide == "*" || wide == narrow {
        return true;
    }
    wide.strip_prefix('*').is_some_and(|below| {
        // `*.a.b` is below `.b`, and so is `x.b`; `.b` alone and `*` are not.
        narrow.strip_prefix('*').unwrap_or(narrow).ends_with(below) && narrow.len() > below.len()
    })
}

fn plain(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl FromStr for Destination {
    type Err = NoDestination;

    fn from_str(text: &str) -> Result<Self, NoDestination> {
        let wrong = || NoDestination(text.into());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = match port {
            "*" => None,
            number => Some(number.parse().ok().filter(|&port| port != 0).ok_or_else(wrong)?),
        };
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let host = plain(host);
        let name = host.strip_prefix("*.").unwrap_or(&host);
        let good = if bracketed {
            name.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            host == "*" || (!name.is_empty() && name.split('.').all(is_label))
        };
        if good { Ok(Self { host, port }) } else { Err(wrong()) }
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:", self.host) } else { write!(f, "{}:", self.host) }?;
        match self.port {
            Some(port) => write!(f, "{port}"),
            None => f.write_str("*"),
        }
    }
}

impl TryFrom<String> for Destination {
    type Error = NoDestination;

    fn try_from(text: String) -> Result<Self, NoDestination> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Destination {
        text.parse().unwrap()
    }

    #[test]
    fn a_destination_is_read_and_written_alike() {
        for text in ["a.example:443", "*.example:80", "*:*", "192.0.2.1:1", "[2001:db8::1]:443", "h_1:*"] {
            assert_eq!(of(text).to_string(), text);
        }
        assert_eq!(of("API.Example.com.:443"), of("api.example.com:443"));
        for text in
            ["", "a", ":80", "a:", "a:0", "a:65536", "*a:1", "a.*.b:1", "::1:80", "[a]:1", "a b:1", "a..b:1"]
        {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_for_names_below_and_not_for_look_alikes() {
        let below = of("*.example.com:443");
        assert!(below.matches("a.example.com", 443) && below.matches("B.a.Example.com.", 443));
        for (host, port) in
            [("example.com", 443), ("badexample.com", 443), ("a.example.com", 80), (".example.com", 443)]
        {
            assert!(!below.matches(host, port), "{host}:{port}");
        }
        assert!(of("[::1]:*").matches("[::1]", 9) && of("*:5").matches("10.0.0.1", 5));
    }

    #[test]
    fn what_a_narrower_one_means_is_covered() {
        for (wide, narrow) in [("*:*", "a:1"), ("*.b:1", "*.a.b:1"), ("*.b:*", "x.b:*"), ("a:1", "a:1")] {
            assert!(of(wide).covers(&of(narrow)), "{wide} {narrow}");
            assert!(wide == narrow || !of(narrow).covers(&of(wide)), "{narrow} {wide}");
        }
        assert!(
            !of("*.b:1").covers(&of("*:1"))
                && !of("a:1").covers(&of("a:*"))
                && !of("*.b:1").covers(&of("b:1"))
        );
    }
}
