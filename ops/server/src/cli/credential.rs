//! `openclaw credential`: what is in the vault. Values go in and never come out.

use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{connect::Server, output, run::fresh_key};

/// Longest value, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// What is done with credentials.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Put a credential into the vault. Its value is read from standard input, or asked for.
    Set(Named),
    /// Give a credential another value.
    Rotate(Named),
    /// Take a credential out.
    Delete(Named),
    /// List credentials, without their values.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The credential.
    #[arg(value_name = "NAME")]
    name: String,
    /// Its namespace; your own, or `default`, if not given.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those of this namespace.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Set(args) => store(args, "credential.set").await,
        Command::Rotate(args) => store(args, "credential.rotate").await,
        Command::Delete(args) => delete(args).await,
        Command::List(args) => list(args).await,
    }
}

async fn store(args: Named, method: &str) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let value = value()?;
    let mut params = json!({ "name": args.name, "value": &**value });
    if let Some(namespace) = args.namespace {
        params["namespace"] = namespace.into();
    }
    let stored: Value = client.call(method, &params, Some(&fresh_key()?)).await?;
    if args.json {
        output::data(&stored.to_string())?;
    } else {
        output::note(&format!("stored: {}", line(&stored)));
    }
    Ok(ExitCode::SUCCESS)
}

async fn delete(args: Named) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let mut params = json!({ "name": args.name });
    if let Some(namespace) = args.namespace {
        params["namespace"] = namespace.into();
    }
    let deleted: Value = client.call("credential.delete", &params, Some(&fresh_key()?)).await?;
    if args.json {
        output::data(&deleted.to_string())?;
    } else {
        output::note(&format!("deleted: {}/{}", text(&deleted, "namespace"), text(&deleted, "name")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: List) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let params = args.namespace.map_or_else(|| json!({}), |namespace| json!({ "namespace": namespace }));
    let listed: Value = client.call("credential.list", &params, None).await?;
    let credentials = listed["credentials"].as_array().map(Vec::as_slice).unwrap_or_default();
    for credential in credentials {
        output::data(&if args.json { credential.to_string() } else { line(credential) })?;
    }
    if credentials.is_empty() && !args.json {
        output::note("there are no credentials");
    }
    Ok(ExitCode::SUCCESS)
}

fn line(credential: &Value) -> String {
    format!(
        "{}/{}  version {}  {}",
        text(credential, "namespace"),
        text(credential, "name"),
        credential["version"],
        text(credential, "fingerprint")
    )
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// The value: typed twice at a terminal, otherwise all of standard input without the line end that `echo` puts behind it.
/// Never an argument, because other users see those.
fn value() -> anyhow::Result<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        let first = Zeroizing::new(rpassword::prompt_password("value: ")?);
        let second = Zeroizing::new(rpassword::prompt_password("once more: ")?);
        anyhow::ensure!(*first == *second, "the two are not the same; nothing was stored");
        return Ok(first);
    }
    let mut value = Zeroizing::new(String::new());
    std::io::stdin()
        .take(MAX_BYTES + 2)
        .read_to_string(&mut value)
        .context("the value on standard input is no text")?;
    let end =
        value.strip_suffix('\n').map_or(value.len(), |rest| rest.strip_suffix('\r').unwrap_or(rest).len());
    value.truncate(end);
    anyhow::ensure!(value.len() as u64 <= MAX_BYTES, "the value is longer than {MAX_BYTES} bytes");
    Ok(value)
}
