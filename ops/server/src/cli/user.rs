//! `openclaw user`: who may log in.

use std::{
    io::{self, IsTerminal, Read},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{connect::Server, output, run::fresh_key};

/// What is done with users.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Let somebody log in. The password is asked for, or is the first line of standard input.
    Add(Account),
    /// List users.
    List(List),
    /// Change what a user may do, as a whole: what is not given is empty.
    Change(Account),
    /// Give a user another password and end their sessions. It is asked for, or is the first line of standard input.
    Password(Named),
    /// Let somebody log in no more and end their sessions.
    Remove(Named),
}

#[derive(Debug, clap::Args)]
pub(super) struct Account {
    /// The name.
    #[arg(value_name = "NAME")]
    name: String,
    /// viewer, operator, auditor or admin.
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Where; everywhere without it. May be given several times.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
    /// What they are called in approvals, beside their role. May be given several times.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    #[command(flatten)]
    more: More,
}

#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The name.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    more: More,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    more: More,
}

#[derive(Debug, clap::Args)]
struct More {
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(account) => {
            let password = password()?;
            let mut params = described(&account);
            params["password"] = json!(password.as_str());
            change("user.add", params, &account.more, &format!("user:{} may log in", account.name)).await
        }
        Command::Change(account) => {
            let done = format!("user:{} is changed", account.name);
            change("user.change", described(&account), &account.more, &done).await
        }
        Command::Password(named) => {
            let params = json!({ "name": named.name, "password": password()?.as_str() });
            let done = format!("user:{} has another password", named.name);
            change("user.set_password", params, &named.more, &done).await
        }
        Command::Remove(named) => {
            let done = format!("user:{} may log in no more", named.name);
            change("user.remove", json!({ "name": named.name }), &named.more, &done).await
        }
        Command::List(args) => list(&args.more).await,
    }
}

fn described(account: &Account) -> Value {
    json!({
        "name": account.name,
        "role": account.role,
        "namespaces": account.namespace,
        "groups": account.group,
    })
}

async fn change(method: &str, params: Value, more: &More, done: &str) -> anyhow::Result<ExitCode> {
    let client = more.server.running(&more.server.load()?).await?;
    let answer: Value = client.call(method, &params, Some(&fresh_key()?)).await?;
    if more.json {
        output::data(&answer.to_string())?;
    } else {
        output::note(done);
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(more: &More) -> anyhow::Result<ExitCode> {
    let client = more.server.running(&more.server.load()?).await?;
    let listed: Value = client.call("user.list", &json!({}), None).await?;
    for user in listed["users"].as_array().into_iter().flatten() {
        if more.json {
            output::data(&user.to_string())?;
            continue;
        }
        let texts = |name: &str| {
            let texts = user[name].as_array().into_iter().flatten().filter_map(Value::as_str);
            texts.collect::<Vec<_>>().join(", ")
        };
        let place = texts("namespaces");
        let place = if place.is_empty() { "everywhere".to_owned() } else { format!("in {place}") };
        let groups = texts("groups");
        let groups = if groups.is_empty() { String::new() } else { format!("  [{groups}]") };
        let seen = user["lastLoginAt"].as_str().map_or_else(String::new, |at| format!("  last login {at}"));
        output::data(&format!(
            "{}  {} {place}{groups}{seen}",
            user["name"].as_str().unwrap_or_default(),
            user["role"].as_str().unwrap_or_default()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The new password: typed twice without being shown, or the first line of standard input. Never an argument, because
/// everybody on the machine can see those.
fn password() -> anyhow::Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        let mut text = Zeroizing::new(String::new());
        io::stdin().take(8 << 10).read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    let ask =
        |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new).context("there is no terminal");
    let password = ask("New password: ")?;
    anyhow::ensure!(ask("Again: ")? == password, "the two are not the same");
    Ok(password)
}
