//! `openclaw audit`: what proves the log, and what happened around one thing.

mod copies;
mod verify;

use std::{collections::BTreeSet, fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use openclaw_audit::{PublicKey, bundle};
use openclaw_model::RunId;
use serde_json::json;

use super::{Settings, connect::Server, output};
use crate::{
    audit::{ExportOf, TrailOf, trust_path, trusted},
    telemetry,
};

/// Exit code when something is not as it was written or signed.
const BROKEN: u8 = 1;
/// Exit code when nothing is wrong, and nobody vouches for it.
const UNVOUCHED: u8 = 3;

/// Prove the log, and follow things through it.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the whole log: chain, signatures, and the read model against it.
    ///
    /// Exit code 0 if all is as it was signed, 1 if something is wrong, 3 if no checkpoint vouches for anything. Of a stopped
    /// server everything is checked; of a running one the log is fetched and checked here, and the read model is not.
    Verify(Verify),
    /// Show everything that happened around a run, a session, a credential or an actor, and why.
    Trail(Trail),
    /// Write a run to one file that proves itself.
    Bundle(Bundle),
    /// Check such a file. Neither the server nor its data are needed.
    Check(Check),
    /// Write events to standard output, one per line.
    Export(Export),
    /// Print the public keys that checkpoints are signed with, to be kept elsewhere.
    Key(Key),
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    #[command(flatten)]
    server: Server,
    /// Checkpoints that were kept elsewhere; without it those of `audit.checkpoints_file`.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    /// A public key that is believed; may be repeated. Without it those that the data directory lists.
    #[arg(long = "key", value_name = "PUBKEY")]
    keys: Vec<PublicKey>,
    /// Print the findings as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Trail {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    of: TrailOf,
    /// Print each event as a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    of: ExportOf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Bundle {
    #[command(flatten)]
    server: Server,
    /// The run.
    run: RunId,
    /// Where to.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print what was written as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The file.
    file: PathBuf,
    /// A public key that is believed; may be repeated. Without it everybody's signature is, and the keys are shown.
    #[arg(long = "key", value_name = "PUBKEY")]
    keys: Vec<PublicKey>,
    /// Print the events, one JSON object per line.
    #[arg(long, conflicts_with = "json")]
    events: bool,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Key {
    #[command(flatten)]
    settings: Settings,
    /// Print each as a JSON object.
    #[arg(long)]
    json: bool,
}

/// Does what was asked.
pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(args) => verify::verify(args).await,
        Command::Trail(args) => copies::trail(args).await,
        Command::Export(args) => copies::export(args).await,
        Command::Bundle(args) => copies::bundle(args).await,
        Command::Check(args) => check(&args),
        Command::Key(args) => key(&args),
    }
}

fn check(args: &Check) -> anyhow::Result<ExitCode> {
    let bytes = fs::read(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let keys: BTreeSet<PublicKey> = args.keys.iter().copied().collect();
    let checked = match bundle::check(&bytes, &keys) {
        Ok(checked) => checked,
        Err(fault) => {
            output::data(&if args.json {
                json!({ "ok": false, "code": "OC-AUD-008", "line": fault.line, "reason": fault.reason })
                    .to_string()
            } else {
                format!("the bundle proves nothing: {fault}")
            })?;
            return Ok(ExitCode::from(BROKEN));
        }
    };
    let header = &checked.header;
    if args.events {
        for (event, _) in &checked.events {
            output::data(
                &event.to_export().with_context(|| format!("the data of {} is not JSON", event.position))?,
            )?;
        }
    } else if args.json {
        output::data(
            &json!({
                "ok": true, "run": header.run, "log": header.log, "through": header.through,
                "created": header.created, "events": checked.events.len(), "checkpoints": checked.checkpoints,
                "streams": header.streams, "keys": checked.signers, "believed": !keys.is_empty(),
            })
            .to_string(),
        )?;
    } else {
        output::data(&format!(
            "the bundle is whole: {} events of run {} and what belongs to it, up to position {} of log {}, made {}, proven \
             by {} checkpoints",
            checked.events.len(),
            header.run,
            header.through,
            header.log,
            header.created,
            checked.checkpoints,
        ))?;
    }
    if keys.is_empty() {
        let signers: Vec<String> = checked.signers.iter().map(ToString::to_string).collect();
        output::note(&format!(
            "it is as good as the key that signed it, {}; compare it with the server's, or name that with --key",
            signers.join(" and "),
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn key(args: &Key) -> anyhow::Result<ExitCode> {
    let config = args.settings.load(&[])?;
    telemetry::install(&config.telemetry)?;
    let path = trust_path(&config.data);
    let keys = trusted(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(!keys.is_empty(), "no checkpoint has been signed in {} yet", config.data.display());
    for trusted in keys {
        output::data(&if args.json {
            serde_json::to_string(&trusted)?
        } else {
            format!("{}  {}  since {}", trusted.key, trusted.id, trusted.since)
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
