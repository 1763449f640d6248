//! `openclaw workflow graph`.

use std::{path::PathBuf, process::ExitCode};

use openclaw_workflow::{
    definition::{self, Format},
    graph,
};

use super::{
    report,
    source::{Beside, Source},
};
use crate::cli::output;

/// Print a workflow as a Mermaid flowchart.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 drawn, 1 the document has errors, 2 wrong usage, 4 the file cannot be read"
)]
pub(in crate::cli) struct Args {
    /// The document, YAML or JSON; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    beside: Beside,
}

/// Prints the chart, or what keeps the document from being drawn.
pub(super) fn graph(args: &Args) -> anyhow::Result<ExitCode> {
    let source = Source::read(&args.file)?;
    match definition::load_with(&source.text, Format::Auto, &args.beside.of(&args.file)) {
        Ok(definition) => {
            output::data(graph::mermaid(&definition).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            for problem in &problems {
                output::note(&report::tell(&source, problem));
            }
            Ok(ExitCode::from(1))
        }
    }
}
