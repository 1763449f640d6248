//! The harness of the end-to-end, fault and hostile-input tests: the real binary as a process, its log as a list, and
//! an HTTP server that counts what it is asked to do.
//!
//! The harness panics where something is not as it must be, because its callers are tests. It builds nothing: the
//! binary `openclaw` has to lie beside the directory of the test executable, which is where
//! `cargo build --workspace --bins` puts it.

mod asking;
mod caller;
pub mod counting;
pub mod documents;
pub mod gherkin;
mod history;
mod process;
mod runs;
mod server;

use std::io::Write;

pub use asking::code;
pub use caller::Caller;
pub use history::{Entry, History};
pub use process::{Finished, binary, openclaw};
pub use runs::bytes_on_disk;
pub use server::{Options, Server};

/// Tells whoever runs the tests something, for example why a test did nothing.
pub fn tell(line: &str) {
    // Not `eprintln!`: the runner shows it even when it captures the output of tests that pass.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Polls `probe` until it gives something; panics with `what` after a minute.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    match tokio::time::timeout(std::time::Duration::from_secs(60), found).await {
        Ok(found) => found,
        Err(_) => panic!("{what} did not happen within a minute"),
    }
}
