//! `openclaw workflow check`: what `workflow.validate` says, without a server.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use openclaw_workflow::definition::{self, Format, Problem, Severity};
use serde_json::{Value, json};

use super::{
    report,
    source::{Beside, Source},
};
use crate::cli::output;

/// Say everything that is wrong with workflows, before anything runs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong, 1 there are errors, 2 wrong usage, 4 a file cannot be read"
)]
pub(in crate::cli) struct Args {
    /// Documents, YAML or JSON; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A directory with a file for each secret that exists, by its name: then secrets that do not exist are told.
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// A secret that exists; may be given more than once.
    #[arg(long = "known-secret", value_name = "NAME")]
    known_secrets: Vec<String>,
    #[command(flatten)]
    beside: Beside,
    /// Print one JSON object with what is wrong in each file.
    #[arg(long)]
    json: bool,
}

/// Checks every file. What is wrong is data, so it goes to standard output.
pub(super) fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let secrets = secrets(args)?;
    let mut reports = Vec::new();
    let mut errors = 0;
    for path in &args.files {
        let source = Source::read(path)?;
        let problems =
            definition::check_with(&source.text, Format::Auto, secrets.as_ref(), &args.beside.of(path));
        errors += count(&problems, Severity::Error);
        if args.json {
            reports.push(as_json(&source, &problems)?);
        } else {
            tell(&source, &problems)?;
        }
    }
    if args.json {
        output::data(&json!({ "valid": errors == 0, "files": reports }).to_string())?;
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The names of the secrets that exist, if anything was said about them.
fn secrets(args: &Args) -> anyhow::Result<Option<BTreeSet<String>>> {
    if args.secrets.is_none() && args.known_secrets.is_empty() {
        return Ok(None);
    }
    let mut names: BTreeSet<String> = args.known_secrets.iter().cloned().collect();
    if let Some(directory) = &args.secrets {
        let unreadable = || format!("{} cannot be read", directory.display());
        for entry in std::fs::read_dir(directory).with_context(unreadable)? {
            let name = entry.with_context(unreadable)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.insert(name);
            }
        }
    }
    Ok(Some(names))
}

fn count(problems: &[Problem], severity: Severity) -> usize {
    problems.iter().filter(|problem| problem.severity() == severity).count()
}

fn tell(source: &Source, problems: &[Problem]) -> anyhow::Result<()> {
    for problem in problems {
        output::data(&report::tell(source, problem))?;
    }
    let counted = |severity, word: &str| match count(problems, severity) {
        1 => format!("1 {word}"),
        many => format!("{many} {word}s"),
    };
    output::data(&match problems {
        [] => format!("{}: ok", source.name),
        _ => format!(
            "{}: {}, {}",
            source.name,
            counted(Severity::Error, "error"),
            counted(Severity::Warning, "warning")
        ),
    })?;
    Ok(())
}

fn as_json(source: &Source, problems: &[Problem]) -> anyhow::Result<Value> {
    let of = |severity| -> anyhow::Result<Vec<Value>> {
        let chosen = problems.iter().filter(|problem| problem.severity() == severity);
        chosen.map(|problem| Ok(serde_json::to_value(problem)?)).collect()
    };
    Ok(json!({
        "file": source.name,
        "valid": count(problems, Severity::Error) == 0,
        "problems": of(Severity::Error)?,
        "warnings": of(Severity::Warning)?,
    }))
}
