//! `openclaw event`: telling runs and schedules of what happened outside.

use std::{path::PathBuf, process::ExitCode};

use openclaw_client::PublishEvent;
use serde_json::{Value, json};

use super::{
    connect::Server,
    output,
    run::{fresh_key, read, value},
};

/// What is done with events.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Publish a CloudEvent: a whole one from a file, or one made of the flags.
    Publish(Publish),
}

#[derive(Debug, clap::Args)]
pub(super) struct Publish {
    /// The event in its JSON form; `-` reads it from standard input.
    #[arg(value_name = "FILE|-", required_unless_present = "type")]
    file: Option<PathBuf>,
    /// Type of the event.
    #[arg(long, value_name = "TYPE", conflicts_with = "file")]
    r#type: Option<String>,
    /// Source of the event.
    #[arg(long, value_name = "URI", requires = "type")]
    source: Option<String>,
    /// Id of the event. Publishing it again under the same source and id changes nothing.
    #[arg(long, value_name = "ID", requires = "type")]
    id: Option<String>,
    /// Subject of the event.
    #[arg(long, value_name = "TEXT", requires = "type")]
    subject: Option<String>,
    /// Its data: JSON, or else text; `-` reads it from standard input.
    #[arg(long, value_name = "FILE|-", requires = "type")]
    payload: Option<PathBuf>,
    /// Namespace whose runs and schedules hear of it; without it the only one of the caller, or else `default`.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Publish(publish) = command;
    let event = match &publish.file {
        Some(file) => value(read(file)?),
        None => made(&publish)?,
    };
    let client = publish.server.running(&publish.server.load()?).await?;
    let published = client
        .publish_event(&PublishEvent { event, namespace: publish.namespace.clone() }, Some(&fresh_key()?))
        .await?;
    if publish.json {
        output::data(&serde_json::to_string(&published)?)?;
    } else {
        output::note(&format!(
            "event {} of {} stands at position {}",
            published.id, published.source, published.position
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn made(publish: &Publish) -> anyhow::Result<Value> {
    let mut event = json!({ "type": publish.r#type });
    for (name, text) in [("source", &publish.source), ("id", &publish.id), ("subject", &publish.subject)] {
        if let Some(text) = text {
            event[name] = json!(text);
        }
    }
    if let Some(file) = &publish.payload {
        event["data"] = value(read(file)?);
    }
    Ok(event)
}
