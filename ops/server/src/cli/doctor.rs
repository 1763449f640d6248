//! `openclaw doctor`: examines what the server stands on, by trying it.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use openclaw_sandbox::doctor::{self, LevelReport, ProbeResult, Report};

use super::output;
use crate::config::{Config, Environment};

/// Exit code when the configured level is not reached.
const NOT_REACHED: u8 = 1;

/// What to examine.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Run useful work and attacks in the sandbox at each level, and say which level is in force.
    Sandbox(Sandbox),
}

/// Run useful work and attacks in the sandbox at each level, and say which level is in force. The exit code is 1 if the
/// configured level is not reached.
#[derive(Debug, clap::Args)]
pub(super) struct Sandbox {
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE", env = "OPENCLAW_CONFIG")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Examines and prints.
pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Sandbox(args) = command;
    let config = Config::load(args.config.as_deref(), &Environment::of_the_process(), &[])?;
    let report = doctor::examine(config.sandbox.config())
        .await
        .context("there is no place for the sandbox's workspaces")?;
    let wanted = config.sandbox.level();
    let reached = report.level >= wanted;
    if args.json {
        let mut value = serde_json::to_value(&report)?;
        value["configured"] = wanted.name().into();
        value["reached"] = reached.into();
        output::data(&value.to_string())?;
    } else {
        output::data(table(&report, wanted.name(), reached).trim_end())?;
    }
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::from(NOT_REACHED) })
}

fn table(report: &Report, configured: &str, reached: bool) -> String {
    let mut text = format!("level in force  {}\nconfigured      {configured}", report.level);
    text.push_str(if reached { "\n" } else { "  (not reached)\n" });
    let _ = writeln!(text, "backend         {}", report.backend);
    if let Some(reason) = &report.reason {
        let _ = writeln!(text, "because         {reason}");
    }
    for (layer, state) in &report.layers {
        let _ = writeln!(text, "{layer:<15} {state}");
    }
    let _ = write!(text, "\n{:<22}", "start, median");
    for level in &report.levels {
        let time = level.start_median_ms.map_or_else(|| "-".into(), |ms| format!("{ms:.1} ms"));
        let _ = write!(text, "{:<22}", format!("{} {time}", level.level));
    }
    text.push_str("\n\n");
    let _ = write!(text, "{:<22}", "probe");
    for level in &report.levels {
        let _ = write!(text, "{:<12}", level.level.name());
    }
    text.push('\n');
    let most = report.levels.iter().max_by_key(|level| level.probes.len());
    for probe in most.map(|level| level.probes.as_slice()).unwrap_or_default() {
        let _ = write!(text, "{:<22}", probe.id);
        for level in &report.levels {
            let _ = write!(text, "{:<12}", cell(level, probe.id));
        }
        let _ = writeln!(text, "{}", probe.title);
    }
    for level in &report.levels {
        if let Some(reason) = &level.unavailable {
            let _ = writeln!(text, "\n{} cannot be reached: {reason}", level.level);
        }
        for probe in level.probes.iter().filter(|probe| !probe.as_documented) {
            let seen = probe.seen.as_deref().unwrap_or_default().escape_debug().to_string();
            let _ = writeln!(text, "\n{} at {} is not as documented: {seen}", probe.id, level.level);
        }
    }
    text
}

/// `gives` is a failure that the documentation has.
fn cell(level: &LevelReport, id: &str) -> &'static str {
    match level.probes.iter().find(|probe| probe.id == id) {
        None => "-",
        Some(probe) => match (probe.result, probe.as_documented) {
            (ProbeResult::Pass, _) => "pass",
            (ProbeResult::Skip, _) => "skip",
            (ProbeResult::Fail, true) => "gives",
            (ProbeResult::Fail, false) => "FAIL",
        },
    }
}
