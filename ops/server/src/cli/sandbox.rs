//! `openclaw sandbox run`.

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use openclaw_ports::sandbox;
use openclaw_sandbox::Machine;

use crate::config::{Config, Environment};

/// What to do in a sandbox.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Run one command with the current directory as workspace and pass its exit code on.
    Run(Run),
}

/// Run one command with the current directory as workspace and pass its exit code on.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// How much it may touch.
    #[arg(long, value_enum, default_value_t = Level::Strict)]
    level: Level,
    /// Time on the wall after which everything is killed, instead of the configured one. Suites of sandbox probes say
    /// theirs in PROBE_WALL.
    #[arg(long, env = "PROBE_WALL", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    wall: Option<u64>,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// How much a command may touch.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// Nothing is isolated; limits and the clean environment still apply.
    None,
    /// What works without namespaces; a stricter level where the machine reaches one.
    Confined,
    /// As strict, with internet sockets in a network of its own that leads nowhere.
    Relaxed,
    /// No network, read-only system; only the workspace is writable.
    Strict,
}

impl From<Level> for sandbox::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::None => Self::None,
            Level::Confined => Self::Confined,
            Level::Relaxed => Self::Relaxed,
            Level::Strict => Self::Strict,
        }
    }
}

/// The exit code is the command's own; see [`openclaw_sandbox::cli::run`] for the others.
pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Run(args) = command;
    let config = Config::load(None, &Environment::of_the_process(), &[])?;
    let workspace = std::env::current_dir().context("there is no current directory")?;
    let machine = Machine::new(config.sandbox.config());
    let mut policy = sandbox::Policy { level: args.level.into(), ..config.sandbox.policy() };
    policy.limits.wall = args.wall.map_or(policy.limits.wall, Duration::from_secs);
    let code = openclaw_sandbox::cli::run(&machine, policy, args.command, workspace).await;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}
