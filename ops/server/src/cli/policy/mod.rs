//! `openclaw policy`: what agents may do with tools.

mod check;
mod replay;
mod test;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{connect::Server, output, run::fresh_key, workflow::source::Source};

/// What is done with policies.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with policy files. No server is needed.
    Check(check::Args),
    /// Put the policy of a namespace in force.
    Set(Set),
    /// Print the policy of a namespace.
    Get(Get),
    /// Remove the policy of a namespace.
    Remove(Get),
    /// Say what would happen if an agent used a tool like this.
    Test(test::Args),
    /// List the verdicts over recorded effects that a policy file would have changed.
    Replay(replay::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// The policy, YAML or JSON; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The namespace whose agents it guards; `*` guards those of all.
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct Get {
    /// The namespace, or `*`.
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::check(&args),
        Command::Set(args) => set(args).await,
        Command::Get(args) => get(args).await,
        Command::Remove(args) => remove(args).await,
        Command::Test(args) => test::test(args).await,
        Command::Replay(args) => replay::replay(args).await,
    }
}

async fn set(args: Set) -> anyhow::Result<ExitCode> {
    let source = Source::read(&args.file)?;
    let client = args.server.running(&args.server.load()?).await?;
    let params = json!({ "namespace": args.namespace, "document": source.text });
    let answer: Value = client.call("policy.set", &params, Some(&fresh_key()?)).await?;
    if args.json {
        output::data(&answer.to_string())?;
    } else {
        output::data(&format!("policy {} is in force, version {}", args.namespace, answer["version"]))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn get(args: Get) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let params = json!({ "namespace": args.namespace });
    let answer: Value = client.call("policy.get", &params, None).await?;
    output::data(&if args.json {
        answer.to_string()
    } else {
        serde_json::to_string_pretty(&answer["document"]).context("the answer is no JSON")?
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn remove(args: Get) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let params = json!({ "namespace": args.namespace });
    let answer: Value = client.call("policy.remove", &params, Some(&fresh_key()?)).await?;
    output::data(&if args.json {
        answer.to_string()
    } else {
        format!("policy {} is removed", args.namespace)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Why a rule decided, in words.
fn by(answer: &Value, policy: &str, rule: &str) -> String {
    match (answer[policy].as_str(), answer[rule].as_str()) {
        (Some(policy), Some(rule)) => format!("rule {rule:?} of policy {policy:?}"),
        (Some(policy), None) => format!("the default of policy {policy:?}"),
        (None, _) => "no policy counts".into(),
    }
}
