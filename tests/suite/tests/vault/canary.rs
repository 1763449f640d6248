//! A value of the vault goes where it is sent, and is nowhere else: in no file, no line, no answer, no other process; and in
//! no memory of the server once the vault is sealed.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use openclaw_suite::{Options, Server, counting::Counting, documents::workflow, eventually, tell};
use serde_json::{Value, json};

use super::{PASSPHRASE, init, set};

/// Nothing has it by accident. Put together, so that it is in no program either.
fn canary() -> String {
    ["canary", "7e1d44b09c", "of-the-vault"].join("-")
}

/// Says of a process of the tool that it may have the value in its environment.
const HOLDER: &str = "holder-of-the-canary";

fn holds(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|part| part == value.as_bytes())
}

/// Every file below `directory` that holds `value`.
fn files(directory: &Path, value: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            found.extend(files(&path, value));
        } else if path.is_file() && fs::read(&path).is_ok_and(|bytes| holds(&bytes, value)) {
            found.push(path);
        }
    }
    found
}

/// Command lines of all processes whose command line holds `value`, and of those whose environment does.
fn processes(value: &str) -> (Vec<String>, Vec<String>) {
    let (mut arguments, mut environments) = (Vec::new(), Vec::new());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let shown = String::from_utf8_lossy(&line).replace('\0', " ");
        if is_process && holds(&line, value) {
            arguments.push(shown.clone());
        }
        if is_process && fs::read(entry.path().join("environ")).is_ok_and(|text| holds(&text, value)) {
            environments.push(shown);
        }
    }
    (arguments, environments)
}

/// Where in the memory of a process `value` is; none if this user may not look.
fn memory(pid: u32, value: &str) -> Option<Vec<String>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut bytes = Vec::new();
        memory.seek(SeekFrom::Start(from)).ok()?;
        // A mapping may go away while it is read.
        let _ = memory.by_ref().take(to - from).read_to_end(&mut bytes);
        if holds(&bytes, value) {
            found.push(line.to_owned());
        }
    }
    Some(found)
}

/// Whether the kernel lets another process of the same user read this one's memory.
fn core_limit(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned()
}

fn document(counting: &Counting) -> Value {
    let mut document = workflow(
        "canary",
        json!([
            { "send": { "call": "http", "with": {
                "method": "post", "endpoint": counting.url("/send"), "output": "response",
                "headers": { "X-Token": "${ $secrets.canary }" },
                "body": { "token": "${ $secrets.canary }" } } } },
            { "bearer": { "call": "http", "with": { "method": "get", "endpoint": {
                "uri": counting.url("/bearer"),
                "authentication": { "bearer": { "token": "${ $secrets.canary }" } } } } } },
            { "oauth": { "call": "http", "with": { "method": "get", "endpoint": {
                "uri": counting.url("/oauth"),
                "authentication": { "oauth2": {
                    "authority": counting.url(""), "grant": "client_credentials",
                    "client": { "id": "me", "secret": "${ $secrets.canary }" } } } } } } },
            { "refused": { "try": [{ "fails": { "call": "http", "with": {
                "method": "post", "endpoint": counting.url("/refuses"),
                "body": { "token": "${ $secrets.canary }" } } } }],
                "catch": { "do": [{ "keep": { "set": { "error": "${ $error }" } } }] } } },
            { "handle": { "run": { "shell": {
                "command": "echo \"$TOKEN\"; env", "environment": { "TOKEN": "${ $secrets.canary }" } } } } },
            { "value": {
                "metadata": { "sandbox": { "secrets": ["canary"] } },
                "run": { "shell": {
                    "command": format!(": {HOLDER}; echo \"$TOKEN\"; echo \"$TOKEN\" >&2; sleep 4; test -n \"$TOKEN\""),
                    "environment": { "TOKEN": "${ $secrets.canary }" } }, "return": "all" } } },
        ]),
    );
    document["use"] = json!({ "secrets": ["canary"] });
    document
}

#[tokio::test]
async fn a_canary_is_where_it_is_sent_and_nowhere_else() {
    let data = tempfile::tempdir().unwrap();
    let canary = canary();
    let mut options =
        Options::default().set("sandbox.secrets_in_environment", true).set("log.segment_events", 64);
    options.environment.push(("OPENCLAW_LOG".into(), "trace".into()));
    let (server, counting) = (Server::start(data.path(), options).await, Counting::start().await);
    counting.fail("/refuses", 1, 500);
    counting.body("/oauth2/token", json!({ "access_token": "t", "expires_in": 3600 }));
    init(&server).await;
    set(&server, "canary", &canary).await;
    let hook = json!({ "name": "hook", "url": counting.url("/hook"), "secret": "canary",
        "types": ["io.serverlessworkflow.workflow.completed.v1"] });
    server.rpc("webhook.register", hook).await.unwrap();
    assert!(core_limit(server.pid()).split_whitespace().filter(|word| *word == "0").count() == 2);

    let params = json!({ "definition": document(&counting), "input": null });
    let started = server.rpc("run.start", params).await.unwrap();
    let run = started["runId"].as_str().unwrap().to_owned();
    // While the process with the value in its environment is there, nobody else has it.
    eventually("the process that holds the value", async || {
        let (arguments, environments) = processes(&canary);
        assert_eq!(arguments, Vec::<String>::new());
        if environments.is_empty() {
            return None;
        }
        let allowed = |line: &String| line.contains(HOLDER) || line.starts_with("sleep 4");
        assert!(environments.iter().all(allowed), "{environments:?}");
        Some(())
    })
    .await;
    let ended = server.ended(&run).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(ended["output"]["code"], 0, "the process had the value: {ended}");
    assert!(ended.to_string().contains("(secret canary)") && !ended.to_string().contains(&canary), "{ended}");

    assert_eq!(counting.calls_of("/send")[0].body, json!({ "token": canary }));
    assert_eq!(counting.calls_of("/refuses")[0].body, json!({ "token": canary }));
    assert_eq!((counting.calls_of("/bearer").len(), counting.calls_of("/oauth").len()), (1, 1));
    counting.arrived("/hook", 1).await;
    let purposes: Vec<String> = server
        .events_of_type("credential.used")
        .await
        .iter()
        .map(|used| used["data"]["purpose"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(purposes.len(), 6, "{purposes:?}");
    for part in
        ["/send", "/bearer", "/oauth", "/refuses", "environment of run: shell", "webhook hook: signature"]
    {
        assert!(purposes.iter().any(|purpose| purpose.contains(part)), "{part}: {purposes:?}");
    }

    let shown = server
        .query(
            "query($id: ID!) { run(id: $id) { output input error { detail } tasks(first: 50) { nodes { input output } } }
               events(first: 200) { nodes { type data } } }",
            json!({ "id": run }),
        )
        .await;
    assert!(!shown.to_string().contains(&canary));
    let (_, metrics) = server.caller().get("/metrics").await;
    assert!(metrics.contains("openclaw_") && !metrics.contains(&canary));
    let discovered = server.rpc("rpc.discover", json!({})).await.unwrap();
    assert!(!discovered.to_string().contains(&canary));

    server.rpc("vault.seal", json!({})).await.unwrap();
    // The search finds what is there.
    let known = data.path().to_str().unwrap();
    assert!(memory(server.pid(), known).is_none_or(|found| !found.is_empty()));
    match memory(server.pid(), &canary) {
        Some(found) => {
            assert_eq!(found, Vec::<String>::new(), "the value is in memory after the vault was sealed")
        }
        None => tell("not run: only root may look into the memory of the server"),
    }
    match memory(server.pid(), PASSPHRASE) {
        Some(found) => assert_eq!(found, Vec::<String>::new(), "the passphrase is in memory"),
        None => tell("not run: only root may look into the memory of the server"),
    }

    let said = server.said().join("\n");
    assert!(said.contains("TRACE") && !said.contains(&canary) && !said.contains(PASSPHRASE));
    let history = server.terminate().await;
    assert!(!format!("{history:?}").contains(&canary));
    assert_eq!(files(data.path(), &canary), Vec::<PathBuf>::new());
    assert_eq!(files(data.path(), PASSPHRASE), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_value_is_put_into_no_environment_unless_the_server_allows_it() {
    let data = tempfile::tempdir().unwrap();
    let (server, counting) = (Server::on(data.path()).await, Counting::start().await);
    counting.body("/oauth2/token", json!({ "access_token": "t", "expires_in": 3600 }));
    init(&server).await;
    set(&server, "canary", &canary()).await;
    let mut document = document(&counting);
    let tasks = document["do"].as_array_mut().unwrap();
    let last = tasks.len() - 1;
    tasks.drain(..last);
    let run = server.run(document, Value::Null).await;
    assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(403)), "{run}");
    assert!(run["error"]["detail"].as_str().unwrap().contains("OC-SEC-007"), "{run}");
    assert_eq!(server.events_of_type("credential.used").await.len(), 0);
}
