//! `openclaw doctor sandbox` and `openclaw sandbox run`.

use openclaw_suite::{Finished, openclaw};
use serde_json::Value;

/// What is given at level confined, as `ops/docs/sandbox.md` says.
const CONFINED_GIVES: [&str; 4] = ["work-tmp", "read-processes", "write-hooks", "net-interfaces"];

async fn in_directory(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    openclaw(directory.path(), arguments, variables, None).await
}

/// Ids of the probes of a level that have `result`.
fn ids(report: &Value, level: &str, result: &str) -> Vec<String> {
    let levels = report["levels"].as_array().unwrap();
    let level =
        levels.iter().find(|each| each["level"] == level).unwrap_or_else(|| panic!("{level}: {report}"));
    let probes = level["probes"].as_array().unwrap().iter().filter(|probe| probe["result"] == result);
    probes.map(|probe| probe["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_doctor_names_the_level_in_force_and_every_probe() {
    let report = in_directory(&["doctor", "sandbox", "--json"], &[]).await.succeeded().json();
    assert_eq!((&report["level"], &report["configured"]), (&"strict".into(), &"strict".into()), "{report}");
    assert_eq!((&report["reached"], &report["backend"]), (&true.into(), &"bubblewrap".into()));
    for layer in ["bubblewrap", "user namespaces", "seccomp", "landlock", "control groups"] {
        assert!(report["layers"][layer].is_string(), "{layer}: {report}");
    }
    let known: Vec<_> = ["pass", "skip"].iter().flat_map(|result| ids(&report, "strict", result)).collect();
    assert!(known.len() >= 30, "{known:?}");
    for level in ["strict", "relaxed"] {
        assert_eq!(ids(&report, level, "fail"), Vec::<String>::new(), "{level}");
    }
    assert_eq!(ids(&report, "confined", "fail"), CONFINED_GIVES);
    for level in report["levels"].as_array().unwrap() {
        assert!(
            level["start_median_ms"].as_f64().unwrap() > 0.0 && level["unavailable"].is_null(),
            "{level}"
        );
    }
}

#[tokio::test]
async fn the_doctor_ends_with_1_where_the_configured_level_is_not_reached() {
    // As on a machine without user namespaces.
    let confined = ("OPENCLAW_SANDBOX__BACKEND", "confined");
    let table = in_directory(&["doctor", "sandbox"], &[confined]).await;
    assert_eq!(table.code, Some(1), "{table:?}");
    let text = &table.stdout;
    assert!(text.starts_with("level in force  confined\nconfigured      strict  (not reached)\n"), "{text}");
    assert!(text.contains("strict cannot be reached: OC-SBX-004"), "{text}");
    let line = |id: &str| {
        let found = text.lines().find(|line| line.split_whitespace().next() == Some(id));
        found.unwrap_or_else(|| panic!("{id}: {text}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("probe")[1..], ["strict", "relaxed", "confined"]);
    for id in CONFINED_GIVES {
        assert_eq!(line(id)[3], "gives", "{text}");
    }
    for id in ["work-files", "read-shadow", "write-outside", "privilege-none", "net-sockets", "limit-time"] {
        assert_eq!(line(id)[1..4], ["-", "-", "pass"], "{text}");
    }
    assert!(!text.contains("FAIL"), "{text}");
}

#[tokio::test]
async fn where_confined_is_enough_the_doctor_is_content_with_it() {
    let settings = [("OPENCLAW_SANDBOX__BACKEND", "confined"), ("OPENCLAW_SANDBOX__LEVEL", "confined")];
    let report = in_directory(&["doctor", "sandbox", "--json"], &settings).await.succeeded().json();
    assert_eq!((&report["level"], &report["reached"]), (&"confined".into(), &true.into()), "{report}");
}

#[tokio::test]
async fn a_command_at_the_terminal_is_confined_and_ends_with_its_own_code_or_that_of_its_limit() {
    let own =
        in_directory(&["sandbox", "run", "--", "sh", "-c", "cat /etc/shadow; echo done; exit 7"], &[]).await;
    assert_eq!((own.code, own.stdout.as_str()), (Some(7), "done\n"), "{own:?}");
    let wall = in_directory(&["sandbox", "run", "--wall", "1", "--", "sleep", "50"], &[]).await;
    assert_eq!(wall.code, Some(124), "{wall:?}");
    assert!(wall.stderr.contains("OC-SBX-006: killed, it passed its limit on time: 1 s"), "{wall:?}");
    let grow = ["sandbox", "run", "--", "sh", "-c", "exec head -c 3000000 /dev/zero > big"];
    let file = in_directory(&grow, &[("OPENCLAW_SANDBOX__FILE_BYTES", "1048576")]).await;
    assert_eq!(file.code, Some(137), "{file:?}");
    assert!(file.stderr.contains("OC-SBX-006") && file.stderr.contains("1048576 bytes"), "{file:?}");
    let unreached =
        in_directory(&["sandbox", "run", "--", "true"], &[("OPENCLAW_SANDBOX__BACKEND", "confined")]).await;
    assert_eq!(unreached.code, Some(125), "{unreached:?}");
    assert!(unreached.stderr.contains("OC-SBX-004"), "{unreached:?}");
}
