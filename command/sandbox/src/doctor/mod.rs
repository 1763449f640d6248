//! `openclaw doctor sandbox`: useful work and attacks, run for real at each level, to say which level this machine
//! reaches and which layers hold it.

mod attack;
mod probes;

use std::{
    collections::BTreeMap, fs, io, net::TcpListener, os::unix::fs::PermissionsExt, path::PathBuf,
    time::Duration,
};

use openclaw_ports::{
    Sandbox,
    sandbox::{End, Job, Level, Limit, Limits, Outcome, Policy, Streams},
};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::probes::{PROBES, Probe, Try, Verdict};
use crate::{Backend, Config, InForce, Machine, cli::default_environment};

pub(crate) use attack::attack;

/// Starts that are timed at each level.
const STARTS: usize = 15;

/// What the examination found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The strictest level whose every probe came out as documented; `none` if there is no such level.
    pub level: Level,
    /// The way to confine that is in force.
    pub backend: &'static str,
    /// Why the level is not strict.
    pub reason: Option<String>,
    /// Which layers there are.
    pub layers: BTreeMap<&'static str, String>,
    /// The levels that were examined.
    pub levels: Vec<LevelReport>,
}

/// What was found at one level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LevelReport {
    /// The level.
    pub level: Level,
    /// Why it cannot be reached at all.
    pub unavailable: Option<String>,
    /// Median time from the request to the end of `true`, in milliseconds.
    pub start_median_ms: Option<f64>,
    /// Each probe.
    pub probes: Vec<ProbeReport>,
}

/// What came of one probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Its id.
    pub id: &'static str,
    /// What it tries.
    pub title: &'static str,
    /// What came of it.
    pub result: ProbeResult,
    /// Whether that is what is documented for the level.
    pub as_documented: bool,
    /// What was seen, when it was not.
    pub seen: Option<String>,
}

/// What came of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeResult {
    /// The work was done, or the attack failed.
    Pass,
    /// The work was not done, or the attack worked.
    Fail,
    /// This machine has not what the probe needs.
    Skip,
}

impl LevelReport {
    /// Whether the level is reached, with every probe as documented.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.unavailable.is_none() && self.probes.iter().all(|probe| probe.as_documented)
    }
}

/// Runs every probe at every level above `none` with `config`; about ten seconds each.
///
/// # Errors
/// If there is no place for workspaces, or no port on loopback for the attacks to aim at.
pub async fn examine(config: Config) -> io::Result<Report> {
    let stage = Stage::set(&config)?;
    let usual = Machine::new(config.clone());
    let found = usual.in_force().await.clone();
    let mut levels = Vec::new();
    for level in [Level::Strict, Level::Relaxed, Level::Confined] {
        // Confined is examined as such, also where a stricter level is given instead.
        let backend = if level == Level::Confined { Backend::Confined } else { config.backend };
        let other = Machine::new(Config { backend, ..config.clone() });
        levels.push(examine_level(&other, level, &stage).await);
    }
    let reached = levels.iter().filter(|report| report.level <= found.level && report.holds());
    let level = reached.map(|report| report.level).max().unwrap_or(Level::None);
    Ok(Report {
        level,
        backend: found.backend.name(),
        reason: found.reason.clone(),
        layers: layers(&found),
        levels,
    })
}

fn layers(found: &InForce) -> BTreeMap<&'static str, String> {
    let yes_if = |condition: bool| if condition { "yes" } else { "no" }.to_owned();
    let namespaces = found.backend == Backend::Bubblewrap;
    let any = found.backend != Backend::Nothing;
    BTreeMap::from([
        ("bubblewrap", yes_if(namespaces)),
        ("user namespaces", yes_if(namespaces)),
        ("seccomp", yes_if(any)),
        ("landlock", if found.landlock == 0 { "no".into() } else { format!("version {}", found.landlock) }),
        (
            "control groups",
            found.no_control_groups.as_ref().map_or_else(|| "yes".into(), |reason| format!("no: {reason}")),
        ),
    ])
}

async fn examine_level(machine: &Machine, level: Level, stage: &Stage) -> LevelReport {
    let mut report = LevelReport { level, unavailable: None, start_median_ms: None, probes: Vec::new() };
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let started = Instant::now();
        match machine.run(stage.job(level, "true", Limits::default()), CancellationToken::new()).await {
            Ok(_) => times.push(started.elapsed()),
            Err(error) => {
                report.unavailable = Some(format!("{}: {error}", error.code()));
                return report;
            }
        }
    }
    times.sort_unstable();
    report.start_median_ms = Some(times[STARTS / 2].as_secs_f64() * 1000.0);
    for probe in PROBES {
        report.probes.push(examine_probe(machine, level, stage, probe).await);
    }
    report
}

async fn examine_probe(machine: &Machine, level: Level, stage: &Stage, probe: &Probe) -> ProbeReport {
    let (result, seen) = match probe.needs {
        Some(program) if crate::which(program).is_none() => {
            (ProbeResult::Skip, format!("{program} is not installed"))
        }
        _ => try_probe(machine, level, stage, probe).await,
    };
    let as_documented = match result {
        ProbeResult::Skip => true,
        result => (result == ProbeResult::Pass) == (probe.expected(level) == Verdict::Holds),
    };
    let seen = (!as_documented || result == ProbeResult::Skip).then_some(seen);
    ProbeReport { id: probe.id, title: probe.title, result, as_documented, seen }
}

async fn try_probe(machine: &Machine, level: Level, stage: &Stage, probe: &Probe) -> (ProbeResult, String) {
    let script = stage.filled_in(probe.script);
    let mut job = stage.job(level, &script, probe.limits());
    if probe.what == Try::Limit(Limit::Output) {
        job.wanted.stdout = true;
    }
    let outcome = match machine.run(job, CancellationToken::new()).await {
        Ok(outcome) => outcome,
        Err(error) => return (ProbeResult::Fail, error.to_string()),
    };
    let seen = seen(&outcome);
    let good = seen.contains("STARTED")
        && match probe.what {
            Try::Work => seen.contains("DONE") && outcome.end == End::Exited(0),
            Try::Attack => !seen.contains("ESCAPED") && stage.is_whole(),
            Try::Limit(limit) => outcome.end == End::Limit(limit),
        };
    (if good { ProbeResult::Pass } else { ProbeResult::Fail }, format!("{:?}: {seen}", outcome.end))
}

fn seen(outcome: &Outcome) -> String {
    let both = [outcome.stdout.as_slice(), &outcome.stderr].concat();
    String::from_utf8_lossy(&both).chars().take(300).collect()
}

/// What the attacks aim at, and where they start from.
struct Stage {
    top: PathBuf,
    workspace: PathBuf,
    /// On the machine's loopback.
    listener: TcpListener,
}

/// What a canary file holds.
const CANARY: &str = "ESCAPED-canary";

impl Stage {
    fn set(config: &Config) -> io::Result<Self> {
        let top = config.scratch.join(format!("openclaw-doctor-{}", std::process::id()));
        let workspace = top.join("workspace");
        fs::create_dir_all(workspace.join(".git/hooks"))?;
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&top, open)?;
        // Open to whoever gets there: what keeps the attack out is to be the sandbox.
        for directory in [".git", ".git/hooks"] {
            fs::set_permissions(workspace.join(directory), fs::Permissions::from_mode(0o777))?;
        }
        fs::write(top.join("canary"), CANARY)?;
        // The attacks that no shell can make are in the helper's program; here it is an ordinary file of a workspace.
        fs::copy(&config.helper, workspace.join("attack"))?;
        fs::set_permissions(workspace.join("attack"), fs::Permissions::from_mode(0o755))?;
        let workspace = fs::canonicalize(&workspace)?;
        Ok(Self { top, workspace, listener: TcpListener::bind(("127.0.0.1", 0))? })
    }

    fn filled_in(&self, script: &str) -> String {
        let port = self.listener.local_addr().map_or(0, |address| address.port());
        script
            .replace("{outside}", &self.top.display().to_string())
            .replace("{pid}", &std::process::id().to_string())
            .replace("{port}", &port.to_string())
            .replace("{attack}", "./attack sandbox-exec attack")
    }

    fn job(&self, level: Level, script: &str, limits: Limits) -> Job {
        Job {
            policy: Policy { level, limits, ..Policy::default() },
            command: vec!["/bin/sh".into(), "-c".into(), format!("echo STARTED; {script}")],
            environment: default_environment(),
            stdin: None,
            workspace: self.workspace.clone(),
            egress: None,
            wanted: Streams::default(),
        }
    }

    /// Whether everything outside the workspace is as it was, and nothing was left in it that is a trap.
    fn is_whole(&self) -> bool {
        let canary = fs::read_to_string(self.top.join("canary")).is_ok_and(|text| text == CANARY);
        let outside = fs::read_dir(&self.top).is_ok_and(|entries| entries.count() == 2);
        let hooks =
            fs::read_dir(self.workspace.join(".git/hooks")).is_ok_and(|mut entries| entries.next().is_none());
        let traps = fs::read_dir(&self.workspace).map_or(true, |entries| {
            entries.flatten().filter_map(|entry| entry.metadata().ok()).any(|metadata| {
                !(metadata.is_file() || metadata.is_dir() || metadata.is_symlink())
                    || metadata.permissions().mode() & 0o6000 != 0
            })
        });
        // What a probe planted is not to fail those after it.
        let _ = fs::remove_file(self.workspace.join(".git/hooks/planted"));
        canary && outside && hooks && !traps
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.top);
    }
}

/// Limits for probes that are to end soon.
const fn short(limits: Limits) -> Limits {
    Limits { wall: Duration::from_secs(6), ..limits }
}
