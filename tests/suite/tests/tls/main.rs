//! The binary over TLS, and what it refuses to do without.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use openclaw_suite::{Options, Server, openclaw};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// Writes a certificate for this machine that signed itself, with its key. Answers its PEM text.
fn write_pair(directory: &Path) -> String {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let pair = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
    fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(directory.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    pair.cert.pem()
}

fn with_tls(directory: &Path) -> Options {
    Options::default()
        .set("server.tls.certificate", directory.join("cert.pem").display())
        .set("server.tls.key", directory.join("key.pem").display())
}

#[tokio::test]
async fn commands_queries_and_subscriptions_go_over_tls_and_a_new_certificate_is_taken_on_a_signal() {
    let data = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let first = write_pair(files.path());
    let server = Server::start(data.path(), with_tls(files.path())).await;
    let (url, token) = (server.caller().base().to_owned(), server.caller().token().to_owned());
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let client = openclaw_client::Client::trusting(&url, &token, first.as_bytes()).unwrap();
    assert_eq!(client.version().await.unwrap().name, "openclaw");
    let data_of = client.graphql("{ server { version } }", json!({})).await.unwrap();
    assert!(data_of["server"]["version"].is_string(), "{data_of}");
    drop(client.subscribe("subscription { events { position } }", json!({})).await.unwrap());
    let stranger = openclaw_client::Client::new(&url, &token).unwrap();
    assert!(stranger.version().await.is_err(), "who does not know the authority does not trust it");

    let ca = files.path().join("cert.pem");
    let status = server.cli(&["status", "--json", "--ca", ca.to_str().unwrap()], None).await;
    assert_eq!(status.code, Some(0), "{status:?}");

    let second = write_pair(files.path());
    let pid = i32::try_from(server.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::HUP).unwrap();
    openclaw_suite::eventually("the new certificate", async || {
        let renewed = openclaw_client::Client::trusting(&url, &token, second.as_bytes()).unwrap();
        renewed.version().await.ok()
    })
    .await;
    assert_eq!(client.version().await.unwrap().name, "openclaw", "the connection that was open goes on");
    server.terminate().await;
}

#[tokio::test]
async fn it_does_not_speak_plain_text_where_others_could_read_it() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().to_str().unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = openclaw(data.path(), &["serve", "--data", path, "--listen", address], &[], None).await;
        assert_ne!(refused.code, Some(0), "{address}");
        assert!(refused.stderr.contains("OC-CFG-003"), "{address}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn a_key_that_others_may_read_keeps_it_from_starting() {
    let data = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    write_pair(files.path());
    fs::set_permissions(files.path().join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Server::try_start(data.path(), with_tls(files.path())).await.expect_err("it is refused");
    assert!(refused.stderr.contains("OC-TLS-002"), "{}", refused.stderr);
}
