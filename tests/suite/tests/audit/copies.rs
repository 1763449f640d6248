//! What is handed out: trails, bundles, exports.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use super::{Place, work};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn a_bundle_is_checked_without_the_server_and_a_changed_one_is_found() {
    let place = Place::new();
    let server = place.server().await;
    let run = work(&server).await;
    work(&server).await;
    let file = place.outside.path().join("run.bundle");
    let name = file.to_str().expect("a Unicode name");
    let written = server.cli(&["audit", "bundle", &run, "-o", name, "--json"], None).await.succeeded().json();
    let _ = server.terminate().await;
    let key = place.cli(&["audit", "key", "--json"]).await.succeeded().json();
    let key = key["key"].as_str().expect("a key");
    // Somewhere else, where there is no data.
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let check = async |arguments: &[&str]| {
        openclaw_suite::openclaw(elsewhere.path(), &[&["audit", "check"], arguments].concat(), &[], None)
            .await
    };
    let checked = check(&[name, "--key", key, "--json"]).await.succeeded().json();
    assert_eq!((&checked["run"], &checked["events"]), (&json!(run), &written["events"]));
    let events = lines(&check(&[name, "--events"]).await.succeeded().stdout);
    assert_eq!(events[0]["type"], "run.started");
    assert!(events.iter().all(|event| event["stream"] == format!("run/{run}")), "{events:?}");
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(check(&[name, "--key", other]).await.code, Some(1));

    let mut bytes = fs::read(&file).expect("the bundle");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&file, bytes).expect("the bundle");
    let found = check(&[name]).await;
    assert!(found.code == Some(1) && found.stdout.contains("OC-AUD-008"), "{found:?}");
    // That a copy was taken is in the log.
    let taken = place.cli(&["audit", "export", "--stream", "audit/main"]).await.succeeded();
    let taken = lines(&taken.stdout);
    assert!(
        taken
            .iter()
            .any(|event| event["type"] == "audit.exported" && event["data"]["what"] == format!("run/{run}")),
        "{taken:?}"
    );
}

#[tokio::test]
async fn a_trail_is_the_same_of_a_running_server_and_of_its_directory() {
    let place = Place::new();
    let server = place.server().await;
    let run = work(&server).await;
    work(&server).await;
    let there = server.cli(&["audit", "trail", "--run", &run, "--json"], None).await.succeeded();
    let text = server.cli(&["audit", "trail", "--run", &run], None).await.succeeded();
    assert!(
        text.stdout.contains("token:operator") && text.stdout.contains("workflow shop/add 1.0.0"),
        "{text:?}"
    );
    let nothing = server.cli(&["audit", "trail", "--session", "nobody"], None).await;
    assert!(nothing.stderr.contains("OC-AUD-011"), "{nothing:?}");
    let history = server.terminate().await;
    let here = place.cli(&["audit", "trail", "--run", &run, "--json"]).await.succeeded();
    assert_eq!(there.stdout, here.stdout);
    let own: Vec<u64> = history.of_run(&run).iter().map(|entry| entry.position).collect();
    let found: BTreeSet<u64> =
        lines(&here.stdout).iter().map(|entry| entry["position"].as_u64().expect("a position")).collect();
    assert!(own.iter().all(|position| found.contains(position)), "{own:?} {found:?}");
    let all = place.cli(&["audit", "trail", "--actor", "runtime", "--json"]).await.succeeded();
    assert!(lines(&all.stdout).iter().all(|entry| entry["actor"] == "runtime"));
}

#[tokio::test]
async fn an_export_has_cloud_events_and_a_running_log_is_verified_from_outside() {
    let place = Place::new();
    let server = place.server().await;
    let run = work(&server).await;
    let verified = server.cli(&["audit", "verify", "--json"], None).await;
    let findings = verified.json();
    assert_eq!(findings["ok"], true, "{findings}");
    assert!(findings["readModel"].as_str().is_some_and(|text| text.contains("not compared")), "{findings}");
    let stream = format!("run/{run}");
    let exported = server
        .cli(&["audit", "export", "--format", "cloudevents", "--stream", &stream], None)
        .await
        .succeeded();
    let events = lines(&exported.stdout);
    assert_eq!(events[0]["type"], "io.openclaw.run.started");
    for event in &events {
        assert_eq!((&event["specversion"], &event["subject"]), (&json!("1.0"), &json!(stream)));
        assert!(
            event["source"].as_str().is_some_and(|source| source.starts_with("urn:openclaw:log:")),
            "{event}"
        );
    }
    let (status, _) = server.caller().get("/audit/trail").await;
    assert_eq!(status, 400, "a trail is of something");
    let anonymous = server.caller().anonymous(reqwest::Method::GET, "/audit/frames").send().await;
    assert_eq!(anonymous.expect("the server answers").status(), 401);
    let _ = server.terminate().await;
}
