//! `openclaw policy test`: what would happen.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::by;
use crate::cli::{connect::Server, output, workflow::source::Source};

/// Say what would happen if an agent used a tool like this.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A policy to try in the place of that of the agent's namespace; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The agent: its workflow, `namespace/name`.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    agent: String,
    /// The tool, for example `http`.
    #[arg(long, value_name = "TOOL")]
    tool: String,
    /// What it is used for: a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    arguments: String,
    /// A label of the data that has reached the run; may be given several times.
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn test(args: Args) -> anyhow::Result<ExitCode> {
    let arguments: Value = serde_json::from_str(&args.arguments).context("--arguments is no JSON object")?;
    let mut params = json!({
        "agent": args.agent, "tool": args.tool, "arguments": arguments, "labels": args.label,
    });
    if let Some(file) = &args.file {
        params["document"] = Source::read(file)?.text.into();
    }
    let client = args.server.running(&args.server.load()?).await?;
    let answer: Value = client.call("policy.test", &params, None).await?;
    if args.json {
        output::data(&answer.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let action = answer["action"].as_str().unwrap_or_default();
    output::data(&format!("{action}: {}", by(&answer, "policy", "rule")))?;
    for found in answer["matches"].as_array().into_iter().flatten() {
        let (rule, policy) = (&found["rule"], &found["policy"]);
        let action = found["action"].as_str().unwrap_or_default();
        let failure = found["failure"].as_str().map_or_else(String::new, |why| format!(" ({why})"));
        output::data(&format!("  matches {rule} of policy {policy}: {action}{failure}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
