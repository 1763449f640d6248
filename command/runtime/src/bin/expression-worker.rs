//! A program that is nothing but a worker for expressions. The tests of the evaluator start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    openclaw_runtime::evaluator::serve()
}
