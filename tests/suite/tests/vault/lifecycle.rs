//! Making, opening and closing the vault; what is recorded of it; files that were swapped.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use openclaw_suite::{Options, Server, counting::Counting};
use serde_json::{Value, json};

use super::{PASSPHRASE, code, init, sending, set, state};

/// A copy of a directory with modes and owners, of a server that does not run.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(format!("{}/.", from.display())).arg(to).status().unwrap();
    assert!(done.success());
}

fn passphrase_file(directory: &Path) -> PathBuf {
    let path = directory.join("passphrase");
    fs::write(&path, format!("{PASSPHRASE}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
async fn a_use_is_recorded_and_a_sealed_vault_gives_out_nothing() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    assert_eq!(state(&server).await, "absent");
    assert_eq!(
        code(server.rpc("credential.set", json!({ "name": "api", "value": "x" })).await),
        "OC-VLT-008"
    );
    init(&server).await;
    let stored = set(&server, "api", "the value of api").await;
    assert_eq!((&stored["version"], &stored["namespace"]), (&json!(1), &json!("default")));
    server.output(sending(&counting.url("/send")), Value::Null).await;
    assert_eq!(counting.calls_of("/send")[0].body, json!({ "token": "the value of api" }));

    server.rpc("vault.seal", json!({})).await.unwrap();
    let run = server.run(sending(&counting.url("/send")), Value::Null).await;
    assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(403)), "{run}");
    assert!(run["error"]["detail"].as_str().unwrap().contains("OC-SEC-005"), "{run}");
    assert_eq!(counting.calls().len(), 1);
    assert_eq!(code(server.rpc("credential.list", json!({})).await), "OC-VLT-010");
    let unsealed = server.rpc("vault.unseal", json!({ "passphrase": PASSPHRASE })).await.unwrap();
    assert_eq!(unsealed["state"], "unsealed");
    server.output(sending(&counting.url("/send")), Value::Null).await;

    let used = server.events_of_type("credential.used").await;
    assert_eq!(used.len(), 2, "{used:?}");
    assert_eq!(used[0]["stream"], "credential/default/api");
    let first = &used[0]["data"];
    assert_eq!(first["version"], 1);
    assert_eq!(first["purpose"], format!("call: http POST {}", counting.url("/send")));
    assert!(first["run"].is_string() && first["task"].is_number() && first["effect"].is_string(), "{first}");
    let history = server.terminate().await;
    let types: Vec<&str> =
        (1..).map_while(|position| history.at(position)).map(|entry| entry.r#type.as_str()).collect();
    let at =
        |wanted: &str| types.iter().position(|found| *found == wanted).unwrap_or_else(|| panic!("{wanted}"));
    assert!(at("credential.used") < at("run.task_completed"), "recorded before it is used: {types:?}");
    for wanted in ["vault.created", "credential.set", "vault.saved", "vault.sealed", "vault.unsealed"] {
        at(wanted);
    }
    let text = format!("{history:?}");
    assert!(!text.contains("the value of api") && !text.contains(PASSPHRASE));
}

#[tokio::test]
async fn a_vault_is_unsealed_at_the_start_with_what_the_server_was_given() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::on(data.path()).await;
    init(&server).await;
    set(&server, "api", "value of api").await;
    let server = server.restart().await;
    assert_eq!(state(&server).await, "sealed", "nobody said with what");
    server.terminate().await;

    let file = passphrase_file(elsewhere.path());
    fs::copy(&file, elsewhere.path().join("openclaw-vault")).unwrap();
    let by_file = Options::default().set("vault.passphrase_file", file.display());
    let mut by_environment = Options::default();
    by_environment.environment.push(("OPENCLAW_VAULT_PASSPHRASE".into(), PASSPHRASE.into()));
    let mut by_systemd = Options::default();
    by_systemd.environment.push(("CREDENTIALS_DIRECTORY".into(), elsewhere.path().display().to_string()));
    for (options, with) in
        [(by_file.clone(), "file"), (by_environment, "environment"), (by_systemd, "systemd")]
    {
        let server = Server::start(data.path(), options).await;
        assert_eq!(state(&server).await, "unsealed", "{with}");
        let unsealed = server.events_of_type("vault.unsealed").await;
        assert_eq!(unsealed.last().unwrap()["data"]["with"], with);
        server.terminate().await;
    }
    // A file that others may read is no passphrase; the server runs on, sealed.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let server = Server::start(data.path(), by_file.expect_error("OC-VLT-025")).await;
    assert_eq!(state(&server).await, "sealed");
    server.terminate().await;
}

#[tokio::test]
async fn an_older_file_and_a_foreign_one_are_refused_and_told_apart() {
    let (data, kept, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::on(data.path()).await;
    init(&server).await;
    set(&server, "api", "old value").await;
    server.terminate().await;
    let vault = data.path().join("vault");
    copy(&vault, kept.path());
    let server = Server::on(data.path()).await;
    server.rpc("vault.unseal", json!({ "passphrase": PASSPHRASE })).await.unwrap();
    set(&server, "api", "new value").await;
    server.terminate().await;

    copy(kept.path(), &vault);
    let refusing = || {
        // The key that signs checkpoints is in the vault, too.
        Options::default().expect_error("the vault is refused").expect_error("OC-AUD-005")
    };
    let server = Server::start(data.path(), refusing()).await;
    let status = server.rpc("vault.status", json!({})).await.unwrap();
    assert_eq!(status["state"], "refused");
    assert!(status["reason"].as_str().unwrap().contains("OC-VLT-006"), "{status}");
    assert_eq!(code(server.rpc("vault.unseal", json!({ "passphrase": PASSPHRASE })).await), "OC-VLT-006");
    assert_eq!(server.events_of_type("vault.refused").await[0]["data"]["code"], "OC-VLT-006");
    server.terminate().await;

    let server = Server::on(other.path()).await;
    init(&server).await;
    server.terminate().await;
    copy(&other.path().join("vault"), &vault);
    let server = Server::start(data.path(), refusing()).await;
    let status = server.rpc("vault.status", json!({})).await.unwrap();
    assert!(status["reason"].as_str().unwrap().contains("OC-VLT-007"), "{status}");
    server.terminate().await;
}

#[tokio::test]
async fn a_change_that_was_written_and_not_recorded_is_recorded_when_the_vault_is_unsealed() {
    let (data, behind) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::on(data.path()).await;
    init(&server).await;
    set(&server, "api", "first").await;
    server.terminate().await;
    copy(data.path(), behind.path());
    let server = Server::on(data.path()).await;
    server.rpc("vault.unseal", json!({ "passphrase": PASSPHRASE })).await.unwrap();
    server
        .rpc("credential.rotate", json!({ "namespace": "default", "name": "api", "value": "second" }))
        .await
        .unwrap();
    server.terminate().await;

    // As after a crash between the two: the file is one write ahead of the log.
    copy(&data.path().join("vault"), &behind.path().join("vault"));
    let server = Server::on(behind.path()).await;
    assert_eq!(server.events_of_type("credential.rotated").await.len(), 0);
    server.rpc("vault.unseal", json!({ "passphrase": PASSPHRASE })).await.unwrap();
    let rotated = server.events_of_type("credential.rotated").await;
    assert_eq!(rotated.len(), 1);
    assert_eq!(rotated[0]["data"]["version"], 2);
    server
        .rpc("credential.delete", json!({ "namespace": "default", "name": "api" }))
        .await
        .expect("and changes go on");
    let server = server.restart().await;
    assert_eq!(state(&server).await, "sealed", "the log knows the file");
    server.terminate().await;
}

#[tokio::test]
async fn wrong_passphrases_are_recorded_and_soon_have_to_wait() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let recovery = init(&server).await;
    server.rpc("vault.seal", json!({})).await.unwrap();
    for _ in 0..5 {
        let refused = server.rpc("vault.unseal", json!({ "passphrase": "incorrect horse" })).await;
        assert_eq!(code(refused), "OC-VLT-002");
    }
    let limited = server.rpc("vault.unseal", json!({ "passphrase": PASSPHRASE })).await.unwrap_err();
    assert!(limited["data"]["retryAfterMs"].as_u64().unwrap() > 50_000, "{limited}");
    let by_key = server.rpc("vault.unseal", json!({ "recoveryKey": recovery })).await.unwrap_err();
    assert_eq!(by_key["data"]["code"], limited["data"]["code"], "the key has to wait as well");
    assert_eq!(state(&server).await, "sealed");
    let refused = server.events_of_type("vault.refused").await;
    assert_eq!(refused.len(), 5);
    assert!(!format!("{refused:?}").contains("incorrect"));
}

#[tokio::test]
async fn keys_are_changed_without_downtime_and_copies_are_taken_in() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::on(data.path()).await;
    let first = init(&server).await;
    set(&server, "api", "kept").await;
    let rotated = server.rpc("vault.rotate_key", json!({ "passphrase": PASSPHRASE })).await.unwrap();
    let change = json!({ "recoveryKey": rotated["recoveryKey"], "newPassphrase": "battery staple" });
    server.rpc("vault.change_passphrase", change).await.unwrap();
    server.rpc("vault.seal", json!({})).await.unwrap();
    assert_eq!(code(server.rpc("vault.unseal", json!({ "recoveryKey": first })).await), "OC-VLT-003");
    assert_eq!(code(server.rpc("vault.unseal", json!({ "passphrase": PASSPHRASE })).await), "OC-VLT-002");

    // The rest as a person does it.
    let opened = server.cli(&["vault", "unseal"], Some("battery staple\n")).await.succeeded();
    assert!(opened.stdout.starts_with("unsealed, 1 credentials"), "{opened:?}");
    server.cli(&["credential", "set", "other"], Some("from stdin\n")).await.succeeded();
    let copy = elsewhere.path().join("copy");
    let export = ["vault", "export", copy.to_str().unwrap()];
    server.cli(&export, Some("for the journey\n")).await.succeeded();
    let bytes = fs::read(&copy).unwrap();
    assert!(!bytes.windows(10).any(|part| part == b"from stdin"));
    server.cli(&["credential", "delete", "other"], None).await.succeeded();
    let import = ["vault", "import", copy.to_str().unwrap()];
    let taken = server.cli(&import, Some("for the journey\n")).await.succeeded();
    assert!(taken.stderr.contains("1 taken in, 1 stayed"), "{taken:?}");
    let listed = server.cli(&["credential", "list", "--json"], None).await.succeeded();
    assert_eq!(listed.stdout.lines().count(), 2);
    assert!(!listed.stdout.contains("from stdin"), "{listed:?}");
}

#[tokio::test]
async fn a_repetition_under_one_key_gets_the_first_answer_and_stores_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    init(&server).await;
    let once = json!({ "name": "api", "value": "one", "idempotencyKey": "k-1" });
    let first = server.rpc("credential.set", once.clone()).await.unwrap();
    assert_eq!(server.rpc("credential.set", once).await.unwrap(), first);
    // The value is no part of what is compared, as nothing of it may stand in the log.
    let other = json!({ "name": "api", "value": "two", "idempotencyKey": "k-1" });
    assert_eq!(server.rpc("credential.set", other).await.unwrap(), first);
    let elsewhere = json!({ "name": "else", "value": "one", "idempotencyKey": "k-1" });
    assert_eq!(code(server.rpc("credential.set", elsewhere).await), "OC-CMD-002");
    let listed = server.rpc("credential.list", json!({})).await.unwrap();
    assert_eq!(listed["credentials"][0]["version"], 1);
    assert_eq!(listed["credentials"][0]["fingerprint"], first["fingerprint"]);
    let wrong = server.rpc("credential.set", json!({ "name": "api", "value": 271_828 })).await.unwrap_err();
    assert!(!wrong.to_string().contains("271828"), "{wrong}");
}
