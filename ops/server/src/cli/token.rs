//! `openclaw token`: with which programs prove who they are.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{connect::Server, output, run::fresh_key};

/// What is done with tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a token. Its text is printed once, and kept nowhere.
    Issue(Issue),
    /// List tokens.
    List(List),
    /// Let a token count no more, at once.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
pub(super) struct Issue {
    /// Its name, as the log will have it: token:NAME.
    #[arg(value_name = "NAME")]
    name: String,
    /// What its holder may do: query, audit, operate, admin, vouch, command:*, command:run, command:run.start or *,
    /// each with @NAMESPACE to count there only. May be given several times.
    #[arg(long, value_name = "SCOPE", required = true)]
    scope: Vec<String>,
    /// How long it counts, for example 12h or 90d; without it until it is revoked.
    #[arg(long, value_name = "TIME")]
    expires_in: Option<String>,
    /// Until when it counts, for example 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires_at: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Those that count no more as well.
    #[arg(long)]
    all: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// Its name.
    #[arg(value_name = "NAME")]
    name: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Issue(args) => issue(args).await,
        Command::List(args) => list(args).await,
        Command::Revoke(args) => revoke(args).await,
    }
}

async fn issue(args: Issue) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let mut params = json!({ "name": args.name, "scopes": args.scope });
    if let Some(time) = args.expires_in {
        params["expiresIn"] = json!(in_hours(&time));
    }
    if let Some(time) = args.expires_at {
        params["expiresAt"] = json!(time);
    }
    let issued: Value = client.call("token.issue", &params, None).await?;
    if args.json {
        output::data(&issued.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    output::data(issued["token"].as_str().unwrap_or_default())?;
    let until = issued["expiresAt"].as_str().map_or_else(String::new, |at| format!(" until {at}"));
    output::note(&format!("token:{} counts{until}; this is the only time that it is shown", args.name));
    Ok(ExitCode::SUCCESS)
}

/// Days as hours, which is the largest unit that the server knows.
fn in_hours(time: &str) -> String {
    let days = time.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()?.checked_mul(24));
    days.map_or_else(|| time.to_owned(), |hours| format!("{hours}h"))
}

async fn list(args: List) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let listed: Value = client.call("token.list", &json!({}), None).await?;
    for token in listed["tokens"].as_array().into_iter().flatten() {
        let counts = token["counts"] == true;
        if !counts && !args.all {
            continue;
        }
        if args.json {
            output::data(&token.to_string())?;
            continue;
        }
        let text = |name: &str| token[name].as_str();
        let scopes: Vec<&str> =
            token["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let state = match (text("revokedAt"), text("expiresAt")) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) if counts => format!("until {at}"),
            (None, Some(at)) => format!("expired {at}"),
            (None, None) => "until revoked".to_owned(),
        };
        let used = text("lastUsedAt").map_or_else(String::new, |at| format!("  last used {at}"));
        output::data(&format!(
            "{}  [{}]  {state}{used}",
            text("name").unwrap_or_default(),
            scopes.join(", ")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(args: Revoke) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let mut params = json!({ "name": args.name });
    if let Some(reason) = args.reason {
        params["reason"] = json!(reason);
    }
    let answer: Value = client.call("token.revoke", &params, Some(&fresh_key()?)).await?;
    if args.json {
        output::data(&answer.to_string())?;
    } else {
        output::note(&format!("token:{} counts no more", args.name));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::in_hours;

    #[test]
    fn days_are_hours_and_everything_else_is_left_to_the_server() {
        assert_eq!(in_hours("90d"), "2160h");
        for other in ["12h", "d", "1.5d", "99999999999999999999d", "soon"] {
            assert_eq!(in_hours(other), other);
        }
    }
}
