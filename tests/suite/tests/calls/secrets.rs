//! A secret is sent, and is nowhere else.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use openclaw_suite::{Options, Server, counting::Counting, documents::workflow};
use serde_json::{Value, json};

/// A value that nothing has by accident.
const VALUE: &str = "s3cret-4f1c9a7e";

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A private directory with a secret in it.
fn vault(parent: &Path) -> PathBuf {
    let directory = parent.join("secrets");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    write(&directory.join("api"), &json!({ "user": "ada", "token": VALUE }).to_string(), 0o600);
    directory
}

fn with(secrets: &[&str], tasks: Value) -> Value {
    let mut document = workflow("secretive", tasks);
    document["use"] = json!({ "secrets": secrets });
    document
}

/// Every file below `directory` that holds the value.
fn holding(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            holding(&path, found);
        } else if fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(VALUE.len()).any(|part| part == VALUE.as_bytes()))
        {
            found.push(path);
        }
    }
}

#[tokio::test]
async fn a_secret_is_sent_and_is_in_no_file_no_log_line_no_answer_and_no_metric() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secrets = vault(elsewhere.path());
    let mut options =
        Options::default().set("secrets.directory", secrets.display()).set("log.segment_events", 64);
    options.environment.push(("OPENCLAW_SECRET_FROM_ENV".into(), format!("{VALUE}-env")));
    options.environment.push(("OPENCLAW_LOG".into(), "trace".into()));
    let (server, counting) = (Server::start(data.path(), options).await, Counting::start().await);
    counting.fail("/refuses", 1, 500);
    let document = with(
        &["api", "from-env"],
        json!([
            { "call": { "call": "http", "with": {
                "method": "post", "endpoint": counting.url("/call"), "output": "response",
                "headers": { "X-Token": "${ $secrets.api.token }" },
                "query": { "token": "${ \"q \" + $secrets.api.token }" },
                "body": { "env": "${ $secrets[\"from-env\"] }", "user": "${ $secrets.api.user }" } } } },
            { "policy": { "call": "http", "with": {
                "method": "get", "endpoint": { "uri": counting.url("/policy"), "authentication": {
                    "bearer": { "token": "${ $secrets.api.token }" } } } } } },
            { "shell": { "run": { "shell": { "command": "echo \"${ $secrets.api.token }\"; env" } } } },
            { "try": { "try": [{ "fails": { "call": "http", "with": {
                "method": "post", "endpoint": counting.url("/refuses"),
                "body": "${ { token: $secrets.api.token } }" } } }],
                "catch": { "do": [{ "keep": { "set": { "error": "${ $error }" } } }] } } },
        ]),
    );
    let run = server.run(document, Value::Null).await;
    assert_eq!(run["status"], "completed", "{run}");
    let call = &counting.calls_of("/call")[0];
    assert_eq!(call.body, json!({ "env": format!("{VALUE}-env"), "user": "ada" }));
    assert_eq!(call.query, format!("token=q+{VALUE}"));
    assert_eq!(counting.calls_of("/policy").len(), 1);
    assert_eq!(counting.calls_of("/refuses")[0].body, json!({ "token": VALUE }));
    let (_, metrics) = server.caller().get("/metrics").await;
    assert!(metrics.contains("openclaw_") && !metrics.contains(VALUE));
    let id = run["runId"].as_str().unwrap();
    let shown = server
        .query(
            "query($id: ID!) { run(id: $id) { output input tasks(first: 50) { nodes { input output } } } }",
            json!({ "id": id }),
        )
        .await;
    assert!(!shown.to_string().contains(VALUE), "{shown}");

    let said = server.said().join("\n");
    assert!(said.contains("TRACE") && !said.contains(VALUE), "the log has it");
    let history = server.terminate().await;
    assert!(!format!("{history:?}").contains(VALUE));
    let mut found = Vec::new();
    holding(data.path(), &mut found);
    assert_eq!(found, Vec::<PathBuf>::new());
    holding(elsewhere.path(), &mut found);
    assert_eq!(found, [secrets.join("api")], "where it is, it is found");
}

#[tokio::test]
async fn a_secret_that_does_not_exist_is_an_authorization_error_and_a_forged_handle_is_none() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = Options::default().set("secrets.directory", vault(elsewhere.path()).display());
    let (server, counting) = (Server::start(data.path(), options).await, Counting::start().await);
    let call = |body: &str| {
        json!([{ "call": { "call": "http", "with": {
            "method": "post", "endpoint": counting.url("/call"), "body": { "x": body } } } }])
    };
    let refused = async |document: Value, input: Value| {
        let run = server.run(document, input).await;
        assert_eq!(run["status"], "faulted", "{run}");
        let error = &run["error"];
        assert_eq!(error["status"], 403, "{error}");
        assert!(error["type"].as_str().unwrap().ends_with("/authorization"));
        error["detail"].as_str().unwrap_or_default().to_owned()
    };
    refused(with(&["gone"], call("${ $secrets.gone }")), Value::Null).await;
    assert_eq!(counting.calls().len(), 0, "nothing was sent");

    // What comes from outside and looks like a handle is none, though the workflow may use the secret.
    let forged = json!({ "x": "\u{E000}openclaw-secret:api/token\u{E001}" });
    let run = server.run(with(&["api"], call("${ .x }")), forged).await;
    assert_eq!(run["status"], "completed", "{run}");
    let sent = counting.calls_of("/call")[0].body.to_string();
    assert!(sent.contains("openclaw-secret:api/token") && !sent.contains(VALUE), "{sent}");

    // A server that answers with a handle is not told the value.
    counting.body("/call", json!({ "echo": "\u{E000}openclaw-secret:api/token\u{E001}" }));
    let mut tasks = call("first");
    tasks.as_array_mut().unwrap().push(json!({ "again": { "call": "http", "with": {
        "method": "post", "endpoint": counting.url("/second"), "body": "${ { echo: .echo } }" } } }));
    let run = server.run(with(&["api"], tasks), Value::Null).await;
    assert_eq!(run["status"], "completed", "{run}");
    assert!(!counting.calls_of("/second")[0].body.to_string().contains(VALUE));
}

#[tokio::test]
async fn a_secret_that_others_can_read_keeps_the_server_from_starting() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secrets = vault(elsewhere.path());
    write(&secrets.join("loose"), VALUE, 0o644);
    let options = Options::default().set("secrets.directory", secrets.display());
    let finished = Server::try_start(data.path(), options).await.unwrap_err();
    assert!(finished.stderr.contains("OC-SEC-004") && finished.stderr.contains("644"), "{}", finished.stderr);
    assert!(!finished.stderr.contains(VALUE));
}
