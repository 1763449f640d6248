//! `metadata.sandbox` of a task that runs a process: what it asks of the sandbox. It is decided when the process is run
//! whether it gets it.

use openclaw_model::event::run::{NetworkRequest, SandboxLevel, SandboxRequest};
use serde_json::Value;

use super::{
    model::Duration,
    problem::code,
    reader::{Fields, Node, Reader, excerpt},
};

/// Numbers that bound what the process may use.
const LIMITS: [&str; 8] = [
    "cpuSeconds",
    "memoryBytes",
    "processes",
    "fileBytes",
    "openFiles",
    "outputBytes",
    "workspaceBytes",
    "workspaceFiles",
];

const KNOWN: [&str; 14] = [
    "level", "readable", "writable", "network", "secrets", "wall", LIMITS[0], LIMITS[1], LIMITS[2],
    LIMITS[3], LIMITS[4], LIMITS[5], LIMITS[6], LIMITS[7],
];

/// Reads it; none if the task asks for nothing.
pub(super) fn read<'d>(reader: &mut Reader<'d>, task: &Fields<'d>) -> Option<Option<SandboxRequest>> {
    let declared = reader.metadata(task, "sandbox");
    reader.optional(declared, |reader, node| {
        let fields = reader.object(node, &KNOWN)?;
        let network = reader.optional(fields.get("network"), network);
        let level = reader.optional(fields.get("level"), |reader, node| {
            let words = [
                ("none", SandboxLevel::None),
                ("confined", SandboxLevel::Confined),
                ("relaxed", SandboxLevel::Relaxed),
                ("strict", SandboxLevel::Strict),
            ];
            reader.word(node, &words)
        });
        let readable = reader.optional(fields.get("readable"), paths);
        let writable = reader.optional(fields.get("writable"), paths);
        let secrets = reader.optional(fields.get("secrets"), names);
        let wall_ms = reader.optional(fields.get("wall"), wall);
        let mut limits = [None; 8];
        let mut good = true;
        for (limit, name) in limits.iter_mut().zip(LIMITS) {
            match reader.optional(fields.get(name), amount) {
                Some(value) => *limit = value,
                None => good = false,
            }
        }
        let [
            cpu_seconds,
            memory_bytes,
            processes,
            file_bytes,
            open_files,
            output_bytes,
            workspace_bytes,
            workspace_files,
        ] = good.then_some(limits)?;
        Some(SandboxRequest {
            level: level?,
            readable: readable?.unwrap_or_default(),
            writable: writable?.unwrap_or_default(),
            wall_ms: wall_ms?,
            cpu_seconds,
            memory_bytes,
            processes,
            file_bytes,
            open_files,
            output_bytes,
            workspace_bytes,
            workspace_files,
            secrets: secrets?.unwrap_or_default(),
            network: network?.unwrap_or_default(),
        })
    })
}

/// Names of secrets. Whether they are listed in `use.secrets` is found when the process is run.
fn names<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Vec<String>> {
    let entries: Vec<_> =
        reader.array(node)?.iter().map(|entry| reader.text(entry).map(str::to_owned)).collect();
    entries.into_iter().collect()
}

/// Absolute paths, by their words: which the server allows, and where links lead, is found when the process is run.
fn paths<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Vec<String>> {
    let mut read = |entry: &Node<'d>| {
        let text = reader.text(entry)?;
        if text.starts_with('/') && !text.split('/').any(|part| part == "..") {
            return Some(text.to_owned());
        }
        reader.report(code::BAD_VALUE, &entry.path, "give an absolute path without `..`");
        None
    };
    let entries: Vec<_> = node.items().unwrap_or_default().iter().map(&mut read).collect();
    if node.value.is_array() { entries.into_iter().collect() } else { reader.array(node).map(|_| Vec::new()) }
}

fn amount<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<u64> {
    let amount = node.value.as_u64().filter(|&amount| amount > 0);
    if amount.is_none() {
        reader.wrong_type(node, "a whole number above zero");
    }
    amount
}

/// A fixed time: what a process may use is known before anything is computed.
fn wall<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<u64> {
    match reader.duration(node)? {
        Duration::Millis(millis) if millis > 0 => Some(millis),
        _ => {
            reader.report(code::BAD_VALUE, &node.path, "give a fixed time above zero");
            None
        }
    }
}

fn network<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Vec<NetworkRequest>> {
    let entries: Vec<_> = reader.array(node)?.iter().map(|entry| destination(reader, entry)).collect();
    entries.into_iter().collect()
}

/// `HOST:PORT`, or `{ host, port, credential }`.
fn destination<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<NetworkRequest> {
    if node.value.is_string() {
        let text = reader.text(node)?;
        return checked(reader, node, text.to_owned(), None);
    }
    let fields = reader.object(node, &["host", "port", "credential"])?;
    let host = reader.required(&fields, "host").and_then(|node| reader.text(&node).map(str::to_owned));
    let port = reader.required(&fields, "port").and_then(|node| port(reader, &node));
    let credential =
        reader.optional(fields.get("credential"), |reader, node| reader.text(node).map(str::to_owned));
    let host = host?;
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    checked(reader, node, format!("{host}:{}", port?), credential?)
}

/// A number, or `*`.
fn port<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<String> {
    match node.value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text == "*" => Some(text.clone()),
        _ => {
            reader.wrong_type(node, "a port, or `*` for all");
            None
        }
    }
}

/// Refuses what no server could allow. Which hosts there are, the server says.
fn checked<'d>(
    reader: &mut Reader<'d>,
    node: &Node<'d>,
    destination: String,
    credential: Option<String>,
) -> Option<NetworkRequest> {
    let port = destination.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    if port.is_some_and(|port| port == "*" || port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Some(NetworkRequest { destination, credential });
    }
    let message =
        format!("`{}` is no destination: write HOST:PORT, with `*` for every port", excerpt(&destination));
    reader.report(code::BAD_VALUE, &node.path, message);
    None
}
