//! Cold start and idle memory of the real server over a log of a million events.

use std::{path::Path, time::Duration};

use openclaw_client::{CreateSession, SendMessage};
use openclaw_model::SessionId;
use tokio::task::JoinSet;

use crate::{
    load::fill,
    machine::resident_mb,
    report::{Check, Report, Target, median, millis, number, spread},
    server::{self, Server},
};

/// How long a server is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(3);
/// How long a server is under load before it is killed.
const LOAD: Duration = Duration::from_secs(2);
/// Callers of that load.
const CALLERS: usize = 32;

/// Starts the server `repeats` times after a clean stop and as often after a kill under load.
///
/// Without the server's binary beside this one there is nothing to measure, and the report says so.
pub(crate) async fn measure(dir: &Path, events: u64, repeats: usize) -> anyhow::Result<Report> {
    let mut report =
        Report::new("start", vec!["start after", "ready after ms", "resident after 3 s idle, MB"]);
    let Some(binary) = server::binary()? else {
        report.notes.push(server::MISSING.to_owned());
        return Ok(report);
    };
    let data = dir.join("start");
    let position = fill(&data, events, |events| tracing::info!(events, "building the log")).await?;
    tracing::info!(%position, "the log is built, the server catches up");
    let server = Server::start(&binary, &data).await?;
    let end = server.caught_up().await?;
    server.terminate().await?;

    let (mut clean, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let server = Server::start(&binary, &data).await?;
        clean.push(millis(server.ready_after));
        tokio::time::sleep(IDLE).await;
        idle.push(resident_mb(server.id()?)?);
        server.terminate().await?;
    }

    let (mut killed, mut killed_idle, mut written) = (Vec::new(), Vec::new(), Vec::new());
    let mut server = Server::start(&binary, &data).await?;
    for repeat in 0..repeats {
        let before = server.caught_up().await?;
        let after = load_and_kill(server, repeat).await?;
        written.push((after - before.0) as f64);
        server = Server::start(&binary, &data).await?;
        killed.push(millis(server.ready_after));
        tokio::time::sleep(IDLE).await;
        killed_idle.push(resident_mb(server.id()?)?);
    }
    server.terminate().await?;
    std::fs::remove_dir_all(&data)?;

    report.rows.push(vec!["a clean stop".into(), spread(&clean), spread(&idle)]);
    report.rows.push(vec!["kill -9 under load".into(), spread(&killed), spread(&killed_idle)]);
    report.checks.push(Check::new("start after a clean stop, ms", median(clean), Target::Below(100.0)));
    report.checks.push(Check::new("start after kill -9, ms", median(killed), Target::Below(1000.0)));
    report.checks.push(Check::new("idle memory after a clean stop, MB", median(idle), Target::Below(40.0)));
    report.checks.push(Check::new("idle memory after kill -9, MB", median(killed_idle), Target::Below(40.0)));
    report.notes.push(format!(
        "{end} events on disk, read model up to date, files in the page cache. From starting the process to the line \
         `listening on`. Before each kill the server took messages from {CALLERS} callers for {} s: {} events. Medians \
         [least-greatest] of {repeats} starts.",
        LOAD.as_secs(),
        spread(&written),
    ));
    Ok(report)
}

/// Sends messages to the server until it is killed in the middle. Returns the last position that it acknowledged.
async fn load_and_kill(server: Server, repeat: usize) -> anyhow::Result<u64> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = server.client.clone();
        callers.spawn(async move {
            let session_id = SessionId::new(&format!("load-{repeat}-{caller}"))?;
            let create = CreateSession { session_id: Some(session_id.clone()), ..CreateSession::default() };
            client.create_session(&create, None).await?;
            let message = SendMessage {
                session_id,
                content: "What a person may have to say to an agent. ".repeat(10),
                role: None,
                attachments: Vec::new(),
            };
            let mut position = 0;
            // The kill ends it.
            while let Ok(added) = client.send_message(&message, None).await {
                position = added.position.0;
            }
            anyhow::Ok(position)
        });
    }
    tokio::time::sleep(LOAD).await;
    server.kill().await?;
    let mut last = 0;
    while let Some(position) = callers.join_next().await {
        last = last.max(position??);
    }
    anyhow::ensure!(last > 0, "the server took no message in {} s", number(LOAD.as_secs_f64()));
    Ok(last)
}
