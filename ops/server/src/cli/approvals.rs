//! `openclaw approvals`: what people are asked to decide, and deciding it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use openclaw_client::{Client, Decide, Person};
use openclaw_model::{ApprovalId, Digest};
use serde_json::{Value, json};

use super::{
    connect::Server,
    output,
    run::{fresh_key, read, value},
};

/// What is done with approvals.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what is to be decided.
    List(List),
    /// Show what exactly is to be decided.
    Show(Show),
    /// Decide.
    Decide(DecideArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Those that this person may decide.
    #[arg(long, value_name = "NAME")]
    assignee: Option<String>,
    /// Those that somebody in this role may decide.
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Those that are decided or void as well.
    #[arg(long)]
    all: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The approval.
    #[arg(value_name = "APPROVAL")]
    approval: ApprovalId,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct DecideArgs {
    /// The approval.
    #[arg(value_name = "APPROVAL")]
    approval: ApprovalId,
    /// Name of the choice.
    #[arg(value_name = "CHOICE")]
    choice: String,
    /// Who decides; the token itself if it is not given. Naming somebody needs a token with the scope `vouch`.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// What they are; may be given several times.
    #[arg(long, value_name = "ROLE", requires = "by")]
    role: Vec<String>,
    /// Digest of what they saw, as `show` prints it. Without it, what is asked now is printed and decided.
    #[arg(long, value_name = "DIGEST")]
    digest: Option<Digest>,
    /// The answer that goes with the choice: JSON, or else text; `-` reads it from standard input.
    #[arg(long, value_name = "FILE|-")]
    answer: Option<PathBuf>,
    /// In their words.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

const LIST: &str = "query($state: [ApprovalState!], $assignee: String, $role: [String!]) {
    approvals(first: 100, state: $state, assignee: $assignee, role: $role) {
        nodes { id state title runId due choice choices { name } } pageInfo { hasNextPage } } }";
const SHOW: &str = "query($id: ID!) { approval(id: $id) {
    id state title details subject digest runId taskId quorum due choice answer how reason
    choices { name title schema } deciders { assignees roles } } }";

pub(super) async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
        Command::Decide(args) => decide(args).await,
    }
}

async fn list(args: List) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let state = if args.all { Value::Null } else { json!(["open"]) };
    let role = if args.role.is_empty() { Value::Null } else { json!(args.role) };
    let variables = json!({ "state": state, "assignee": args.assignee, "role": role });
    let data = client.graphql(LIST, variables).await?;
    let nodes = data["approvals"]["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for node in nodes {
        if args.json {
            output::data(&node.to_string())?;
            continue;
        }
        let text = |name: &str| node[name].as_str().unwrap_or_default();
        let due = node["due"].as_str().map(|due| format!("  until {due}")).unwrap_or_default();
        let outcome = match text("state") {
            "open" => names(&node["choices"]),
            "resolved" => node["choice"].as_str().unwrap_or("denied").to_owned(),
            _ => "void".to_owned(),
        };
        output::data(&format!("{}  {}  [{outcome}]{due}", text("id"), text("title")))?;
    }
    if data["approvals"]["pageInfo"]["hasNextPage"] == true {
        output::note("there are more; ask GraphQL for the rest");
    }
    if nodes.is_empty() && !args.json {
        output::note("nothing is to be decided");
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: Show) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let approval = fetch(&client, args.approval).await?;
    if args.json {
        output::data(&approval.to_string())?;
    } else {
        output::data(&described(&approval))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn decide(args: DecideArgs) -> anyhow::Result<ExitCode> {
    let client = args.server.running(&args.server.load()?).await?;
    let digest = match args.digest {
        Some(digest) => digest,
        None => {
            let approval = fetch(&client, args.approval).await?;
            output::note(&described(&approval));
            let digest = approval["digest"].as_str().unwrap_or_default();
            digest.parse().context("the server shows no digest of what is asked")?
        }
    };
    let decision = Decide {
        approval_id: args.approval,
        digest,
        choice: args.choice,
        by: args.by.map(|name| Person { name, roles: args.role }),
        answer: args.answer.as_deref().map(read).transpose()?.map(value),
        comment: args.comment,
    };
    let decided = client.decide(&decision, Some(&fresh_key()?)).await?;
    if args.json {
        output::data(&serde_json::to_string(&decided)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&match (decided.resolved, decided.choice) {
        (false, _) => "recorded; more people have to decide".to_owned(),
        (true, Some(choice)) => format!("decided: {choice}"),
        (true, None) => "denied: the votes cannot reach the quorum any more".to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

async fn fetch(client: &Client, approval: ApprovalId) -> anyhow::Result<Value> {
    let mut data = client.graphql(SHOW, json!({ "id": approval })).await?;
    let approval_data = data["approval"].take();
    anyhow::ensure!(!approval_data.is_null(), "[OC-APR-001] there is no approval {approval}");
    Ok(approval_data)
}

/// For a person.
fn described(approval: &Value) -> String {
    let mut lines = vec![approval["title"].as_str().unwrap_or_default().to_owned()];
    for (label, name) in [("details", "details"), ("decides about", "subject")] {
        if !approval[name].is_null() {
            let text = serde_json::to_string_pretty(&approval[name]).unwrap_or_default();
            lines.push(format!("{label}: {text}"));
        }
    }
    lines.push(format!("choices: {}", names(&approval["choices"])));
    let list = |value: &Value| {
        let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    for (label, value) in [
        ("assignees", list(&approval["deciders"]["assignees"])),
        ("roles", list(&approval["deciders"]["roles"])),
    ] {
        if !value.is_empty() {
            lines.push(format!("{label}: {value}"));
        }
    }
    for (label, name) in [
        ("state", "state"),
        ("chosen", "choice"),
        ("how", "how"),
        ("void because", "reason"),
        ("until", "due"),
        ("run", "runId"),
        ("digest", "digest"),
    ] {
        if let Some(text) = approval[name].as_str() {
            lines.push(format!("{label}: {text}"));
        }
    }
    lines.join("\n")
}

fn names(choices: &Value) -> String {
    let names = choices.as_array().into_iter().flatten().filter_map(|choice| choice["name"].as_str());
    names.collect::<Vec<_>>().join(", ")
}
