//! What a run costs on disk: bytes per task, and how they grow with the number of tasks.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use openclaw_client::Client;
use tokio::task::JoinSet;

use crate::{
    drive::{once, register},
    machine::written_bytes,
    observer::Observer,
    report::{Check, Report, Target, number},
    scenario::Scenario,
    server::{self, Server},
};

/// Characters of payload in each answer.
pub(crate) const PAYLOAD: usize = 1000;
const CALLERS: usize = 8;
/// Calls of each row. Enough that the newest segment of the log, which is not compressed yet, does not count for much.
const CALLS: usize = 40_000;

/// Executes sequences of 10 and of 100 tasks whose data, 1 KB, flows from each task to the next.
pub(crate) async fn measure(dir: &Path) -> anyhow::Result<Report> {
    let columns = vec![
        "what",
        "runs",
        "bytes/run",
        "bytes/task",
        "log, of the payload",
        "read model, of the payload",
        "both, of the payload",
        "written, of the payload",
    ];
    let mut report = Report::new("storage", columns);
    let Some(binary) = server::binary()? else {
        report.notes.push(server::MISSING.to_owned());
        return Ok(report);
    };
    let observer = Observer::start().await?;
    observer.payload(PAYLOAD);
    for scenario in [Scenario::Sequence(10), Scenario::Sequence(100)] {
        let runs = CALLS / scenario.tasks();
        let used = use_of(&binary, &dir.join(scenario.name()), &observer, scenario, runs).await?;
        let stored = (used.log + used.views) as f64;
        let share = |bytes: f64| bytes / (CALLS * PAYLOAD) as f64;
        report.rows.push(vec![
            scenario.title(),
            runs.to_string(),
            number(stored / runs as f64),
            number(stored / CALLS as f64),
            number(share(used.log as f64)),
            number(share(used.views as f64)),
            number(share(stored)),
            number(share(used.written as f64)),
        ]);
        report.checks.push(Check::new(
            format!("{}, on disk, times the payload", scenario.title()),
            share(stored),
            Target::Below(5.0),
        ));
    }
    report.notes.push(format!(
        "{CALLS} calls, {CALLERS} runs at once; each answer carries {PAYLOAD} bytes that do not compress and is the body of the next call. \
         Blocks of the log's and the read model's directory after a clean stop, without those of an empty server. \
         Written: what the process gave to the disk (`write_bytes` in /proc/PID/io), read model and compression of old \
         segments included. The segment that is being written takes about 10 KB a call until it is sealed; a segment has \
         32 MiB."
    ));
    Ok(report)
}

struct Used {
    log: u64,
    views: u64,
    written: u64,
}

async fn use_of(
    binary: &Path,
    data: &Path,
    observer: &Observer,
    scenario: Scenario,
    runs: usize,
) -> anyhow::Result<Used> {
    let server = Server::start(binary, data).await?;
    register(&server.client, scenario.documents(observer.base())).await?;
    server.caught_up().await?;
    server.terminate().await?;
    let (log, views) = (blocks(&data.join("log"))?, blocks(&data.join("views"))?);

    let server = Server::start(binary, data).await?;
    let written = written_bytes(server.id()?)?;
    execute(&server.client, observer, scenario, runs).await?;
    server.caught_up().await?;
    let written = written_bytes(server.id()?)? - written;
    server.terminate().await?;
    let used = Used {
        log: blocks(&data.join("log"))?.saturating_sub(log),
        views: blocks(&data.join("views"))?.saturating_sub(views),
        written,
    };
    fs::remove_dir_all(data)?;
    Ok(used)
}

/// Executes so many runs, eight at once.
pub(crate) async fn execute(
    client: &Client,
    observer: &Observer,
    scenario: Scenario,
    runs: usize,
) -> anyhow::Result<()> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, name) = (client.clone(), scenario.name());
        callers.spawn(async move {
            for _ in (caller..runs).step_by(CALLERS) {
                once(&client, &name).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    observer.take();
    Ok(())
}

/// Bytes of the blocks that a file or a directory with everything below it takes on the disk.
pub(crate) fn blocks(path: &Path) -> std::io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    let mut sum = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            sum += blocks(&entry?.path())?;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_takes_the_blocks_of_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let empty = blocks(dir.path()).unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/file"), vec![7; 100_000]).unwrap();
        fs::File::open(dir.path().join("below/file")).unwrap().sync_all().unwrap();
        assert!(blocks(dir.path()).unwrap() >= empty + 100_000);
    }
}
