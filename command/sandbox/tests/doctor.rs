//! The doctor finds what is there, and what is not.

mod support;

use openclaw_ports::sandbox::Level;
use openclaw_sandbox::{
    Backend, Config, Layer,
    doctor::{self, ProbeResult, Report},
};

async fn examine(config: Config) -> Report {
    let scratch = tempfile::tempdir().expect("the doctor works");
    // Of a directory that others may pass, as the doctor's own is.
    std::fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("the doctor works");
    let report =
        doctor::examine(Config { scratch: scratch.path().into(), ..config }).await.expect("the doctor works");
    assert_eq!(std::fs::read_dir(scratch.path()).expect("the doctor works").count(), 0, "nothing is left");
    report
}

fn failures(report: &Report, level: Level) -> Vec<&'static str> {
    let report = report.levels.iter().find(|each| each.level == level).expect("the doctor works");
    assert_eq!(report.unavailable, None);
    report.probes.iter().filter(|probe| probe.result == ProbeResult::Fail).map(|probe| probe.id).collect()
}

#[tokio::test]
async fn every_probe_holds_at_strict_and_relaxed_and_those_that_are_documented_at_confined() {
    let report = examine(support::config()).await;
    let surprises: Vec<_> = report
        .levels
        .iter()
        .flat_map(|level| level.probes.iter().map(move |probe| (level.level, probe)))
        .filter(|(_, probe)| !probe.as_documented)
        .collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert_eq!(report.level, Level::Strict, "{report:#?}");
    assert!(failures(&report, Level::Strict).is_empty() && failures(&report, Level::Relaxed).is_empty());
    assert_eq!(
        failures(&report, Level::Confined),
        ["work-tmp", "read-processes", "write-hooks", "net-interfaces"]
    );
}

/// A layer that is left out is missed: the doctor would not say strict of a machine that has not all of it.
#[tokio::test]
async fn without_the_filter_the_level_is_not_reached() {
    let report = examine(Config { without: [Layer::Seccomp].into(), ..support::config() }).await;
    assert_eq!(report.level, Level::None, "{report:#?}");
    let failed = failures(&report, Level::Strict);
    assert!(failed.contains(&"privilege-filter") && failed.contains(&"net-sockets"), "{failed:?}");
}

#[tokio::test]
async fn without_namespaces_the_level_is_confined_and_stricter_ones_say_why_not() {
    let report = examine(Config { backend: Backend::Confined, ..support::config() }).await;
    assert_eq!((report.level, report.backend), (Level::Confined, "confined"));
    let strict = &report.levels[0];
    assert!(strict.unavailable.as_deref().unwrap().starts_with("OC-SBX-004"), "{strict:?}");
}
