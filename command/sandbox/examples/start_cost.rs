//! What a sandboxed process costs to start, next to a plain one and to bare bubblewrap.
//!
//! Time on the wall depends on who else is busy; processor time, of the process and all that it started, hardly does.
//!
//! `cargo run --release -p openclaw-sandbox --example start_cost [RUNS]`; the variants take turns, so that they see
//! the same load.

use std::{io::Write, process::Command, time::Duration};

use openclaw_ports::{
    Sandbox,
    sandbox::{Job, Level, Policy, Streams},
};
use openclaw_sandbox::{Config, Machine};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const BARE: [&str; 7] = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--", "true"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("sandbox-exec") {
        std::process::exit(i32::from(openclaw_sandbox::helper::main() != std::process::ExitCode::SUCCESS));
    }
    let runs = first.and_then(|runs| runs.parse().ok()).unwrap_or(200);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(measure(runs));
}

async fn measure(runs: usize) {
    let sandbox = Machine::new(Config { spare_helper: true, ..Config::default() });
    let workspace = std::env::temp_dir().join(format!("start-cost-{}", std::process::id()));
    std::fs::create_dir_all(&workspace).expect("a workspace can be made");
    let names = ["plain process", "bare bwrap", "none", "relaxed", "strict"];
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut ticks = [0_u64; 5];
    sandbox.in_force().await;
    for _ in 0..runs {
        for (index, times) in times.iter_mut().enumerate() {
            let (started, before) = (Instant::now(), ticks_so_far());
            match index {
                0 => plain(&["true"]),
                1 => plain(&BARE),
                _ => {
                    let level = [Level::None, Level::Relaxed, Level::Strict][index - 2];
                    let job = Job {
                        policy: Policy { level, ..Policy::default() },
                        command: vec!["true".into()],
                        environment: std::collections::BTreeMap::new(),
                        stdin: None,
                        workspace: workspace.clone(),
                        egress: None,
                        wanted: Streams::default(),
                    };
                    sandbox.run(job, CancellationToken::new()).await.expect("the sandbox works");
                }
            }
            times.push(started.elapsed());
            ticks[index] += ticks_so_far() - before;
        }
    }
    let _ = std::fs::remove_dir_all(&workspace);
    for ((name, mut times), ticks) in names.into_iter().zip(times).zip(ticks) {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        let _ = writeln!(
            std::io::stdout(),
            "{name:<14} median {:6.2} ms   p95 {:6.2} ms   processor {:6.2} ms   ({runs} runs)",
            at(0.5),
            at(0.95),
            ticks as f64 * 10.0 / runs as f64
        );
    }
}

/// Processor time of this process and of those below it that have ended, in hundredths of a second. Inexact for one
/// run, and exact enough for the sum of many.
fn ticks_so_far() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is there");
    let fields = stat.rsplit_once(')').expect("the name is in parentheses").1;
    fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn plain(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status().expect("the program starts");
    assert!(status.success());
}
