//! The server's own way out.

use std::{sync::Arc, time::Duration};

use openclaw_egress::{Clients, Gate, Options, Origin, Policy, Reason, Refused, Resolve, SendError};
use openclaw_model::{RunId, TaskId};
use reqwest::{Method, Request, Url};
use uuid::Uuid;

use crate::{
    canary::Canary,
    forms::{self, FORMS},
    recording::{Entry, Kept},
    resolver::Told,
};

const OPTIONS: Options =
    Options { connect: Duration::from_secs(2), total: Duration::from_secs(5), http2: false };

pub(crate) fn policy(allow_private: &[&str], allow: &[&str], deny: &[&str]) -> Policy {
    let read = |list: &[&str]| list.iter().map(|text| text.parse().expect("a destination")).collect();
    Policy::new(read(allow_private), read(allow), read(deny)).expect("it names hosts")
}

fn clients(policy: Policy, resolver: Arc<dyn Resolve>, kept: Arc<Kept>) -> Clients {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Clients::new(Gate::new(policy, kept).with_resolver(resolver), OPTIONS)
}

async fn get(clients: &Clients, url: &str) -> Result<u16, SendError> {
    let request = Request::new(Method::GET, Url::parse(url).expect(url));
    clients.send(request).await.map(|answer| answer.status().as_u16())
}

fn refused(sent: Result<u16, SendError>) -> Refused {
    match sent {
        Err(SendError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_form_of_a_private_address_reaches_a_server() {
    let canary = Canary::start().await;
    let kept = Kept::new();
    let clients = clients(Policy::default(), forms::resolver(), kept.clone());
    let mut judged = 0;
    for form in FORMS {
        // A form that is no URL is sent by nobody.
        let Ok(url) = Url::parse(&form.replace("PORT", &canary.port.to_string())) else { continue };
        match clients.send(Request::new(Method::GET, url)).await {
            Err(SendError::Refused(refused)) => {
                assert!(matches!(refused.reason, Reason::Private(_)), "{form}: {refused}");
                judged += 1;
            }
            other => panic!("{form}: {other:?}"),
        }
    }
    assert!(judged >= 60, "{judged} forms were judged");
    assert_eq!(canary.heard(), Vec::<String>::new());
    assert_eq!(kept.entries().len(), judged, "each refusal is on record");
}

#[tokio::test]
async fn the_same_forms_reach_the_server_once_they_are_allowed() {
    let canary = Canary::start().await;
    let allowed = ["127.0.0.0/8:*", "[::1]:*", "0.0.0.0/8:*", "[::]:*"];
    let clients = clients(policy(&allowed, &[], &[]), forms::resolver(), Kept::new());
    let mut reached = 0;
    for form in FORMS.iter().filter(|form| form.contains("PORT")) {
        let Ok(url) = Url::parse(&form.replace("PORT", &canary.port.to_string())) else { continue };
        reached += usize::from(clients.send(Request::new(Method::GET, url)).await.is_ok());
    }
    assert!(reached >= 45 && canary.heard().len() >= 45, "only {reached} forms lead to the canary");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_by_the_address_that_is_connected_to() {
    let canary = Canary::start().await;
    // Nothing listens at the public address; what matters is that the second answer is not taken unseen.
    let resolver = Told::new(&[("rebind.example", &[&["198.41.0.4"], &["127.0.0.1"]])]);
    let gate = Gate::new(Policy::default(), Kept::new()).with_resolver(resolver.clone());
    let target = openclaw_egress::Target::new("rebind.example", canary.port).unwrap();
    let first = gate.admit(&target).await.unwrap();
    assert_eq!(first[0].address.to_string(), format!("198.41.0.4:{}", canary.port));

    let clients = clients(Policy::default(), resolver.clone(), Kept::new());
    let refused = refused(get(&clients, &format!("http://rebind.example:{}/", canary.port)).await);
    assert_eq!(refused.address, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(resolver.asked(), 2, "each decision has one lookup, which is the one that is used");
    assert!(canary.heard().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_here_and_there_leads_only_where_it_may() {
    let resolver = Told::new(&[("both.example", &[&["127.0.0.1", "198.41.0.4", "169.254.169.254"]])]);
    let gate = Gate::new(Policy::default(), Kept::new()).with_resolver(resolver);
    let target = openclaw_egress::Target::new("both.example", 80).unwrap();
    let admitted: Vec<_> = gate.admit(&target).await.unwrap().into_iter().map(|one| one.address).collect();
    assert_eq!(admitted, ["198.41.0.4:80".parse().unwrap()]);
}

#[tokio::test]
async fn what_is_allowed_is_a_host_at_a_port_and_not_the_machine() {
    let (open, closed) = (Canary::start().await, Canary::start().await);
    let resolver = Told::new(&[("db.example", &[&["127.0.0.1"]]), ("other.example", &[&["127.0.0.1"]])]);
    let allowed = [format!("db.example:{}", open.port)];
    let clients = clients(policy(&[&allowed[0]], &[], &[]), resolver, Kept::new());
    assert_eq!(get(&clients, &format!("http://db.example:{}/", open.port)).await.unwrap(), 200);
    for url in [
        format!("http://db.example:{}/", closed.port),
        format!("http://other.example:{}/", open.port),
        format!("http://127.0.0.1:{}/", open.port),
    ] {
        let refused = refused(get(&clients, &url).await);
        assert!(matches!(refused.reason, Reason::Private(_)), "{url}: {refused}");
    }
    assert_eq!((open.heard().len(), closed.heard().len()), (1, 0));
}

#[tokio::test]
async fn a_list_of_what_is_allowed_excludes_the_rest_before_it_is_looked_up() {
    let canary = Canary::start().await;
    let resolver = Told::new(&[("good.example", &[&["127.0.0.1"]]), ("evil.example", &[&["198.41.0.4"]])]);
    let rules = policy(&["127.0.0.1:*"], &["*.example:*"], &["evil.example:*", "127.0.0.0/30:1"]);
    let clients = clients(rules, resolver.clone(), Kept::new());
    let url = |host: &str, port: u16| format!("http://{host}:{port}/");
    assert_eq!(get(&clients, &url("good.example", canary.port)).await.unwrap(), 200);
    assert_eq!(resolver.asked(), 1);
    assert_eq!(refused(get(&clients, &url("other.test", 80)).await).reason, Reason::NotAllowed);
    assert_eq!(refused(get(&clients, &url("127.0.0.1", canary.port)).await).reason, Reason::NotAllowed);
    assert!(matches!(refused(get(&clients, &url("evil.example", 80)).await).reason, Reason::Denied(_)));
    assert_eq!(resolver.asked(), 1, "the names that may not be reached were not looked up");
    let denied = refused(get(&clients, &url("good.example", 1)).await);
    assert!(matches!(denied.reason, Reason::Denied(_)), "by its address: {denied}");
}

#[tokio::test]
async fn a_destination_of_the_configuration_is_allowed_for_whoever_it_is_meant_for() {
    let canary = Canary::start().await;
    let gate = Gate::new(Policy::default(), Kept::new());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let provider = gate.also(format!("127.0.0.1:{}", canary.port).parse().unwrap());
    let url = format!("http://127.0.0.1:{}/", canary.port);
    assert_eq!(get(&Clients::new(provider, OPTIONS), &url).await.unwrap(), 200);
    refused(get(&Clients::new(gate, OPTIONS), &url).await);
}

#[tokio::test]
async fn a_refusal_says_what_would_allow_it_and_is_recorded_for_its_task() {
    let kept = Kept::new();
    let clients = clients(Policy::default(), forms::resolver(), kept.clone());
    let origin = Origin::task(RunId(Uuid::from_u64_pair(0, 5)), TaskId(7));
    let refused = refused(origin.of(get(&clients, "http://here.example:8080/x?secret=1")).await);
    let text = refused.to_string();
    for part in [
        "OC-EGR-001",
        "here.example:8080",
        "127.0.0.1",
        "--allow-private-egress here.example:8080",
        "egress.allow_private",
        "OPENCLAW_ALLOW_PRIVATE_EGRESS",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("secret"), "{text}");
    match &kept.entries()[..] {
        [Entry::Denied(recorded, what)] => assert_eq!((*recorded, what), (origin, &refused)),
        other => panic!("{other:?}"),
    }
    assert_eq!(Origin::current(), Origin::default(), "outside it belongs to nobody");
}

#[test]
fn every_private_address_at_once_cannot_be_allowed() {
    let everything = vec!["*:80".parse().unwrap()];
    let problem = Policy::new(everything, vec![], vec![]).expect_err("it names nothing").to_string();
    assert!(problem.contains("OC-EGR-002") && problem.contains("*:80"), "{problem}");
}
