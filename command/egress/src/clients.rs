//! How the server itself sends HTTP.

use std::{
    error::Error as _,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use reqwest::{Client, Request, Response, dns, redirect};

use crate::{Error, Gate, Malformed, Origin, Refused, Target, tls};

/// Clients that are kept, each with the connections that it has open.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest time until there is a connection, with the lookup of the name.
    pub connect: Duration,
    /// Longest time until the whole answer is there.
    pub total: Duration,
    /// Speak HTTP/2 from the first byte.
    pub http2: bool,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The gate refuses the connection. Recorded.
    #[error(transparent)]
    Refused(Refused),
    /// The URL has no host.
    #[error(transparent)]
    NoHost(Malformed),
    /// No client can be made.
    #[error("no HTTP client can be made: {0}")]
    NoClient(String),
    /// It was tried.
    #[error(transparent)]
    Failed(reqwest::Error),
}

/// Sends HTTP requests through the gate, over shared connections. It follows no redirect, knows no credentials and takes
/// no proxy from the environment.
///
/// One client per port, because a client tells its resolver the name and not the port, and the decision needs both.
#[derive(Debug)]
pub struct Clients {
    gate: Gate,
    options: Options,
    by_port: Mutex<LruCache<u16, Client>>,
}

/// Looks names up for the connections to one port, and gives out only addresses that may be connected to.
#[derive(Debug)]
struct Judging {
    gate: Gate,
    port: u16,
}

impl dns::Resolve for Judging {
    fn resolve(&self, name: dns::Name) -> dns::Resolving {
        let (gate, port) = (self.gate.clone(), self.port);
        Box::pin(async move {
            let target = Target::new(name.as_str(), port).map_err(Error::from)?;
            let admitted = gate.admit(&target).await?;
            let addresses = admitted.into_iter().map(|admitted| SocketAddr::new(admitted.address.ip(), port));
            Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as dns::Addrs)
        })
    }
}

impl Clients {
    /// Connects to nothing, and reads nothing.
    #[must_use]
    pub fn new(gate: Gate, options: Options) -> Self {
        Self { gate, options, by_port: Mutex::new(LruCache::new(KEPT)) }
    }

    /// The same gate with other options.
    #[must_use]
    pub fn with(&self, options: Options) -> Self {
        Self::new(self.gate.clone(), options)
    }

    /// Sends `request`. Redirects are answers: whoever follows one sends another request, which is judged like any.
    ///
    /// # Errors
    /// [`SendError`]; a refusal is recorded as of the current [`Origin`].
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        let sent = self.try_send(request).await;
        if let Err(SendError::Refused(refused)) = &sent {
            self.gate.denied("server", Origin::current(), refused).await;
        }
        sent
    }

    async fn try_send(&self, request: Request) -> Result<Response, SendError> {
        let url = request.url();
        let target = Target::of(url)
            .ok_or_else(|| SendError::NoHost(Malformed::new(url.scheme(), "the URL has no host")))?;
        // A host that is an address is never resolved, so the resolver does not see it.
        self.gate.check(&target).map_err(SendError::Refused)?;
        let client = self.client(target.port()).map_err(SendError::NoClient)?;
        client.execute(request).await.map_err(|error| match refusal(&error) {
            Some(refused) => SendError::Refused(refused.clone()),
            None => SendError::Failed(error.without_url()),
        })
    }

    fn client(&self, port: u16) -> Result<Client, String> {
        let mut clients = self.by_port.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&port) {
            return Ok(client.clone());
        }
        let client = self.connect(port)?;
        clients.put(port, client.clone());
        Ok(client)
    }

    fn connect(&self, port: u16) -> Result<Client, String> {
        let Options { connect, total, http2 } = self.options;
        let mut tls = tls::config()?;
        let protocols: &[&[u8]] = if http2 { &[b"h2"] } else { &[b"h2", b"http/1.1"] };
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let builder = Client::builder()
            .user_agent(concat!("openclaw/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect)
            .timeout(total)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Judging { gate: self.gate.clone(), port }));
        let builder = if http2 { builder.http2_prior_knowledge() } else { builder };
        builder.build().map_err(|error| error.to_string())
    }
}

/// The gate's refusal, which comes back as the cause of a failure to connect.
fn refusal(error: &reqwest::Error) -> Option<&Refused> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(Error::Refused(refused)) = cause.downcast_ref::<Error>() {
            return Some(refused);
        }
        source = cause.source();
    }
    None
}
