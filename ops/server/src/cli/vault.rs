//! `openclaw vault`: making, opening and closing the vault, its keys, and copies of it.

use std::{
    fs,
    io::{IsTerminal, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use base64::{Engine, engine::general_purpose::STANDARD};
use openclaw_client::Client;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{connect::Server, output};
use crate::vault::{Source, passphrase};

/// What is done with the vault.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make the vault. Prints its recovery key, once.
    Init(Common),
    /// Say how the vault is.
    Status(Common),
    /// Make its credentials usable.
    Unseal(Opening),
    /// Forget its key, so that no credential can be used.
    Seal(Common),
    /// Encrypt everything with a new key. Prints the new recovery key, once.
    RotateKey(Common),
    /// Set another passphrase.
    ChangePassphrase(Opening),
    /// Make another recovery key and print it, once.
    RecoveryKey(Opening),
    /// Write a copy of all credentials, encrypted with a passphrase of its own.
    Export(Export),
    /// Take in the credentials of a copy.
    Import(Import),
}

#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Take the passphrase from the first line of this file, which only its owner may use.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct Opening {
    /// Use the recovery key instead of the passphrase.
    #[arg(long)]
    recovery_key: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Where to write the copy. There must be no such file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The copy.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace values of the same name; they stay otherwise.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(common) => {
            let client = common.client().await?;
            let passphrase = common.secret("new passphrase of the vault", true)?;
            made(&client, &common, "vault.init", json!({ "passphrase": &**passphrase })).await
        }
        Command::Status(common) => {
            let client = common.client().await?;
            standing(&client, &common, "vault.status", json!({})).await
        }
        Command::Seal(common) => {
            let client = common.client().await?;
            standing(&client, &common, "vault.seal", json!({})).await
        }
        Command::Unseal(opening) => {
            let client = opening.common.client().await?;
            let params = opening.params()?;
            standing(&client, &opening.common, "vault.unseal", params).await
        }
        Command::RotateKey(common) => {
            let client = common.client().await?;
            let passphrase = common.secret("passphrase of the vault", false)?;
            made(&client, &common, "vault.rotate_key", json!({ "passphrase": &**passphrase })).await
        }
        Command::RecoveryKey(opening) => {
            let client = opening.common.client().await?;
            let params = opening.params()?;
            made(&client, &opening.common, "vault.new_recovery_key", params).await
        }
        Command::ChangePassphrase(opening) => change_passphrase(opening).await,
        Command::Export(export) => write_copy(export).await,
        Command::Import(import) => take_in(import).await,
    }
}

impl Common {
    async fn client(&self) -> anyhow::Result<Client> {
        self.server.running(&self.server.load()?).await
    }

    /// A passphrase: from the file that was named, typed, or a line of standard input. A `new` one is typed twice.
    fn secret(&self, what: &str, new: bool) -> anyhow::Result<Zeroizing<String>> {
        match &self.passphrase_file {
            Some(path) => {
                let given = passphrase(&Source::File(path.clone()))?;
                Ok(Zeroizing::new(given.expose().to_owned()))
            }
            None => asked(what, new),
        }
    }
}

impl Opening {
    fn params(&self) -> anyhow::Result<Value> {
        Ok(if self.recovery_key {
            json!({ "recoveryKey": &**asked("recovery key", false)? })
        } else {
            json!({ "passphrase": &**self.common.secret("passphrase of the vault", false)? })
        })
    }
}

/// Typed without being shown, or a line of standard input.
fn asked(what: &str, twice: bool) -> anyhow::Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return line().with_context(|| format!("the {what} cannot be read from standard input"));
    }
    let first = Zeroizing::new(rpassword::prompt_password(format!("{what}: "))?);
    if twice {
        let second = Zeroizing::new(rpassword::prompt_password("once more: ")?);
        anyhow::ensure!(*first == *second, "the two are not the same");
    }
    Ok(first)
}

/// One line, read byte by byte, so that the next one is left for who asks next.
fn line() -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4_096));
    let mut stdin = std::io::stdin().lock();
    let mut byte = [0];
    while bytes.len() < 4_096 && stdin.read(&mut byte)? == 1 && byte[0] != b'\n' {
        bytes.push(byte[0]);
    }
    let text = Zeroizing::new(std::str::from_utf8(&bytes).context("it is no text")?.to_owned());
    let text = Zeroizing::new(text.trim_end_matches('\r').to_owned());
    anyhow::ensure!(!text.is_empty(), "it is empty");
    Ok(text)
}

/// A call whose answer is a recovery key: data for standard output, with words around it for people.
async fn made(client: &Client, common: &Common, method: &str, params: Value) -> anyhow::Result<ExitCode> {
    let made: Value = client.call(method, &params, None).await?;
    if common.json {
        output::data(&made.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    output::note("recovery key, shown only now; write it down and keep it elsewhere:");
    output::data(made["recoveryKey"].as_str().unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

/// A call whose answer says how the vault is.
async fn standing(client: &Client, common: &Common, method: &str, params: Value) -> anyhow::Result<ExitCode> {
    let standing: Value = client.call(method, &params, None).await?;
    if common.json {
        output::data(&standing.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let state = standing["state"].as_str().unwrap_or_default();
    output::data(&match standing["reason"].as_str() {
        Some(reason) => format!("{state}: {reason}"),
        None if state == "absent" => "absent; make one with `openclaw vault init`".to_owned(),
        None => {
            format!("{state}, {} credentials, written {} times", standing["credentials"], standing["epoch"])
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn change_passphrase(opening: Opening) -> anyhow::Result<ExitCode> {
    let client = opening.common.client().await?;
    let mut params = opening.params()?;
    params["newPassphrase"] = json!(&**asked("new passphrase of the vault", true)?);
    let recorded: Value = client.call("vault.change_passphrase", &params, None).await?;
    if opening.common.json {
        output::data(&recorded.to_string())?;
    } else {
        output::note("the passphrase is changed; give the new one to what unseals the vault at the start");
    }
    Ok(ExitCode::SUCCESS)
}

async fn write_copy(export: Export) -> anyhow::Result<ExitCode> {
    let client = export.common.client().await?;
    let passphrase = export.common.secret("new passphrase of the copy", true)?;
    let copy: Value = client.call("vault.export", &json!({ "passphrase": &**passphrase }), None).await?;
    let bytes = STANDARD.decode(copy["file"].as_str().unwrap_or_default())?;
    write(&export.file, &bytes).with_context(|| format!("{} cannot be written", export.file.display()))?;
    if export.common.json {
        output::data(&json!({ "credentials": copy["credentials"] }).to_string())?;
    } else {
        output::note(&format!("{} credentials in {}", copy["credentials"], export.file.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

async fn take_in(import: Import) -> anyhow::Result<ExitCode> {
    let client = import.common.client().await?;
    let bytes =
        fs::read(&import.file).with_context(|| format!("{} cannot be read", import.file.display()))?;
    let passphrase = import.common.secret("passphrase of the copy", false)?;
    let params =
        json!({ "file": STANDARD.encode(bytes), "passphrase": &**passphrase, "replace": import.replace });
    let imported: Value = client.call("vault.import", &params, None).await?;
    if import.common.json {
        output::data(&imported.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = |field: &str| imported[field].as_array().map_or(0, Vec::len);
    output::note(&format!("{} taken in, {} stayed as they were", count("taken"), count("kept")));
    Ok(ExitCode::SUCCESS)
}
