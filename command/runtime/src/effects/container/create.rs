//! From the request to the words of `create`.

use std::path::{Path, PathBuf};

use openclaw_model::event::run::ContainerRequest;
use serde_json::Value;

use super::{Config, EFFECT, INSTANCE, KEEP, Problem, make_private};

/// What follows `create` on the engine's command line.
///
/// # Errors
/// When the container asks for what it may not have: a path of this machine that the configuration does not allow, a
/// port, name or image that is none.
pub(super) async fn arguments(
    request: &ContainerRequest,
    key: &str,
    config: &Config,
) -> Result<Vec<String>, Problem> {
    let name = match &request.name {
        Some(name) if is_name(name) => name.clone(),
        Some(name) => return Err(Problem::Refused(format!("cannot be called {name:?}"))),
        None => format!("openclaw-{key}"),
    };
    if request.image.is_empty()
        || request.image.starts_with('-')
        || request.image.contains(char::is_whitespace)
    {
        return Err(Problem::Refused(format!("cannot be made of an image {:?}", request.image)));
    }
    let pull = match request.pull_policy.as_str() {
        "ifNotPresent" => "missing",
        "always" => "always",
        "never" => "never",
        other => return Err(Problem::Refused(format!("has the unknown pull policy {other:?}"))),
    };
    // So that a later start of the server knows that there are containers.
    make_private(&config.directory)
        .map_err(|problem| Problem::Refused(format!("has no directory: {problem}")))?;

    let mut words: Vec<String> = Vec::new();
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--name", name);
    option("--label", format!("{EFFECT}={key}"));
    option("--label", format!("{INSTANCE}={}", config.instance()));
    if let Some(keep) = request.keep_ms {
        option("--label", format!("{KEEP}={keep}"));
    }
    option("--pull", pull.into());
    option("--log-driver", "json-file".into());
    option("--security-opt", "no-new-privileges".into());
    option("--memory", config.memory_bytes.to_string());
    option("--pids-limit", config.processes.to_string());
    if request.ports.is_empty() {
        option("--network", "none".into());
    }
    for (inside, outside) in &request.ports {
        option("--publish", format!("127.0.0.1:{}:{}", port(outside)?, port(&inside.as_str().into())?));
    }
    for (inside, outside) in &request.volumes {
        option("--mount", mount(inside, outside, &config.volumes).await?);
    }
    for (name, value) in &request.environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Problem::Refused(format!("cannot have the variable {name:?}")));
        }
        option("--env", format!("{name}={value}"));
    }
    if request.stdin.is_some() {
        words.push("--interactive".into());
    }
    match &request.command {
        // As the specification's example wants it: the arguments are the $1, $2, ... of the command line.
        Some(command) => {
            words.extend(["--entrypoint".into(), "/bin/sh".into(), request.image.clone()]);
            words.extend(["-c".into(), command.clone(), "sh".into()]);
        }
        None => words.push(request.image.clone()),
    }
    words.extend(request.arguments.iter().cloned());
    Ok(words)
}

/// Names that both engines take.
fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    name.len() > 1
        && name.len() < 256
        && name.bytes().all(known)
        && name.as_bytes()[0].is_ascii_alphanumeric()
}

fn port(value: &Value) -> Result<u16, Problem> {
    let number = match value {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|port| *port > 0).ok_or_else(|| Problem::Refused(format!("cannot have the port {value}")))
}

/// A path of this machine inside the container, read-only with `:ro` behind it.
async fn mount(inside: &str, outside: &str, allowed: &[PathBuf]) -> Result<String, Problem> {
    let refused = |why: &str| Problem::Refused(format!("may not see {outside:?}: {why}"));
    let (path, read_only) = outside.strip_suffix(":ro").map_or((outside, false), |path| (path, true));
    if !Path::new(path).is_absolute() || !inside.starts_with('/') {
        return Err(refused("both paths of a volume have to be absolute"));
    }
    // Links are followed before it is decided.
    let real = tokio::fs::canonicalize(path).await.map_err(|problem| refused(&problem.to_string()))?;
    let mut within = false;
    for directory in allowed {
        within |= tokio::fs::canonicalize(directory).await.is_ok_and(|directory| real.starts_with(directory));
    }
    if !within {
        return Err(refused("it is in no directory of `containers.volumes`"));
    }
    let real = real.to_str().ok_or_else(|| refused("its name is not Unicode"))?;
    if [real, inside].iter().any(|path| path.contains([',', '"', '\n'])) {
        return Err(refused("such a name cannot be told to the engine"));
    }
    let end = if read_only { ",readonly" } else { "" };
    Ok(format!("type=bind,source={real},target={inside}{end}"))
}
