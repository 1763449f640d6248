//! `openclaw audit trail`, `export` and `bundle`: of a running server over HTTP, of a stopped one from its directory.

use std::{
    fs,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use openclaw_client::{Client, Download};
use openclaw_sled::SledLog;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Bundle, Export, Trail, output};
use crate::{
    audit::{self, Lines},
    config::Config,
    data::Data,
    telemetry,
};

/// Opens the log of a stopped server. Nothing is carried out: it is only read.
pub(super) async fn open(config: &Config) -> anyhow::Result<SledLog> {
    let directory = Data::at(&config.data).log();
    // Opening would make a log where there is none.
    anyhow::ensure!(
        directory.is_dir(),
        "there is no log in {}, and no server runs on it",
        directory.display()
    );
    let options = config.log.options();
    let opened = tokio::task::spawn_blocking(move || SledLog::open(&directory, options)).await;
    opened.context("opening the log panicked")?.map_err(|error| anyhow::anyhow!("[{}] {error}", error.code()))
}

/// Lines from wherever they come.
enum Source {
    Here(SledLog, Lines),
    There(Download, Vec<u8>),
}

impl Source {
    /// The next line.
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Here(_, lines) => Ok(lines.next().await.transpose()?),
            Self::There(download, buffer) => loop {
                if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    return Ok(Some(String::from_utf8(line[..end].to_vec())?));
                }
                match download.next().await? {
                    Some(piece) => buffer.extend_from_slice(&piece),
                    None => return Ok(None),
                }
            },
        }
    }

    async fn close(self) -> anyhow::Result<()> {
        if let Self::Here(log, lines) = self {
            drop(lines);
            tokio::task::spawn_blocking(move || log.close()).await.context("closing the log panicked")?;
        }
        Ok(())
    }

    /// Writes every line as `show` makes it.
    async fn print(&mut self, show: impl Fn(String) -> anyhow::Result<String>) -> anyhow::Result<()> {
        let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
        while let Some(line) = self.next().await? {
            out.write_all(show(line)?.as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(())
    }
}

/// Whoever reads has seen enough.
fn unless_broken_pipe(printed: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    match printed {
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(ExitCode::SUCCESS)
        }
        printed => printed.map(|()| ExitCode::SUCCESS),
    }
}

/// A path with the fields of `query` behind it.
fn path(path: &str, query: &impl Serialize) -> anyhow::Result<String> {
    let fields = serde_json::to_value(query)?;
    let mut pairs = Vec::new();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let encoded: String = text
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        pairs.push(format!("{name}={encoded}"));
    }
    Ok(format!("{path}?{}", pairs.join("&")))
}

async fn there(client: &Client, at: &str, query: &impl Serialize) -> anyhow::Result<Source> {
    Ok(Source::There(client.download(&path(at, query)?, false).await?, Vec::new()))
}

pub(super) async fn trail(args: Trail) -> anyhow::Result<ExitCode> {
    let config = args.server.load()?;
    telemetry::install(&config.telemetry)?;
    args.of.about()?;
    let mut source = match args.server.find(&config).await? {
        Some(client) => there(&client, "/audit/trail", &args.of).await?,
        None => {
            let log = open(&config).await?;
            let lines = audit::trail(&log, &args.of).await?;
            Source::Here(log, lines)
        }
    };
    let printed = source.print(|line| if args.json { Ok(line) } else { for_people(&line) }).await;
    source.close().await?;
    unless_broken_pipe(printed)
}

/// An entry on one line: where, when, who, what, to what, in a few words, and why.
fn for_people(line: &str) -> anyhow::Result<String> {
    let entry: Value = serde_json::from_str(line)?;
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let cause = match (entry["causation"].as_str(), entry["correlation"].as_str()) {
        (Some(cause), _) => format!(", caused by {cause}"),
        (None, Some(request)) => format!(", part of {request}"),
        (None, None) => String::new(),
    };
    let summary = text("summary");
    let summary = if summary.is_empty() { summary } else { format!(": {summary}") };
    Ok(format!(
        "{:>8}  {}  {}  {}  {}{summary}  [{}{cause}]",
        entry["position"].to_string(),
        text("at"),
        text("actor"),
        text("type"),
        text("stream"),
        text("why").replace('_', " "),
    ))
}

pub(super) async fn export(args: Export) -> anyhow::Result<ExitCode> {
    let config = args.server.load()?;
    telemetry::install(&config.telemetry)?;
    let mut source = match args.server.find(&config).await? {
        Some(client) => there(&client, "/audit/export", &args.of).await?,
        None => {
            // Whoever reads the files of a stopped server could read them without this program, so it is in no event.
            let log = open(&config).await?;
            let lines = audit::export(&log, &args.of).await?;
            Source::Here(log, lines)
        }
    };
    let printed = source.print(Ok).await;
    source.close().await?;
    unless_broken_pipe(printed)
}

pub(super) async fn bundle(args: Bundle) -> anyhow::Result<ExitCode> {
    let config = args.server.load()?;
    telemetry::install(&config.telemetry)?;
    let client = args.server.running(&config).await?;
    let mut download = client.download(&format!("/audit/bundle/{}", args.run), true).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = download.next().await? {
        bytes.extend_from_slice(&piece);
    }
    // What cannot be checked now will not be later.
    let checked = openclaw_audit::bundle::check(&bytes, &std::collections::BTreeSet::new())?;
    write(&args.output, &bytes).with_context(|| format!("{} cannot be written", args.output.display()))?;
    output::data(&if args.json {
        json!({
            "file": args.output, "bytes": bytes.len(), "events": checked.events.len(),
            "through": checked.header.through, "keys": checked.signers,
        })
        .to_string()
    } else {
        format!(
            "{}: {} events up to position {}, {} bytes",
            args.output.display(),
            checked.events.len(),
            checked.header.through,
            bytes.len()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// For its owner only: it shows a run's data. Nothing that is there is overwritten.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
