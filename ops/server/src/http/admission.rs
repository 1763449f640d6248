//! `Host` and `Origin`: a web page of somebody else must not reach a server on this machine, neither directly nor by
//! pointing a name of its own here (DNS rebinding).

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{StatusCode, Uri, header, uri::Authority};

use super::answer::refuse;

/// The names that the server answers to and the pages that may use it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Lower case, without port: good with any port.
    hosts: BTreeSet<String>,
    /// Lower case, with port.
    authorities: BTreeSet<String>,
    /// Lower case, `scheme://host[:port]`.
    origins: BTreeSet<String>,
}

impl Names {
    /// The loopback names, the host that is listened at, and what is configured.
    #[must_use]
    pub(crate) fn new(listen_host: &str, hosts: &[String], origins: &[String]) -> Self {
        let mut names = Self::default();
        let own = match listen_host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => listen_host.to_owned(),
        };
        for host in ["localhost", "127.0.0.1", "[::1]", own.as_str()]
            .into_iter()
            .chain(hosts.iter().map(String::as_str))
        {
            let host = host.to_ascii_lowercase();
            match host.parse::<Authority>() {
                Ok(authority) if authority.port().is_some() => names.authorities.insert(host),
                _ => names.hosts.insert(host),
            };
        }
        names.origins =
            origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect();
        names
    }

    fn knows(&self, authority: &Authority) -> bool {
        // User information has no business in a host.
        !authority.as_str().contains('@')
            && (self.hosts.contains(&authority.host().to_ascii_lowercase())
                || self.authorities.contains(&authority.as_str().to_ascii_lowercase()))
    }

    /// Whether a page of `origin` may use the server under the name `host`: its own pages, and those configured.
    fn welcomes(&self, origin: &str, host: &Authority) -> bool {
        let origin = origin.to_ascii_lowercase();
        let Ok(uri) = origin.parse::<Uri>() else { return false };
        let same = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host.as_str()))
            && matches!(uri.path(), "" | "/");
        same || self.origins.contains(&origin)
    }
}

/// Lets a request pass whose host and origin are known.
pub(super) async fn check(State(names): State<Arc<Names>>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let target = request.uri().authority();
    let known = hosts.next().is_none()
        && host.as_ref().is_some_and(|host| names.knows(host))
        && target.is_none_or(|target| names.knows(target));
    let Some(host) = host.filter(|_| known) else {
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "OC-HTTP-002",
            "not a name of this server; add it to server.allowed_hosts if it should be",
        );
    };
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let welcome = origins.all(|origin| origin.to_str().is_ok_and(|origin| names.welcomes(origin, &host)));
    if !welcome {
        return refuse(
            StatusCode::FORBIDDEN,
            "OC-HTTP-003",
            "not a page of this server; add its origin to server.allowed_origins if it should be",
        );
    }
    next.run(request).await
}
