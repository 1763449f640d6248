//! The composition root: the one place that knows every adapter and ties them to the parts that ask for them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use openclaw_egress::{Gate as EgressGate, Proxies};
use openclaw_gateway::{
    Access, Definitions, Ends, Policies, Sequencer, Service, access, rpc::Rpc, sequencer::Room,
    service::Shown,
};
use openclaw_log::{EventLog, Health};
use openclaw_ports::{Clock, Secrets};
use openclaw_projection::{Projector, Status, Views};
use openclaw_runtime::{
    OpenRuns, Parts, Runtime,
    effects::{
        ContainerEffects, HttpEffects, OwnEffects, ProcessEffects, RuntimeEffects, http, process::Network,
    },
    egress::EgressLog,
    evaluator::{JqEvaluator, WorkerCommand},
    webhooks::{self, Registered, Webhooks},
};
use openclaw_sandbox::Machine;
use openclaw_sled::SledLog;
use openclaw_workflow::{expression::Evaluator, stepper};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    audit::{self, Copies, Signer},
    config::Config,
    data::Data,
    http::{Allowances, Gate, Readiness},
    resources::Directory,
    secrets::FileSecrets,
    vault::{self, Keeper, Source, VaultSecrets},
    world::{RandomIds, SystemClock},
};

/// The application inside the shell.
pub(crate) struct App {
    /// `/rpc`, `/graphql` and `/graphql/ws`, without authentication.
    pub(crate) router: Router,
    /// Who may come in.
    pub(crate) gate: Gate,
    /// Why it is not ready; nothing if it is.
    pub(crate) readiness: Readiness,
    /// Answers callers that wait for the end of a run, so that a stop need not wait for them.
    pub(crate) release: Box<dyn Fn() + Send + Sync>,
    parts: Drainable,
}

struct Drainable {
    log: Arc<SledLog>,
    access: Access,
    sequencer: Sequencer,
    rpc: Rpc,
    runtime: Runtime,
    webhooks: Webhooks,
    effects: Arc<RuntimeEffects<SledLog>>,
    signer: Arc<Signer<SledLog>>,
    stop_signing: CancellationToken,
    signs: JoinSet<()>,
    projector: Projector,
    grace: Duration,
    /// The sequencer's task.
    deciding: JoinSet<()>,
    /// The tasks of the runtime and of the webhooks.
    carrying_out: JoinSet<()>,
}

/// Opens everything and starts it. When this returns, commands and queries can be served; runs that had not ended
/// go on.
///
/// # Errors
/// With a code and what to do about it, for what an operator can do something about.
pub(crate) async fn build(
    config: &Config,
    data: &Data,
    gate: Gate,
    allowances: Allowances,
) -> anyhow::Result<App> {
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    openclaw_sandbox::describe_metrics();
    openclaw_egress::describe_metrics();

    let log = open_log(data.log(), config).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(RandomIds);
    let open = OpenRuns::load(&*log, &data.path().join("open-runs.json"))
        .await
        .context("the log cannot be read for runs that have not ended")?;

    let registered = Registered::load(&*log, &data.path().join("webhooks.json"))
        .await
        .context("the log cannot be read for webhooks")?;

    let register = access::Register::load(&*log, &data.path().join("access.json"))
        .await
        .context("the log cannot be read for tokens and users")?;

    let views_at = config.projection.directory.clone().unwrap_or_else(|| data.views());
    let projector = Projector::start(log.clone(), &views_at).await?;
    let views = projector.views();

    let room = Room { bounds: config.namespaces.bounds(), census: open.census() };
    let (sequencer, commits, decide) = Sequencer::bounded(log.clone(), clock.clone(), ids.clone(), 2, room);
    let mut deciding = JoinSet::new();
    deciding.spawn(decide);
    let mut commits = commits.into_iter();
    let parts = access::Parts {
        sequencer: sequencer.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        random: crate::access::random(),
        pepper: crate::access::pepper(data.path()),
    };
    let watched = commits.next().context("the sequencer has two watchers")?;
    let (access, admit) = Access::new(parts, register, watched);
    // It ends with the sequencer.
    deciding.spawn(admit);
    let gate = gate.with(access.clone());

    let mut definitions = Definitions::new(log.clone());
    if let Some(directory) = &config.workflows.resources {
        definitions = definitions.with_resources(Arc::new(Directory::new(directory)));
    }
    let definitions = Arc::new(definitions);
    let ends = Arc::new(Ends::new());
    let shown = {
        let views = views.clone();
        Arc::new(move || {
            let progress = views.progress();
            let failure = match &progress.status {
                Status::Failed(failure) => Some(failure.to_string()),
                _ => None,
            };
            Shown { position: progress.position, failure }
        })
    };
    let files = FileSecrets::open(config.secrets.directory.clone(), config.given.secrets.clone())?;
    let expected = vault::expected(&*log).await.context("the log cannot be read for the vault")?;
    let keeper = Keeper::open(data.vault(), expected.as_ref(), clock.clone(), ids.clone());
    let secrets: Arc<dyn Secrets> =
        Arc::new(VaultSecrets::new(keeper.clone(), files, sequencer.clone(), ids.clone()));
    let service =
        Service::new(log.clone(), sequencer.clone(), definitions.clone(), ends.clone(), ids.clone(), shown);
    let evaluator: Arc<dyn Evaluator> =
        Arc::new(JqEvaluator::new(Some(expression_worker()), config.runtime.expression_workers));
    let policies = Policies::load(&*log, open.policies()).await.context("the policies cannot be read")?;
    let service = service
        .with_secrets(secrets.clone())
        .with_access(access.clone())
        .with_vault(Arc::new(keeper.clone()))
        .with_policies(policies.clone(), evaluator.clone());
    let service = Arc::new(service);
    // Before anything goes on that may need a credential.
    unseal(&service, &keeper, config).await;

    let recorder = Arc::new(EgressLog::new(sequencer.clone(), ids.clone()));
    let outside = EgressGate::new(config.egress.policy()?, recorder);
    // Connections are numbered from the time of the start on, so that no number comes twice in a run's records.
    let first = u64::try_from(clock.now().as_micros()).unwrap_or_default();
    let proxies =
        Proxies::new(&data.egress(), outside.clone(), secrets.clone(), config.egress.limits(), first);
    let proxies = proxies.context("the directory for the sockets of tools cannot be made")?;
    let injections = config.egress.injections().map_err(anyhow::Error::msg)?;
    let machine =
        Arc::new(Machine::new(openclaw_sandbox::Config { spare_helper: true, ..config.sandbox.config() }));
    let process = ProcessEffects::new(machine.clone(), data.workspaces(), config.sandbox.policy());
    let process = process.with_most(config.sandbox.most());
    let process = process.with_network(Network::new(proxies, injections));
    let own = OwnEffects {
        log: log.clone(),
        sequencer: sequencer.clone(),
        definitions: definitions.clone(),
        service: service.clone(),
        shared: config.workflows.share.clone(),
    };
    let http = HttpEffects::new(http::Limits::default(), outside.clone(), ids.clone());
    let engine = config.containers.config(config.given.engine.clone(), data.containers());
    let container = ContainerEffects::new(engine, clock.clone());
    container.sweep();
    let effects = Arc::new(
        RuntimeEffects::new(http, process, container, own, secrets.clone())
            .with_secrets_in_environment(config.sandbox.secrets_in_environment),
    );
    let parts = Parts {
        log: log.clone(),
        sequencer: sequencer.clone(),
        definitions,
        ends,
        effects: effects.clone(),
        evaluator,
        policies,
        clock: clock.clone(),
        ids: ids.clone(),
        secrets: secrets.clone(),
        max_active_runs: config.runtime.max_active_runs,
        limits: stepper::Limits {
            tasks: config.runtime.tasks_per_run,
            events: config.runtime.events_per_step,
            ..stepper::Limits::default()
        },
    };
    let commits = commits.next().context("the sequencer has two watchers")?;
    let (runtime, carry_out) = Runtime::new(parts, commits, open);
    let signer_ids = ids.clone();
    let mut carrying_out = JoinSet::new();
    carrying_out.spawn(carry_out);
    // Said at the start and not when the first task fails; the start does not wait for it.
    carrying_out.spawn(async move { drop(machine.in_force().await.clone()) });

    let hooks = webhooks::Parts {
        log: log.clone(),
        sequencer: sequencer.clone(),
        clock: clock.clone(),
        ids,
        secrets,
        gate: outside,
        limits: config.webhooks.limits(),
    };
    let (webhooks, deliver) = Webhooks::new(hooks, registered);
    carrying_out.spawn(deliver);

    let signing = audit::Parts {
        log: log.clone(),
        sequencer: sequencer.clone(),
        clock: clock.clone(),
        ids: signer_ids,
        keys: audit::choose(config.audit.key_file.as_deref(), keeper),
    };
    let signer = Arc::new(Signer::open(signing, &config.audit, data.path()).await?);
    let mut signs = JoinSet::new();
    let stop_signing = CancellationToken::new();
    signs.spawn(signer.clone().run(stop_signing.clone()));
    let copies = Arc::new(Copies { log: log.clone(), signer: signer.clone(), clock: clock.clone() });

    let door = Arc::new(allowances);
    let rpc = Rpc::guarded(service.clone(), config.limits.rpc(), door.clone());
    let router = rpc.router().merge(audit::router(copies)).merge(queries(
        log.clone(),
        views.clone(),
        clock,
        &gate,
        door,
    ));
    let readiness = readiness(log.clone(), views);
    let parts = Drainable {
        log,
        access,
        sequencer,
        rpc,
        runtime,
        webhooks,
        effects,
        signer,
        stop_signing,
        signs,
        projector,
        grace: config.runtime.stop_grace.0,
        deciding,
        carrying_out,
    };
    Ok(App { router, gate, readiness, release: Box::new(move || service.release()), parts })
}

/// Unseals the vault if this server was told with what. If that fails the server runs on, sealed, and says why.
async fn unseal(service: &Service<SledLog>, keeper: &Keeper, config: &Config) {
    if let Some(refusal) = keeper.refusal() {
        tracing::error!(
            code = refusal.code,
            reason = refusal.reason,
            "the vault is refused; no credential can be used"
        );
        if let Err(problem) = service.vault_refused(&refusal).await {
            tracing::warn!(%problem, "the log does not take that the vault was refused");
        }
        return;
    }
    if !keeper.is_sealed() {
        return;
    }
    let given = &config.given;
    let file = config.vault.passphrase_file.as_deref();
    let Some(source) = Source::choose(file, given.credentials.as_deref(), given.passphrase.clone()) else {
        tracing::warn!("the vault is sealed; unseal it with `openclaw vault unseal`");
        return;
    };
    let outcome = match vault::passphrase(&source) {
        Ok(passphrase) => {
            service.unseal_at_start(source.label(), passphrase).await.map_err(anyhow::Error::from)
        }
        Err(unusable) => Err(unusable.into()),
    };
    match outcome {
        Ok(()) => tracing::info!(with = source.label(), "the vault is unsealed"),
        Err(problem) => tracing::error!(%problem, with = source.label(), "the vault stays sealed"),
    }
}

async fn open_log(path: PathBuf, config: &Config) -> anyhow::Result<Arc<SledLog>> {
    let options = config.log.options();
    let opened = tokio::task::spawn_blocking(move || SledLog::open(&path, options)).await;
    let opened = opened.context("opening the log panicked")?;
    Ok(Arc::new(opened.map_err(|error| anyhow::anyhow!("[{}] {error}", error.code()))?))
}

/// How this program is started as a worker for expressions.
/// How a process that evaluates expressions is started.
pub(crate) fn expression_worker() -> WorkerCommand {
    // The running program, even when its file has been replaced.
    WorkerCommand { program: "/proc/self/exe".into(), arguments: vec!["evaluate-expressions".into()] }
}

fn queries(
    log: Arc<SledLog>,
    views: Views,
    clock: Arc<dyn Clock>,
    gate: &Gate,
    door: Arc<Allowances>,
) -> Router {
    let deps = openclaw_query::Deps {
        views,
        history: log,
        now: Arc::new(move || clock.now()),
        version: env!("CARGO_PKG_VERSION"),
    };
    let gate = gate.clone();
    let authenticate = openclaw_query::Authenticate::new(move |authorization| {
        let identity = gate.decide(authorization?, None);
        if identity.is_none() {
            gate.unproven();
        }
        let caller = identity?.caller;
        Some(openclaw_query::Caller { name: caller.actor.0.into_owned(), grants: caller.grants })
    });
    openclaw_query::guarded_router(deps, authenticate, door)
}

fn readiness(log: Arc<SledLog>, views: Views) -> Readiness {
    Arc::new(move || {
        let mut reasons = Vec::new();
        if let Health::ReadOnly(reason) = log.health() {
            reasons.push(format!("OC-LOG-002: the log is read-only: {reason}"));
        }
        if let Status::Failed(failure) = views.progress().status {
            reasons.push(failure.to_string());
        }
        reasons
    })
}

impl App {
    /// Stops, in the order in which work flows: no calls, no new effects, no commands, no rows, no log. Nothing that
    /// was acknowledged is lost, and what was begun is taken up at the next start.
    pub(crate) async fn drain(self) {
        let Drainable {
            log,
            access,
            sequencer,
            rpc,
            runtime,
            webhooks,
            effects,
            signer,
            stop_signing,
            mut signs,
            projector,
            grace,
            mut deciding,
            mut carrying_out,
        } = self.parts;
        rpc.drain().await;
        runtime.stop(grace).await;
        effects.stop().await;
        webhooks.stop().await;
        while carrying_out.join_next().await.is_some() {}
        access.stop().await;
        // Everything that happened is signed, before nothing can be recorded any more.
        stop_signing.cancel();
        while signs.join_next().await.is_some() {}
        if let Err(error) = signer.sign().await {
            signer.complain(&error).await;
        }
        sequencer.close();
        while deciding.join_next().await.is_some() {}
        projector.stop().await;
        if tokio::task::spawn_blocking(move || log.close()).await.is_err() {
            tracing::error!("closing the log panicked; the next start checks it");
        }
    }
}
