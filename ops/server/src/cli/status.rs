//! `openclaw status`.

use std::process::ExitCode;

use openclaw_client::{Error, Health};
use serde_json::{Value, json};

use super::{FAILURE, connect::Server, output};

/// Say how the server is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: Server,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What the query side is asked for.
const QUERY: &str = "{ freshness { status position head } stats { runsByStatus { status runs } } }";

/// Prints health, positions, freshness and runs by state. Exit code 0 if commands and queries are served, 1 if
/// something needs attention.
pub(super) async fn status(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.server.load()?;
    let Some(client) = args.server.find(&config).await? else {
        if args.json {
            output::data(&json!({ "running": false, "data": config.data }).to_string())?;
        } else {
            output::data(&format!("no server runs on {}", config.data.display()))?;
        }
        return Ok(ExitCode::from(FAILURE));
    };
    let health = client.health().await?;
    let version = client.version().await?;
    // The command side may be well while the query side is not; that is worth telling.
    let views = match client.graphql(QUERY, json!({})).await {
        Ok(data) => data,
        Err(Error::Graphql(errors)) => {
            json!({ "error": errors.first().map(|error| error.message.clone()) })
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        let all = json!({
            "running": true, "url": client.url(), "version": version.version, "health": health, "views": views,
        });
        output::data(&all.to_string())?;
    } else {
        for line in lines(client.url(), &version.version, &health, &views) {
            output::data(&line)?;
        }
    }
    Ok(if health.status == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(url: &str, version: &str, health: &Health, views: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines =
        vec![format!("server     {url}, openclaw {version}"), format!("health     {}", health.status)];
    lines.extend(health.reasons.iter().map(|reason| format!("           {reason}")));
    lines.push(format!("log        position {}", health.position));
    match views.get("error") {
        Some(error) => lines.push(format!("views      {}", text(error))),
        None => {
            let freshness = &views["freshness"];
            lines.push(format!(
                "views      {} at position {}",
                text(&freshness["status"]),
                text(&freshness["position"])
            ));
            let counts: Vec<String> = views["stats"]["runsByStatus"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|entry| entry["runs"] != 0)
                .map(|entry| format!("{} {}", text(&entry["runs"]), text(&entry["status"]).to_lowercase()))
                .collect();
            lines.push(format!(
                "runs       {}",
                if counts.is_empty() { "none".into() } else { counts.join(", ") }
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use openclaw_model::Position;

    use super::*;

    #[test]
    fn a_person_sees_what_matters() {
        let health = Health {
            status: "degraded".into(),
            reasons: vec!["OC-PRJ-001: stopped".into()],
            position: Position(12),
            projected: Position(9),
        };
        let views = json!({
            "freshness": { "status": "FAILED", "position": "9", "head": "12" },
            "stats": { "runsByStatus": [
                { "status": "COMPLETED", "runs": 2 }, { "status": "FAULTED", "runs": 0 },
            ] },
        });
        assert_eq!(
            lines("http://h:1", "0.1.0", &health, &views),
            [
                "server     http://h:1, openclaw 0.1.0",
                "health     degraded",
                "           OC-PRJ-001: stopped",
                "log        position 12",
                "views      FAILED at position 9",
                "runs       2 completed",
            ]
        );
        assert_eq!(lines("u", "v", &health, &json!({ "error": "gone" }))[4], "views      gone");
    }
}
