//! Running it: probes, metrics, the token, stopping, and the command line.

use std::{os::unix::fs::PermissionsExt, path::Path};

use openclaw_suite::{
    Finished, History, Options, Server,
    documents::{shell, workflow},
    openclaw,
};
use reqwest::Method;
use serde_json::{Value, json};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the suite lies in tests/suite")
}

#[tokio::test]
async fn the_metrics_have_every_family_that_operators_rely_on() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.run(workflow("w", json!([{ "a": shell("true") }])), json!({})).await;
    let _ = server.rpc("no.such.method", json!({})).await;
    server.query("{ freshness { position } }", json!({})).await;
    let (status, text) = server.caller().get("/metrics").await;
    assert_eq!(status, 200);
    for family in [
        "openclaw_log_append_seconds",
        "openclaw_log_fsync_seconds",
        "openclaw_log_commit_events",
        "openclaw_sequencer_queue_depth",
        "openclaw_sequencer_drain_commands",
        "openclaw_projection_lag_events",
        "openclaw_projection_lag_seconds",
        "openclaw_runs_total",
        "openclaw_tasks_total",
        "openclaw_sandbox_spawns_total",
        "openclaw_http_requests_total",
        "openclaw_http_duration_seconds",
        "openclaw_rpc_requests_total",
        "openclaw_query_requests_total",
    ] {
        assert!(text.lines().any(|line| line.starts_with(family)), "{family} is missing from\n{text}");
    }
    let value = |prefix: &str| text.lines().find(|line| line.starts_with(prefix)).map(|line| line.to_owned());
    assert!(value("openclaw_runs_total{outcome=\"completed\"} 1").is_some(), "{text}");
    assert!(text.contains("method=\"unknown\""), "callers cannot invent label values");
    assert!(!text.contains("no.such.method"));
    server.terminate().await;
}

#[tokio::test]
async fn everything_but_the_probes_is_behind_the_token() {
    let data = tempfile::tempdir().unwrap();
    // What guesses a token is held off after some tries, which is tested elsewhere.
    let server = Server::start(data.path(), Options::default().set("limits.wrong_tokens", 100_000)).await;
    for (probe, part) in [("/livez", "ok"), ("/readyz", "\"ready\":true")] {
        let response = server.caller().anonymous(Method::GET, probe).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().contains(part));
    }
    let wrong = format!("{}x", server.caller().token());
    for path in ["/rpc", "/graphql", "/metrics", "/", "/nothing", "/rpc/", "//rpc"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            for token in [None, Some(""), Some("null"), Some(wrong.as_str())] {
                let mut request = server.caller().anonymous(method.clone(), path).body("{}");
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let status = request.send().await.unwrap().status().as_u16();
                assert_eq!(status, 401, "{method} {path} with {token:?}");
            }
        }
    }
    let evil =
        server.caller().request(Method::GET, "/metrics").header("host", "evil.example").send().await.unwrap();
    assert_eq!(evil.status(), 421, "names that point here from elsewhere are refused");
    let page = server.caller().request(Method::POST, "/rpc").header("origin", "https://evil.example");
    assert_eq!(page.send().await.unwrap().status(), 403, "pages of others are refused");
    server.terminate().await;
}

#[tokio::test]
async fn the_token_is_for_its_owner_only_and_stays_the_same() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("new");
    let server = Server::on(&directory).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("token"))), (0o700, 0o600));
    let token = server.caller().token().to_owned();
    assert!(token.len() >= 32, "it cannot be guessed");
    assert!(!server.said().iter().filter(|line| line.contains(" INFO ")).any(|line| line.contains(&token)));
    let server = server.restart().await;
    assert_eq!(server.caller().token(), token);
    assert!(!server.said().iter().any(|line| line.contains(&token)), "it is shown once");
    server.terminate().await;
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing_that_was_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    let mut load = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let caller = server.caller().clone();
        load.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let content = format!("{worker}/{number}");
                let params = json!({ "sessionId": "s", "content": content });
                match caller.call("session.message", &params, None).await {
                    Ok(Ok(answer)) => acknowledged.push((answer["position"].as_u64().unwrap(), content)),
                    Ok(Err(error)) => {
                        assert_eq!(error["data"]["code"], "OC-CMD-004", "{error}");
                        break;
                    }
                    Err(_) => break,
                }
            }
            acknowledged
        });
    }
    openclaw_suite::eventually("some load", async || {
        (server.client().health().await.ok()?.position.0 > 200).then_some(())
    })
    .await;
    let document = workflow("long", json!([{ "nap": { "wait": { "hours": 1 } } }]));
    server.rpc("run.start", json!({ "definition": document })).await.unwrap();
    let history = server.terminate().await;
    let acknowledged: Vec<(u64, String)> = load.join_all().await.into_iter().flatten().collect();
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    for (position, content) in acknowledged {
        assert_eq!(history.at(position).map(|entry| &entry.data["content"]), Some(&json!(content)));
    }
}

fn result(finished: &Finished) -> Value {
    let run = finished.clone().succeeded().json();
    assert_eq!(run["status"], "completed", "{finished:?}");
    assert!(run["runId"].is_string() && run["position"].is_u64(), "{run}");
    run["output"].clone()
}

#[tokio::test]
async fn a_workflow_runs_from_a_file_on_a_server_and_without_one() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("greet.json");
    let document = workflow("greet", json!([{ "greet": { "set": { "text": "${ \"Hello, \" + .name }" } } }]));
    std::fs::write(&file, document.to_string()).unwrap();
    let (file, input) = (file.to_str().unwrap(), "{\"name\":\"Ada\"}");
    let run = ["run", file, "--input", "-", "--json"];

    let server = Server::on(&data.path().join("served")).await;
    assert_eq!(result(&server.cli(&run, Some(input)).await), json!({ "text": "Hello, Ada" }));
    let named = [
        ("OPENCLAW_URL", server.caller().base()),
        ("OPENCLAW_TOKEN", server.caller().token()),
        ("OPENCLAW_DATA", "/nonexistent"),
    ];
    assert_eq!(
        result(&openclaw(data.path(), &run, &named, Some(input)).await),
        json!({ "text": "Hello, Ada" })
    );
    let status = server.cli(&["status", "--json"], None).await.succeeded().json();
    assert_eq!((&status["running"], &status["health"]["status"]), (&json!(true), &json!("ok")));
    let history = server.terminate().await;
    assert_eq!(history.streams("run/").len(), 2);

    let alone = data.path().join("alone");
    let alone = [("OPENCLAW_DATA", alone.to_str().unwrap())];
    assert_eq!(
        result(&openclaw(data.path(), &run, &alone, Some(input)).await),
        json!({ "text": "Hello, Ada" })
    );
    let status = openclaw(data.path(), &["status", "--json"], &alone, None).await;
    assert_eq!((status.code, status.json()["running"].as_bool()), (Some(4), Some(false)));
    assert_eq!(History::verified(&data.path().join("alone")).await.streams("run/").len(), 1);
}

#[tokio::test]
async fn the_exit_code_says_how_a_run_ended() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let raise = json!({ "raise": { "error": { "type": "https://a.test/e", "status": 500 } } });
    for (name, document, code) in [
        ("fails", workflow("fails", json!([{ "a": raise }])).to_string(), 1),
        ("wrong", workflow("wrong", json!([{ "a": { "st": {} } }])).to_string(), 4),
        ("junk", "{".to_owned(), 4),
    ] {
        std::fs::write(data.path().join(name), document).unwrap();
        let finished = server.cli(&["run", name, "--json"], None).await;
        assert_eq!(finished.code, Some(code), "{name}: {finished:?}");
        match code {
            1 => assert_eq!(finished.json()["error"]["status"], 500),
            _ => assert!(finished.stdout.is_empty() && finished.stderr.contains("OC-WF-"), "{finished:?}"),
        }
    }
    assert_eq!(server.cli(&["run"], None).await.code, Some(2));
    server.terminate().await;
}

#[tokio::test]
async fn a_log_that_was_tampered_with_is_told_by_position() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.rpc("session.create", json!({ "sessionId": "s" })).await.unwrap();
    for number in 0..40 {
        let content = format!("number {number} of forty");
        server.rpc("session.message", json!({ "sessionId": "s", "content": content })).await.unwrap();
    }
    server.terminate().await;
    let path = data.path().to_str().unwrap();
    let whole = openclaw(data.path(), &["log", "verify", "--data", path], &[], None).await.succeeded();
    assert!(whole.stdout.contains("41 events"), "{whole:?}");
    let range = ["log", "export", "--data", path, "--from", "5", "--to", "7"];
    let range = openclaw(data.path(), &range, &[], None).await.succeeded();
    assert_eq!(range.stdout.lines().count(), 3);

    assert!(replace_in_files(&data.path().join("log"), b"number 20 of forty", b"number 99 of forty") > 0);
    let broken = openclaw(data.path(), &["log", "verify", "--json", "--data", path], &[], None).await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let broken = broken.json();
    assert_eq!((&broken["ok"], &broken["code"]), (&json!(false), &json!("OC-LOG-001")));
    // Not later than the event that was changed; sled drops more than that when its own checksums do not fit.
    assert!((1..=22).contains(&broken["position"].as_u64().unwrap()), "{broken}");
}

/// Replaces bytes wherever they stand in the files below a directory; says how often.
fn replace_in_files(directory: &Path, from: &[u8], to: &[u8]) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += replace_in_files(&path, from, to);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let places: Vec<usize> = bytes
            .windows(from.len())
            .enumerate()
            .filter(|(_, part)| *part == from)
            .map(|(place, _)| place)
            .collect();
        for place in &places {
            bytes[*place..place + to.len()].copy_from_slice(to);
        }
        if !places.is_empty() {
            std::fs::write(&path, bytes).unwrap();
            count += places.len();
        }
    }
    count
}

#[tokio::test]
async fn the_examples_do_what_they_say() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let examples = repository().join("examples");
    let at = |path: &str| examples.join(path).to_str().unwrap().to_owned();
    let log =
        std::process::Command::new("sh").arg(at("access-log/generate.sh")).arg("2000").output().unwrap();
    assert!(log.status.success());
    let log = String::from_utf8(log.stdout).unwrap();
    let errors =
        log.lines().filter(|line| line.split(' ').nth(8).is_some_and(|status| status >= "500")).count();

    let report =
        server.cli(&["run", &at("access-log/report.yaml"), "--input", "-", "--json"], Some(&log)).await;
    let output = result(&report);
    assert_eq!((&output["lines"], &output["errors"]), (&json!(2000), &json!(errors)));
    assert_eq!(output["attempts"], 3, "the flaky step failed twice");
    let text = output["report"].as_str().unwrap();
    assert!(text.starts_with("# Access log report") && text.contains("2000 requests"), "{text}");
    let run = report.json()["runId"].as_str().unwrap().to_owned();
    let kept = std::fs::read_to_string(data.path().join("workspaces").join(&run).join("report.md")).unwrap();
    assert_eq!(kept, text, "the report stays behind in the workspace");

    let ticket = server
        .cli(
            &[
                "run",
                &at("support-session/triage.yaml"),
                "--input",
                &at("support-session/ticket.json"),
                "--json",
            ],
            None,
        )
        .await;
    let output = result(&ticket);
    assert_eq!(output["urgency"], "high");
    let query = "query($id: ID!, $at: Position) { session(id: $id, minPosition: $at) { status endReason
        state { key value } messages { nodes { direction } } } }";
    let at = ticket.json()["position"].as_u64().unwrap().to_string();
    let shown = server.query(query, json!({ "id": output["sessionId"], "at": at })).await;
    assert_eq!(
        (&shown["session"]["status"], &shown["session"]["endReason"]),
        (&json!("ended"), &json!("triaged"))
    );
    assert_eq!(shown["session"]["messages"]["nodes"].as_array().unwrap().len(), 3);
    server.terminate().await;
}

#[tokio::test]
async fn one_command_runs_in_the_sandbox_and_its_exit_code_is_passed_on() {
    let directory = tempfile::tempdir().unwrap();
    let run = async |level: &str, script: &str| {
        let arguments = ["sandbox", "run", "--level", level, "--", "sh", "-c", script];
        openclaw(directory.path(), &arguments, &[], None).await
    };
    for level in ["strict", "relaxed", "none"] {
        let finished = run(level, "pwd > made; echo out; echo err >&2; exit 7").await;
        assert_eq!(finished.code, Some(7), "{level}: {finished:?}");
        assert_eq!((finished.stdout.as_str(), finished.stderr.trim()), ("out\n", "err"), "{level}");
        assert!(directory.path().join("made").exists(), "{level}: the current directory is the workspace");
        std::fs::remove_file(directory.path().join("made")).unwrap();
    }
    let secret = directory.path().parent().unwrap().join(format!("suite-secret-{}", std::process::id()));
    std::fs::write(&secret, "hidden").unwrap();
    let peek = format!("cat {}", secret.display());
    assert_ne!(run("strict", &peek).await.code, Some(0), "what is beside the workspace is not to be seen");
    assert_eq!(run("none", &peek).await.stdout, "hidden");
    std::fs::remove_file(secret).unwrap();
}

#[tokio::test]
async fn the_printed_configuration_gives_the_same_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("openclaw.toml");
    let path = file.to_str().unwrap();
    let environment = [("OPENCLAW_SANDBOX__WALL", "90s"), ("OPENCLAW_DATA", "/tmp/elsewhere")];
    let printed =
        openclaw(directory.path(), &["serve", "--print-config"], &environment, None).await.succeeded();
    assert!(printed.stdout.contains("90s") && printed.stdout.contains("/tmp/elsewhere"), "{printed:?}");
    std::fs::write(&file, &printed.stdout).unwrap();
    let again = ["serve", "--print-config", "--config", path];
    assert_eq!(openclaw(directory.path(), &again, &[], None).await.succeeded().stdout, printed.stdout);

    std::fs::write(&file, "[server]\nlisen = \"127.0.0.1:0\"\n").unwrap();
    let wrong = openclaw(directory.path(), &["serve", "--config", path], &[], None).await;
    assert!(wrong.code == Some(4) && wrong.stderr.contains("server.lisen"), "{wrong:?}");
}
