//! `openclaw policy replay`: what a policy would have changed.

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Value, json};

use super::by;
use crate::cli::{connect::Server, output, workflow::source::Source};

/// List the verdicts over recorded effects that a policy file would have changed.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The policy to try; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The namespace whose policy it stands for; `*` for the one that counts everywhere.
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// The log position to begin at.
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    from: u64,
    /// The last log position to look at; the newest by default.
    #[arg(long, value_name = "POSITION")]
    to: Option<u64>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Asks for one stretch of the log after the other, so that neither side has all of it in memory.
pub(super) async fn replay(args: Args) -> anyhow::Result<ExitCode> {
    let source = Source::read(&args.file)?;
    let client = args.server.running(&args.server.load()?).await?;
    let (mut from, mut judged, mut changed) = (Some(args.from), 0, 0);
    while let Some(position) = from {
        let mut params = json!({
            "namespace": args.namespace, "document": source.text, "from": position, "limit": 1_000,
        });
        if let Some(to) = args.to {
            params["to"] = to.into();
        }
        let answer: Value = client.call("policy.replay", &params, None).await?;
        judged += answer["judged"].as_u64().unwrap_or_default();
        for change in answer["changes"].as_array().into_iter().flatten() {
            changed += 1;
            output::data(&if args.json { change.to_string() } else { told(change) })?;
        }
        from = answer["next"].as_u64();
    }
    output::note(&format!("{judged} verdicts, {changed} would be others"));
    Ok(ExitCode::SUCCESS)
}

fn told(change: &Value) -> String {
    let text = |field: &str| change[field].as_str().unwrap_or_default();
    format!(
        "{} {} {} task {} {:?} {}: {} -> {} by {}",
        change["position"],
        text("agent"),
        text("runId"),
        change["task"],
        text("name"),
        text("tool"),
        text("old"),
        text("new"),
        by(change, "newPolicy", "newRule"),
    )
}
