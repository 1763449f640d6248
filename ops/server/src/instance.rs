//! One running server: the shell, the application inside it, and their orderly end. `openclaw serve` runs one until a
//! signal; `openclaw run` one for the length of a run.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    net::{TcpListener, lookup_host},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    compose::{self, App},
    config::Config,
    data::Data,
    http::{self, Allowances, Attempts, Drained, Gate, Names, Shell, Times, Tls, tls::Hangups},
    metrics,
    token::Token,
};

/// Time that the application gets to end in any case, so that the log is closed even after a drain that took all of
/// its time.
const CLOSE_AT_LEAST: Duration = Duration::from_secs(5);

/// A running server.
pub(crate) struct Instance {
    url: String,
    token: Token,
    token_is_new: bool,
    data: Data,
    app: App,
    stopping: Arc<AtomicBool>,
    stop: CancellationToken,
    drain_time: Duration,
    serving: JoinSet<Drained>,
    upkeep: JoinSet<()>,
}

/// A listening socket and the name it goes by.
struct Bound {
    listener: TcpListener,
    host: String,
    address: SocketAddr,
}

impl Instance {
    /// Starts a server. When this returns it answers.
    ///
    /// # Errors
    /// With a code and what to do about it, for what an operator can do something about.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let data = Data::create(&config.data)
            .with_context(|| format!("the data directory {} cannot be used", config.data.display()))?;
        let (token, token_is_new) = Token::load_or_create(data.path())?;
        let tls = config.server.tls.as_ref().map(|tls| Tls::new(tls.files())).transpose()?;
        let bound = bind(config).await?;
        // There can be one recorder in a process, and tests start several servers.
        let recorder = metrics::install().ok();
        openclaw_gateway::rpc::metrics::describe();
        let allowances = Allowances::new(config.limits.allowance());
        let app = compose::build(config, &data, Gate::new(token.clone()), allowances).await?;

        let stopping = Arc::new(AtomicBool::new(false));
        let shell = Shell {
            gate: app.gate.clone(),
            names: Arc::new(Names::new(
                &bound.host,
                &config.server.allowed_hosts,
                &config.server.allowed_origins,
            )),
            attempts: Attempts::new(config.limits.strangers()),
            bodies: (config.limits.bodies_bytes, config.limits.body_bytes),
            body_time: config.server.body_time.0,
            metrics: recorder.clone(),
            readiness: Arc::clone(&app.readiness),
            stopping: Arc::clone(&stopping),
        };
        let times = Times {
            max_connections: config.server.max_connections,
            max_per_address: config.server.max_connections_per_address,
            header_time: config.server.header_time.0,
            write_time: config.server.write_time.0,
        };
        let router = shell.around(app.router.clone());
        let (stop, drain_time) = (CancellationToken::new(), config.server.drain_time.0);
        let mut serving = JoinSet::new();
        serving.spawn(http::serve(bound.listener, router, tls.clone(), times, stop.clone(), drain_time));
        let mut upkeep = JoinSet::new();
        if let Some(recorder) = recorder {
            upkeep.spawn(async move {
                let mut tick = interval(metrics::UPKEEP);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tick.tick().await;
                    recorder.run_upkeep();
                }
            });
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        if let Some(tls) = tls {
            upkeep.spawn(tls.keep_fresh(Hangups::listen()));
        }
        let url = format!("{scheme}://{}:{}", bound.host, bound.address.port());
        Ok(Self { url, token, token_is_new, data, app, stopping, stop, drain_time, serving, upkeep })
    }

    /// Where it answers, as it was configured.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its token, and whether it was made by this start.
    #[must_use]
    pub(crate) const fn token(&self) -> (&Token, bool) {
        (&self.token, self.token_is_new)
    }

    /// Its data directory.
    #[must_use]
    pub(crate) const fn data(&self) -> &Data {
        &self.data
    }

    /// Ends when serving has ended without being asked to, which it never does while all is well.
    pub(crate) async fn failed(&mut self) {
        self.serving.join_next().await;
    }

    /// Stops: takes nothing new, answers what has begun, closes the application. Whether all of it came to its end.
    pub(crate) async fn stop(mut self) -> bool {
        self.stopping.store(true, Ordering::Release);
        (self.app.release)();
        self.stop.cancel();
        let answered = matches!(self.serving.join_next().await, Some(Ok(Drained::Whole)) | None);
        let time = self.drain_time.max(CLOSE_AT_LEAST);
        let closed = timeout(time, self.app.drain()).await.is_ok();
        self.upkeep.shutdown().await;
        answered && closed
    }
}

/// Listens where the configuration says, unless what is said there could be read on the way.
async fn bind(config: &Config) -> anyhow::Result<Bound> {
    let listen = &config.server.listen;
    let (host, _) = listen
        .rsplit_once(':')
        .with_context(|| format!("[OC-CFG-002] `server.listen` is {listen:?}, not HOST:PORT"))?;
    let addresses: Vec<SocketAddr> = lookup_host(listen)
        .await
        .with_context(|| format!("[OC-CFG-002] `server.listen`: {listen} is no address"))?
        .collect();
    let readable = config.server.tls.is_none() && !config.server.insecure_plaintext;
    if readable && addresses.iter().any(|address| !address.ip().to_canonical().is_loopback()) {
        anyhow::bail!(
            "[OC-CFG-003] {listen} can be reached from other machines, and the server would speak plain HTTP. Give it a \
             certificate with server.tls; or listen at 127.0.0.1 behind something that speaks TLS; or, if that is on \
             another machine of a network you trust, say so with server.insecure_plaintext"
        );
    }
    let listener = TcpListener::bind(addresses.as_slice())
        .await
        .with_context(|| format!("[OC-CFG-004] cannot listen at {listen}"))?;
    let address = listener.local_addr().context("the listening socket has no address")?;
    Ok(Bound { listener, host: host.to_owned(), address })
}
