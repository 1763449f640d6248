//! The command line: data on standard output, everything else on standard error.

mod approvals;
mod audit;
mod connect;
mod credential;
mod doctor;
mod event;
mod log;
mod output;
mod policy;
mod run;
mod sandbox;
mod serve;
mod status;
mod token;
mod user;
mod vault;
mod workflow;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

pub(crate) use output::note;

use crate::config::{Config, Environment, LogFormat, Override};

/// Exit code of a command that could not do what it was asked to. `run` has more: see there.
const FAILURE: u8 = 4;

/// Runs AI agents and workflows, and keeps a log of everything that happened.
#[derive(Debug, Parser)]
#[command(name = "openclaw", version, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Args),
    /// Run a workflow and wait for its end.
    Run(run::Args),
    /// List, show and decide what people are asked.
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// Publish events.
    #[command(subcommand)]
    Event(event::Command),
    /// Verify or export the event log of a stopped server.
    #[command(subcommand)]
    Log(log::Command),
    /// Make, open and close the vault, and look after its keys.
    #[command(subcommand)]
    Vault(vault::Command),
    /// Put credentials into the vault, list them and take them out.
    #[command(subcommand)]
    Credential(credential::Command),
    /// Prove the log, and follow things through it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Say what agents may do with tools.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Say how the server is.
    Status(status::Args),
    /// Check, draw and test workflows. No server is needed.
    #[command(subcommand)]
    Workflow(workflow::Command),
    /// Issue, list and revoke tokens, with which programs prove who they are.
    #[command(subcommand)]
    Token(token::Command),
    /// Say who may log in.
    #[command(subcommand)]
    User(user::Command),
    /// Run commands as workflows run them.
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Examine what the server stands on, by trying it.
    #[command(subcommand)]
    Doctor(doctor::Command),
}

/// What every command that reads the configuration takes.
#[derive(Clone, Debug, Args)]
struct Settings {
    /// The data directory.
    #[arg(long, value_name = "DIR", env = "OPENCLAW_DATA")]
    data: Option<PathBuf>,
    /// A TOML file with settings; see --print-config of `serve` for what can be set.
    #[arg(long, value_name = "FILE", env = "OPENCLAW_CONFIG")]
    config: Option<PathBuf>,
    /// What is logged on standard error: error, warn, info, debug, trace or a filter.
    #[arg(long, value_name = "LEVEL", env = "OPENCLAW_LOG")]
    log_level: Option<String>,
    /// How a log line looks.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl Settings {
    /// The configuration, with these flags and `more` over it.
    fn load(&self, more: &[Override]) -> Result<Config, crate::config::Error> {
        let mut flags = Vec::new();
        if let Some(data) = &self.data {
            flags.push(Override::flag("--data", "data", data.to_string_lossy()));
        }
        if let Some(level) = &self.log_level {
            flags.push(Override::flag("--log-level", "telemetry.level", level));
        }
        match self.log_format {
            Some(LogFormat::Text) => flags.push(Override::flag("--log-format", "telemetry.format", "text")),
            Some(LogFormat::Json) => flags.push(Override::flag("--log-format", "telemetry.format", "json")),
            None => {}
        }
        flags.extend_from_slice(more);
        Config::load(self.config.as_deref(), &Environment::of_the_process(), &flags)
    }
}

impl Cli {
    /// Does what was asked. The exit code is 0 if it worked.
    pub(crate) async fn carry_out(self) -> ExitCode {
        let done = match self.command {
            Command::Serve(args) => serve::serve(args).await,
            Command::Run(args) => run::run(args).await,
            Command::Approvals(command) => approvals::carry_out(command).await,
            Command::Event(command) => event::carry_out(command).await,
            Command::Log(command) => log::carry_out(command).await,
            Command::Vault(command) => vault::carry_out(command).await,
            Command::Credential(command) => credential::carry_out(command).await,
            Command::Audit(command) => audit::carry_out(command).await,
            Command::Policy(command) => policy::carry_out(command).await,
            Command::Status(args) => status::status(args).await,
            Command::Workflow(command) => workflow::carry_out(command),
            Command::Token(command) => token::carry_out(command).await,
            Command::User(command) => user::carry_out(command).await,
            Command::Sandbox(command) => sandbox::carry_out(command).await,
            Command::Doctor(command) => doctor::carry_out(command).await,
        };
        done.unwrap_or_else(|error| {
            output::note(&format!("openclaw: {}", output::explain(&error)));
            ExitCode::from(FAILURE)
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_names_that_scripts_rely_on_are_understood() {
        for line in [
            "openclaw serve --data d --listen 127.0.0.1:0",
            "openclaw serve --print-config",
            "openclaw serve --allow-private-egress 127.0.0.1:*,[::1]:80 --allow-private-egress db:5432",
            "openclaw run f.yaml --input in.json --json",
            "openclaw run f.yaml --input - --json --data d --url http://h:1",
            "openclaw run -",
            "openclaw run pause 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10 --reason r --json",
            "openclaw run resume 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10",
            "openclaw run cancel 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10",
            "openclaw run kill 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10 --data d",
            "openclaw run retry 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10 --task 3",
            "openclaw run fork 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10 --before-task pay --context c.json",
            "openclaw run reconcile 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10 4 --not-done",
            "openclaw event publish --type t --source /s --id 1",
            "openclaw event publish -",
            "openclaw approvals list --assignee ada --role r --all --json",
            "openclaw approvals show 0199b3a06a3e7c3a9d525f0f3b7d8a10",
            "openclaw approvals decide 0199b3a06a3e7c3a9d525f0f3b7d8a10 approve --by ada --role r --comment c",
            "openclaw policy check f.yaml g.yaml --json",
            "openclaw policy set f.yaml --namespace team --json",
            "openclaw policy get --namespace * --data d",
            "openclaw policy remove",
            "openclaw policy test f.yaml --agent t/bot --tool http --arguments {} --label web --label secret",
            "openclaw policy replay f.yaml --from 5 --to 9 --namespace * --json",
            "openclaw approvals decide 0199b3a06a3e7c3a9d525f0f3b7d8a10 approve",
            "openclaw token issue ci --scope query --scope command:run@team-a --expires-in 90d --json",
            "openclaw token list --all --json",
            "openclaw token revoke ci --reason r",
            "openclaw user add ada --role admin --namespace a --group finance",
            "openclaw user list --json",
            "openclaw user change ada --role viewer",
            "openclaw user password ada",
            "openclaw user remove ada",
            "openclaw log verify --data d",
            "openclaw log export --data d",
            "openclaw log export --data d --from 5 --to 9",
            "openclaw vault init --data d",
            "openclaw vault unseal --recovery-key",
            "openclaw vault unseal --passphrase-file f --json",
            "openclaw vault import f --replace",
            "openclaw vault export f",
            "openclaw credential set NAME --namespace n",
            "openclaw credential list --json",
            "openclaw audit verify --data d --checkpoints f --key PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= --json",
            "openclaw audit trail --run 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10 --from 1 --to 9 --json",
            "openclaw audit trail --credential shop/card",
            "openclaw audit trail --actor token:ada",
            "openclaw audit bundle 0199b3a0-6a3e-7c3a-9d52-5f0f3b7d8a10 -o run.bundle",
            "openclaw audit check run.bundle --events",
            "openclaw audit export --format cloudevents --stream audit/main",
            "openclaw audit key --json",
            "openclaw status --json",
            "openclaw workflow check a.yaml b.json - --json --secrets d --known-secret s",
            "openclaw workflow graph a.yaml",
            "openclaw workflow test a.yaml --scenarios s.yaml --json",
            "openclaw sandbox run --level none -- true",
            "openclaw sandbox run --level relaxed -- sh -c 'exit 3' --level x",
            "openclaw sandbox run --level strict -- true",
            "openclaw sandbox run --level confined -- true",
            "openclaw doctor sandbox",
            "openclaw doctor sandbox --json --config f.toml",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
        }
        for line in
            ["openclaw", "openclaw run", "openclaw sandbox run --level lax -- true", "openclaw sandbox run"]
        {
            assert_eq!(Cli::try_parse_from(line.split(' ')).expect_err(line).exit_code(), 2, "{line}");
        }
    }
}
