//! `openclaw audit verify`.

use std::{collections::BTreeSet, path::Path, process::ExitCode};

use anyhow::Context as _;
use openclaw_audit::{
    Checkpoint, PublicKey,
    verify::{Auditor, Findings, Problem, Trust},
};
use openclaw_client::Client;
use openclaw_log::Frame;
use openclaw_model::Position;
use openclaw_projection::Comparison;
use openclaw_sled::{VerifyError, verify_each};
use serde_json::json;

use super::{BROKEN, UNVOUCHED, Verify, copies, output};
use crate::{audit, config::Config, data::Data, telemetry};

/// The largest length that is before a frame, in bytes.
const MAX_FRAME: usize = openclaw_log::frame::MAX_FRAME;

/// What is said about the read model.
enum ReadModel {
    Compared(Comparison),
    /// Why it was not.
    NotCompared(&'static str),
}

pub(super) async fn verify(args: Verify) -> anyhow::Result<ExitCode> {
    let config = args.server.load()?;
    telemetry::install(&config.telemetry)?;
    let (keys, listed) = believed(&args, &config)?;
    let kept = kept(&args, &config)?;
    let trust = Trust { keys };
    let (findings, read_model) = match args.server.find(&config).await? {
        Some(client) => {
            let findings = there(&client, trust, kept).await?;
            (
                findings,
                ReadModel::NotCompared("a server runs on it; it is compared when the server is stopped"),
            )
        }
        None => here(&config, trust, kept).await?,
    };
    report(&args, &findings, &read_model, listed)
}

/// The keys that are believed, and whether the data directory itself lists them.
fn believed(args: &Verify, config: &Config) -> anyhow::Result<(BTreeSet<PublicKey>, bool)> {
    if !args.keys.is_empty() {
        return Ok((args.keys.iter().copied().collect(), false));
    }
    let path = audit::trust_path(&config.data);
    let listed = audit::trusted(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok((listed.into_iter().map(|trusted| trusted.key).collect(), true))
}

fn kept(args: &Verify, config: &Config) -> anyhow::Result<Vec<Checkpoint>> {
    let named = args.checkpoints.as_deref();
    let configured = config.audit.checkpoints_file.as_deref().filter(|path| path.exists());
    let Some(path) = named.or(configured) else {
        output::note(
            "no checkpoints that were kept elsewhere are named (--checkpoints), so nobody would notice a cut-off end",
        );
        return Ok(Vec::new());
    };
    let kept = audit::kept(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if kept.unreadable > 0 {
        output::note(&format!("{} lines of {} are no checkpoints", kept.unreadable, path.display()));
    }
    Ok(kept.checkpoints)
}

/// Of a stopped server.
async fn here(config: &Config, trust: Trust, kept: Vec<Checkpoint>) -> anyhow::Result<(Findings, ReadModel)> {
    let directory = Data::at(&config.data).log();
    let options = config.log.options();
    let walked = tokio::task::spawn_blocking(move || {
        let mut auditor = Auditor::new(trust, kept);
        let verified = verify_each(&directory, options, &mut |frame| auditor.frame(frame));
        (auditor, verified)
    });
    let (auditor, verified) = walked.await.context("verifying panicked")?;
    let broken = match verified {
        Ok(_) => None,
        Err(VerifyError::Broken(at)) => Some(("OC-LOG-001", at.position, at.reason.to_string())),
        Err(error) => {
            // The files could not be walked, or nothing vouches for their end: not a break at a position.
            let code = error.code();
            anyhow::ensure!(code != "OC-LOG-005" && code != "OC-LOG-008", "[{code}] {error}");
            Some((code, Position::START, error.to_string()))
        }
    };
    // A missing anchor is no reason not to say what the checkpoints vouch for beyond the end.
    let mut findings = auditor.finish(broken.as_ref().is_none_or(|(_, _, reason)| is_about_the_end(reason)));
    let whole = broken.is_none();
    if let Some((code, position, message)) = broken {
        findings.problems.insert(0, Problem { code, position, message });
    }
    let read_model =
        if whole { compared(config).await? } else { ReadModel::NotCompared("the log is broken") };
    Ok((findings, read_model))
}

/// Whether the log could be read to its end, and it is the end that is wrong.
fn is_about_the_end(reason: &str) -> bool {
    reason.contains("anchor") || reason.contains("acknowledged")
}

async fn compared(config: &Config) -> anyhow::Result<ReadModel> {
    let log = copies::open(config).await?;
    let views = config.projection.directory.clone().unwrap_or_else(|| Data::at(&config.data).views());
    let scratch = Scratch::new(&views)?;
    let compared = openclaw_projection::compare(&log, &views, &scratch.0).await;
    tokio::task::spawn_blocking(move || log.close()).await.context("closing the log panicked")?;
    Ok(ReadModel::Compared(compared.context("the read model cannot be compared")?))
}

/// A directory beside the read model, which has room for a second one. Removed in any case.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(views: &Path) -> anyhow::Result<Self> {
        let beside = views.parent().unwrap_or(views).join(format!("audit-{}", std::process::id()));
        std::fs::create_dir(&beside).with_context(|| format!("{} cannot be made", beside.display()))?;
        Ok(Self(beside))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            output::note(&format!("{} cannot be removed: {error}", self.0.display()));
        }
    }
}

/// Of a running server: its frames are fetched and checked here.
async fn there(client: &Client, trust: Trust, kept: Vec<Checkpoint>) -> anyhow::Result<Findings> {
    let mut download = client.download("/audit/frames", false).await?;
    let mut auditor = Auditor::new(trust, kept);
    let mut buffer: Vec<u8> = Vec::new();
    while let Some(piece) = download.next().await? {
        buffer.extend_from_slice(&piece);
        let mut used = 0;
        while let Some((length, rest)) = buffer[used..].split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            anyhow::ensure!(length <= MAX_FRAME, "the server sends something else than frames");
            let Some(bytes) = rest.get(..length) else { break };
            match Frame::parse(bytes, true) {
                Ok(frame) => auditor.frame(&frame),
                Err(error) => {
                    let mut findings = auditor.finish(false);
                    let position = Position(findings.events + 1);
                    findings
                        .problems
                        .insert(0, Problem { code: "OC-LOG-001", position, message: error.to_string() });
                    return Ok(findings);
                }
            }
            used += 4 + length;
        }
        buffer.drain(..used);
    }
    anyhow::ensure!(buffer.is_empty(), "the server broke off in the middle of a frame");
    Ok(auditor.finish(true))
}

fn report(
    args: &Verify,
    findings: &Findings,
    read_model: &ReadModel,
    listed: bool,
) -> anyhow::Result<ExitCode> {
    let mut problems = findings.problems.clone();
    let shown = match read_model {
        ReadModel::Compared(Comparison::Same { position, rows }) => {
            format!("the read model shows what the log says: {rows} rows up to position {position}")
        }
        ReadModel::Compared(Comparison::Nothing) => {
            "there is no read model to compare; the next start builds one from the log".to_owned()
        }
        ReadModel::Compared(Comparison::Different { table, key, reason }) => {
            let message =
                format!("the read model is not what the log says: row {key} of table {table}: {reason}");
            let position = Position(key.parse().unwrap_or_default());
            problems.push(Problem { code: "OC-AUD-007", position, message: message.clone() });
            message
        }
        ReadModel::NotCompared(why) => format!("the read model was not compared: {why}"),
    };
    let vouched = findings.covered > Position::START;
    let code = match (problems.is_empty(), vouched) {
        (false, _) => ExitCode::from(BROKEN),
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(UNVOUCHED),
    };
    if args.json {
        let mut object = serde_json::to_value(findings)?;
        object["ok"] = problems.is_empty().into();
        object["vouched"] = vouched.into();
        object["problems"] = json!(problems);
        object["readModel"] = shown.into();
        object["keysFromDataDirectory"] = listed.into();
        output::data(&object.to_string())?;
        return Ok(code);
    }
    for problem in &problems {
        output::data(&format!("[{}] at position {}: {}", problem.code, problem.position, problem.message))?;
    }
    if problems.is_empty() {
        output::data(&format!(
            "the log is whole: {} events in {} frames, ends with {}",
            findings.events, findings.frames, findings.hash
        ))?;
    }
    output::data(&if vouched {
        format!(
            "signed up to position {} of {}, by {}: {} checkpoints in the log, {} kept elsewhere",
            findings.covered,
            findings.events,
            findings.signers.iter().cloned().collect::<Vec<_>>().join(" and "),
            findings.recorded,
            findings.kept,
        )
    } else {
        "no checkpoint vouches for any of it: nothing was signed. Unseal the vault, or set `audit.key_file`"
            .to_owned()
    })?;
    output::data(&shown)?;
    if listed && vouched {
        output::note(
            "the keys are those that the data directory lists, so whoever could change the log could change them; \
             name the one that you kept with --key",
        );
    }
    Ok(code)
}
