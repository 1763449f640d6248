//! Tests: which network a process gets.

use std::{
    collections::BTreeSet,
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex},
};

use openclaw_egress::{Gate, Injection, Limits, NoRecorder, Policy as Rules, Proxies};
use openclaw_model::event::run::{NetworkRequest, ProcessReturn, Program, SandboxRequest};
use openclaw_ports::{
    sandbox::{End, Job, Level, Outcome, Running},
    secrets::NoSecrets,
};

use super::*;

/// Remembers the jobs, and whether somebody listened at their sockets.
#[derive(Default)]
struct Watching(Mutex<Vec<(Job, bool)>>);

impl Sandbox for Watching {
    fn run(&self, job: Job, _: CancellationToken) -> Running<'_> {
        let listening = job.egress.as_ref().is_some_and(|socket| UnixStream::connect(socket).is_ok());
        self.0.lock().unwrap().push((job, listening));
        let outcome = Outcome { end: End::Exited(0), stdout: vec![], stderr: vec![], truncated: false };
        Box::pin(async { Ok(outcome) })
    }
}

fn asking(network: &[(&str, Option<&str>)]) -> ProcessRequest {
    let entry = |(destination, credential): &(&str, Option<&str>)| NetworkRequest {
        destination: (*destination).into(),
        credential: credential.map(str::to_owned),
    };
    ProcessRequest {
        program: Program::Shell { command: "true".into() },
        stdin: None,
        arguments: Vec::new(),
        environment: Default::default(),
        returns: ProcessReturn::Code,
        wait: true,
        sandbox: Some(Box::new(SandboxRequest {
            network: network.iter().map(entry).collect(),
            ..SandboxRequest::default()
        })),
    }
}

fn effects(directory: &Path, level: Level, sandbox: Arc<Watching>) -> ProcessEffects {
    let gate = Gate::new(Rules::default(), Arc::new(NoRecorder));
    let proxies =
        Proxies::new(&directory.join("egress"), gate, Arc::new(NoSecrets), Limits::default(), 1).unwrap();
    let injection = Injection::new("api/key", "authorization", "Bearer {}", true).unwrap();
    let injections = vec![("api.example.com:443".parse().unwrap(), injection)];
    let network = ["*.example.com:443", "other.test:*"].map(|text| text.parse().unwrap()).to_vec();
    let policy = Policy { level, network, ..Policy::default() };
    ProcessEffects::new(sandbox, directory.join("workspaces"), policy)
        .with_network(Network::new(proxies, injections))
}

async fn perform(
    level: Level,
    request: &ProcessRequest,
    listed: &[&str],
) -> (EffectOutcome, Vec<(Job, bool)>) {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = Arc::new(Watching::default());
    let effects = effects(directory.path(), level, sandbox.clone());
    let listed: BTreeSet<String> = listed.iter().map(|name| (*name).to_owned()).collect();
    let caller = Caller { listed, namespace: "team".into(), ..Caller::default() };
    let run = "0192d1a0-0000-7000-8000-000000000001".parse().unwrap();
    let outcome = effects.perform(run, request, &caller, CancellationToken::new()).await;
    let jobs = std::mem::take(&mut *sandbox.0.lock().unwrap());
    assert!(jobs.iter().all(|(job, _)| job.egress.as_ref().is_none_or(|socket| !socket.exists())));
    (outcome, jobs)
}

fn refused(outcome: EffectOutcome) -> (u16, String) {
    let error = outcome.unwrap_err();
    (error.status, error.detail.unwrap())
}

#[tokio::test]
async fn a_process_that_asks_for_destinations_has_a_proxy_for_as_long_as_it_lives() {
    let request = asking(&[("api.example.com:443", None), ("other.test:80", None)]);
    let (outcome, jobs) = perform(Level::Relaxed, &request, &[]).await;
    assert_eq!(outcome, Ok(json!(0)));
    let [(job, listening)] = &jobs[..] else { panic!("{jobs:?}") };
    assert!(*listening, "the proxy listens before the process starts");
    let network: Vec<String> = job.policy.network.iter().map(ToString::to_string).collect();
    assert_eq!(network, ["api.example.com:443", "other.test:80"]);
}

#[tokio::test]
async fn a_process_that_asks_for_nothing_gets_nothing_of_what_the_server_allows() {
    for request in [asking(&[]), ProcessRequest { sandbox: None, ..asking(&[]) }] {
        let (outcome, jobs) = perform(Level::Relaxed, &request, &[]).await;
        assert_eq!(outcome, Ok(json!(0)));
        assert!(jobs[0].0.egress.is_none() && jobs[0].0.policy.network.is_empty());
    }
}

#[tokio::test]
async fn what_the_server_does_not_list_is_not_run() {
    for destination in
        ["evil.test:443", "example.com:443", "api.example.com:80", "*.com:443", "*:443", "other.test.evil:1"]
    {
        let (outcome, jobs) = perform(Level::Relaxed, &asking(&[(destination, None)]), &[]).await;
        let (status, detail) = refused(outcome);
        assert!(status == 403 && detail.contains("OC-SBX-005") && detail.contains(destination), "{detail}");
        assert!(jobs.is_empty());
    }
    let (outcome, jobs) = perform(Level::Relaxed, &asking(&[("no destination", None)]), &[]).await;
    assert!(refused(outcome).1.contains("OC-EGR-002") && jobs.is_empty());
}

#[tokio::test]
async fn a_level_without_network_gives_none() {
    for level in [Level::Strict, Level::None] {
        let (outcome, jobs) = perform(level, &asking(&[("api.example.com:443", None)]), &[]).await;
        let (status, detail) = refused(outcome);
        assert!(status == 400 && detail.contains("OC-EGR-007") && jobs.is_empty(), "{detail}");
    }
}

#[tokio::test]
async fn a_credential_needs_the_workflow_and_the_server_and_its_destination() {
    let with = |destination| asking(&[(destination, Some("api/key"))]);
    let (outcome, _) = perform(Level::Relaxed, &with("api.example.com:443"), &["api"]).await;
    assert_eq!(outcome, Ok(json!(0)));
    for (request, listed) in [
        (with("api.example.com:443"), &[][..]),
        (with("www.example.com:443"), &["api"]),
        (with("*.example.com:443"), &["api"]),
        (asking(&[("api.example.com:443", Some("api"))]), &["api"]),
        (asking(&[("api.example.com:443", Some("other/key"))]), &["api", "other"]),
    ] {
        let (outcome, jobs) = perform(Level::Relaxed, &request, listed).await;
        let (status, detail) = refused(outcome);
        assert!(status == 403 && detail.contains("OC-EGR-008") && jobs.is_empty(), "{detail}");
    }
}
