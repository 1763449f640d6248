//! The two entry points of the sandbox without the server around them, for tests and for the probes:
//! `sandbox-exec` (the helper) and `run [--level LEVEL] [--wall SECONDS] -- COMMAND...`.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use openclaw_ports::sandbox::{Level, Policy};
use openclaw_sandbox::{Backend, Config, Machine, cli, helper};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("sandbox-exec") => helper::main(),
        Some("run") => match Run::parse(arguments) {
            Ok(run) => run.perform(),
            Err(problem) => usage(&problem),
        },
        _ => usage("sandbox-exec or run is missing"),
    }
}

struct Run {
    policy: Policy,
    backend: Backend,
    command: Vec<String>,
}

impl Run {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut run = Self { policy: Policy::default(), backend: Backend::Auto, command: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--" => {
                    run.command = arguments.collect();
                    return Ok(run);
                }
                "--level" => run.policy.level = level(&arguments.next().ok_or("--level needs a value")?)?,
                "--confined-backend" => run.backend = Backend::Confined,
                "--wall" => {
                    let seconds = arguments.next().and_then(|value| value.parse().ok());
                    run.policy.limits.wall =
                        Duration::from_secs(seconds.ok_or("--wall needs whole seconds")?);
                }
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Err("-- and a command are missing".into())
    }

    fn perform(self) -> ExitCode {
        let workspace = match std::env::current_dir() {
            Ok(directory) => directory,
            Err(error) => return usage(&format!("no current directory: {error}")),
        };
        run_to_end(self, workspace)
    }
}

fn run_to_end(run: Run, workspace: PathBuf) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return usage(&format!("no runtime: {error}")),
    };
    let sandbox = Machine::new(Config { backend: run.backend, ..Config::default() });
    let code = runtime.block_on(cli::run(&sandbox, run.policy, run.command, workspace));
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn level(name: &str) -> Result<Level, String> {
    match name {
        "none" => Ok(Level::None),
        "confined" => Ok(Level::Confined),
        "relaxed" => Ok(Level::Relaxed),
        "strict" => Ok(Level::Strict),
        other => Err(format!("unknown level {other}")),
    }
}

fn usage(problem: &str) -> ExitCode {
    let _ = writeln!(
        std::io::stderr(),
        "{problem}\nusage: run [--level none|confined|relaxed|strict] [--wall SECONDS] -- COMMAND..."
    );
    ExitCode::from(2)
}
