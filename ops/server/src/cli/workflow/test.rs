//! `openclaw workflow test`: scenarios that lie beside a workflow.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use openclaw_runtime::evaluator::JqEvaluator;
use openclaw_workflow::{
    definition::{self, Format, Problem},
    expression::Evaluator,
    scenario::{self, Finished, Suite, Verdict},
    stepper::Program,
};
use serde_json::{Value, json};

use super::{
    report,
    source::{Beside, Source},
};
use crate::{cli::output, compose::expression_worker, resources::Directory};

const HELP: &str = "The scenarios of NAME.yaml are in NAME.test.yaml beside it; either may be given.\n\
    Exit codes: 0 all passed, 1 something failed, 2 wrong usage, 4 a file cannot be read";

/// Run the scenarios that lie beside workflows.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Args {
    /// Workflows, or files of scenarios.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The scenarios of the one workflow that is given.
    #[arg(long, value_name = "FILE")]
    scenarios: Option<PathBuf>,
    #[command(flatten)]
    beside: Beside,
    /// Print one JSON object with what came of every scenario.
    #[arg(long)]
    json: bool,
}

/// A workflow with its scenarios.
struct Pair {
    workflow: Source,
    scenarios: Source,
}

/// What came of a pair: its scenarios, or what is wrong with the files.
enum Tested {
    Ran(Vec<Verdict>),
    Broken { in_scenarios: bool, problems: Vec<Problem> },
}

/// Runs every scenario. Needs no server and touches no network.
pub(super) fn test(args: &Args) -> anyhow::Result<ExitCode> {
    if args.scenarios.is_some() && args.files.len() != 1 {
        output::note("openclaw: --scenarios belongs to one workflow");
        return Ok(ExitCode::from(2));
    }
    // Scenarios run one after the other, so one worker is enough.
    let evaluator = JqEvaluator::new(Some(expression_worker()), 1);
    let (mut passed, mut failed) = (0, 0);
    let mut reports = Vec::new();
    for file in &args.files {
        let (workflow, scenarios) = match &args.scenarios {
            Some(scenarios) => (file.clone(), scenarios.clone()),
            None => beside(file),
        };
        let pair = Pair { workflow: Source::read(&workflow)?, scenarios: Source::read(&scenarios)? };
        let tested = run(&pair, &args.beside.of(&workflow), &evaluator);
        match &tested {
            Tested::Ran(verdicts) => {
                let good = verdicts.iter().filter(|verdict| verdict.passed()).count();
                passed += good;
                failed += verdicts.len() - good;
            }
            Tested::Broken { .. } => failed += 1,
        }
        if args.json {
            reports.push(as_json(&pair, &tested)?);
        } else {
            tell(&pair, &tested)?;
        }
    }
    if args.json {
        output::data(&json!({ "passed": passed, "failed": failed, "files": reports }).to_string())?;
    } else {
        output::data(&format!("{passed} passed, {failed} failed"))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The workflow and the scenarios that belong to `file`, which is either.
fn beside(file: &Path) -> (PathBuf, PathBuf) {
    let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
    let stem = file.with_extension("");
    match stem.extension() {
        Some(inner) if inner == "test" => (stem.with_extension(extension), file.to_owned()),
        _ => (file.to_owned(), file.with_extension(format!("test.{extension}"))),
    }
}

fn run(pair: &Pair, resources: &Directory, evaluator: &dyn Evaluator) -> Tested {
    let definition = match definition::load_with(&pair.workflow.text, Format::Auto, resources) {
        Ok(definition) => definition,
        Err(problems) => return Tested::Broken { in_scenarios: false, problems },
    };
    let suite = match Suite::read(&pair.scenarios.text, &definition) {
        Ok(suite) => suite,
        Err(problems) => return Tested::Broken { in_scenarios: true, problems },
    };
    let program = Program::new(Arc::new(definition));
    Tested::Ran(suite.scenarios.iter().map(|one| scenario::run(&program, one, evaluator)).collect())
}

fn tell(pair: &Pair, tested: &Tested) -> anyhow::Result<()> {
    output::data(&pair.scenarios.name)?;
    match tested {
        Tested::Ran(verdicts) => {
            for verdict in verdicts {
                let word = if verdict.passed() { "ok  " } else { "FAIL" };
                output::data(&format!("  {word} {}", verdict.name))?;
                for line in verdict.failures.iter().flat_map(|failure| failure.lines()) {
                    output::data(&format!("       {line}"))?;
                }
            }
        }
        Tested::Broken { in_scenarios, problems } => {
            let source = if *in_scenarios { &pair.scenarios } else { &pair.workflow };
            for problem in problems {
                output::data(&report::tell(source, problem))?;
            }
        }
    }
    Ok(())
}

fn as_json(pair: &Pair, tested: &Tested) -> anyhow::Result<Value> {
    let mut report = json!({ "workflow": pair.workflow.name, "file": pair.scenarios.name });
    match tested {
        Tested::Ran(verdicts) => {
            let verdicts = verdicts.iter().map(verdict_as_json).collect::<anyhow::Result<_>>()?;
            report["scenarios"] = Value::Array(verdicts);
        }
        Tested::Broken { in_scenarios, problems } => {
            let place = if *in_scenarios { "problems" } else { "workflowProblems" };
            report[place] = serde_json::to_value(problems)?;
        }
    }
    Ok(report)
}

fn verdict_as_json(verdict: &Verdict) -> anyhow::Result<Value> {
    let path: Vec<&str> = verdict.trace.tasks.iter().map(|(reference, _)| reference.as_str()).collect();
    let mut report = json!({
        "name": verdict.name,
        "passed": verdict.passed(),
        "failures": verdict.failures,
        "path": path,
        "tookMillis": verdict.trace.took_ms,
    });
    match &verdict.trace.finished {
        Finished::Completed(output) => report["output"] = (**output).clone(),
        Finished::Faulted(error) => report["error"] = serde_json::to_value(error)?,
        Finished::Stuck => {}
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_and_its_scenarios_find_each_other() {
        let pair = |workflow: &str, scenarios: &str| (PathBuf::from(workflow), PathBuf::from(scenarios));
        assert_eq!(beside(Path::new("d/a.yaml")), pair("d/a.yaml", "d/a.test.yaml"));
        assert_eq!(beside(Path::new("d/a.test.yml")), pair("d/a.yml", "d/a.test.yml"));
        assert_eq!(beside(Path::new("a.b.json")), pair("a.b.json", "a.b.test.json"));
    }
}
