//! Writing workflows: `openclaw workflow check`, `graph` and `test`, and `workflow.validate`, from the outside.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod checking;
mod drawing;
mod scenarios;

use std::path::{Path, PathBuf};

use openclaw_suite::Finished;

/// Runs `openclaw workflow ...` in the repository, without a server.
async fn workflow(arguments: &[&str], stdin: Option<&str>) -> Finished {
    let arguments: Vec<&str> = ["workflow"].into_iter().chain(arguments.iter().copied()).collect();
    openclaw_suite::openclaw(repository(), &arguments, &[], stdin).await
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the suite lies in tests/suite")
}

/// Writes `text` into a file called `name`, and answers its path.
fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
