//! The `openclaw` binary: command line, configuration, HTTP, and the one place where everything is put together.

mod access;
mod audit;
mod cli;
mod compose;
mod config;
mod data;
mod hardening;
mod http;
mod instance;
mod metrics;
mod resources;
mod secrets;
mod shutdown;
mod telemetry;
mod token;
mod vault;
mod world;

use std::process::ExitCode;

use clap::Parser;
use zeroizing_alloc::ZeroAlloc;

/// Memory is overwritten when it is given back, so that a value does not stay in what a buffer, a parser or a connection
/// left behind.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    // The server starts its own program again for these two. They come before everything else: the first must find
    // a process without threads and open files, the second must be ready in a few milliseconds.
    match std::env::args_os().nth(1) {
        Some(first) if first == "sandbox-exec" => return openclaw_sandbox::helper::main(),
        Some(first) if first == "evaluate-expressions" => return openclaw_runtime::evaluator::serve(),
        _ => {}
    }
    let cli = cli::Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.carry_out()),
        Err(error) => {
            cli::note(&format!("openclaw: no threads can be started: {error}"));
            ExitCode::FAILURE
        }
    }
}
