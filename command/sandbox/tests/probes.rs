//! The collection of probes outside this repository: about eighty attacks and nine pieces of useful work.

use std::process::Command;

/// Runs them all when `OPENCLAW_PROBES_DIR` names the directory with `sandbox_probes.sh`. Takes about a minute.
#[test]
fn every_probe_passes_but_those_that_need_control_groups() {
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
    for level in ["strict", "relaxed"] {
        let prefix =
            format!("{} run --level {level} --wall 6 --", env!("CARGO_BIN_EXE_openclaw-sandbox-helper"));
        let mut command = Command::new(&script);
        command.arg(&prefix).env("PROBE_NEED_CGROUP", "0").env("PROBE_WALL", "6");
        if root {
            command.env("PROBE_UID", "65534");
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{level}:\n{text}");
        assert!(text.lines().filter(|line| line.starts_with("PASS")).count() >= 60, "{level}:\n{text}");
    }
}
