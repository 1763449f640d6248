//! The collection of probes outside this repository: about sixty attacks and nine pieces of useful work.

use std::{collections::BTreeSet, process::Command};

/// What level confined does not give, as `ops/docs/sandbox.md` says and why.
const CONFINED_GIVES: [&str; 5] = ["U03", "R04", "R17", "W05", "N06"];

/// Runs them all when `OPENCLAW_PROBES_DIR` names the directory with `sandbox_probes.sh`. Takes about two minutes.
#[test]
fn every_probe_comes_out_as_documented() {
    #[expect(clippy::disallowed_methods, reason = "a test chooses its own scope by the environment")]
    let Some(directory) = std::env::var_os("OPENCLAW_PROBES_DIR") else {
        #[expect(clippy::disallowed_macros, reason = "a skipped test says so")]
        {
            println!("skipped: OPENCLAW_PROBES_DIR is not set");
        }
        return;
    };
    let script = std::path::Path::new(&directory).join("sandbox_probes.sh");
    let root = rustix::process::geteuid().is_root();
    let levels: [(&str, &[&str]); 3] =
        [("strict", &[]), ("relaxed", &[]), ("confined --confined-backend", &CONFINED_GIVES)];
    for (level, gives) in levels {
        let prefix =
            format!("{} run --level {level} --wall 6 --", env!("CARGO_BIN_EXE_openclaw-sandbox-helper"));
        let mut command = Command::new(&script);
        command.arg(&prefix).env("PROBE_NEED_CGROUP", "0").env("PROBE_WALL", "6");
        if root {
            command.env("PROBE_UID", "65534");
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let ids = |verdict: &str| -> BTreeSet<String> {
            let lines = text.lines().filter(|line| line.starts_with(verdict));
            lines.filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
        };
        let failed: BTreeSet<_> = ids("FAIL").union(&ids("ERROR")).cloned().collect();
        let expected: BTreeSet<_> = gives.iter().map(ToString::to_string).collect();
        assert_eq!(failed, expected, "{level}:\n{text}");
        assert!(ids("PASS").len() >= 60, "{level}:\n{text}");
        // Only what needs control groups or quotas may be skipped.
        let may_skip = BTreeSet::from(["X03", "X06", "X08"].map(str::to_owned));
        assert!(ids("SKIP").is_subset(&may_skip), "{level}:\n{text}");
    }
}
