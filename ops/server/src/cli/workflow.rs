//! `openclaw workflow`: writing workflows, without a server.

mod check;
mod graph;
pub(in crate::cli) mod report;
pub(in crate::cli) mod source;
mod test;

use std::process::ExitCode;

/// Check, draw and test workflows. No server is needed.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with workflows, before anything runs.
    Check(check::Args),
    /// Print a workflow as a Mermaid flowchart.
    Graph(graph::Args),
    /// Run the scenarios that lie beside workflows.
    Test(test::Args),
}

/// Carries out `command`.
pub(super) fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::check(&args),
        Command::Graph(args) => graph::graph(&args),
        Command::Test(args) => test::test(&args),
    }
}
