//! The policy of one process: the server's, changed by what its task asks for, and never wider than the server allows.

use std::time::Duration;

use openclaw_model::event::run::{SandboxLevel, SandboxRequest, WorkflowError};
use openclaw_ports::sandbox::{Level, Limits, Policy};
use openclaw_workflow::error;

use super::network;

/// The policy of a process whose task asks for `asked`: `usual` where it does not say, within `most`.
///
/// # Errors
/// An authorization error (403, `OC-SBX-005`) that names what is wider, a configuration error for what is none.
pub(super) fn policy(
    usual: &Policy,
    most: &Policy,
    asked: Option<&SandboxRequest>,
) -> Result<Policy, WorkflowError> {
    // A process has the network that its task asks for, and nothing because others may have it.
    let mut policy = Policy { network: Vec::new(), ..usual.clone() };
    if let Some(asked) = asked {
        policy.network = network::destinations(&asked.network)?;
        policy.level = asked.level.map_or(policy.level, level);
        policy.readable.extend(asked.readable.iter().map(Into::into));
        policy.writable.extend(asked.writable.iter().map(Into::into));
        policy.limits = limits(policy.limits, asked);
    }
    policy.within(most).map_err(|wider| {
        error::authorization(format!("OC-SBX-005: the task asks for more than the server allows: {wider}"))
    })?;
    Ok(policy)
}

const fn level(asked: SandboxLevel) -> Level {
    match asked {
        SandboxLevel::None => Level::None,
        SandboxLevel::Confined => Level::Confined,
        SandboxLevel::Relaxed => Level::Relaxed,
        SandboxLevel::Strict => Level::Strict,
    }
}

fn limits(usual: Limits, asked: &SandboxRequest) -> Limits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Limits {
        wall: asked.wall_ms.map_or(usual.wall, Duration::from_millis),
        cpu_seconds: asked.cpu_seconds.unwrap_or(usual.cpu_seconds),
        memory_bytes: asked.memory_bytes.unwrap_or(usual.memory_bytes),
        processes: asked.processes.unwrap_or(usual.processes),
        file_bytes: asked.file_bytes.unwrap_or(usual.file_bytes),
        open_files: asked.open_files.unwrap_or(usual.open_files),
        output_bytes: asked.output_bytes.map_or(usual.output_bytes, size),
        workspace_bytes: asked.workspace_bytes.unwrap_or(usual.workspace_bytes),
        workspace_files: asked.workspace_files.unwrap_or(usual.workspace_files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most() -> Policy {
        let limits = Limits { memory_bytes: 2 << 30, ..Limits::default() };
        Policy { level: Level::Relaxed, readable: vec!["/srv/data".into()], limits, ..Policy::default() }
    }

    fn asked(change: impl FnOnce(&mut SandboxRequest)) -> Result<Policy, WorkflowError> {
        let mut asked = SandboxRequest::default();
        change(&mut asked);
        policy(&Policy::default(), &most(), Some(&asked))
    }

    #[test]
    fn a_task_that_asks_for_nothing_has_the_servers_policy_without_its_network() {
        let usual = Policy { network: vec!["a.example:443".parse().unwrap()], ..Policy::default() };
        let most = Policy { network: usual.network.clone(), ..most() };
        assert_eq!(policy(&usual, &most, None), Ok(Policy::default()));
    }

    #[test]
    fn a_task_gets_less_and_more_up_to_what_the_server_allows() {
        let policy = asked(|asked| {
            asked.level = Some(SandboxLevel::Relaxed);
            asked.readable = vec!["/srv/data/a".into()];
            asked.memory_bytes = Some(2 << 30);
            asked.wall_ms = Some(1500);
        })
        .unwrap();
        assert_eq!((policy.level, policy.limits.memory_bytes), (Level::Relaxed, 2 << 30));
        assert_eq!(policy.limits.wall, Duration::from_millis(1500));
        assert_eq!(policy.limits.processes, Limits::default().processes);
    }

    /// Asks for more in one way.
    type Change = fn(&mut SandboxRequest);

    #[test]
    fn what_is_wider_is_refused_and_named() {
        let refusals: [(&str, Change); 5] = [
            ("level: none is more than relaxed", |asked| asked.level = Some(SandboxLevel::None)),
            ("memory_bytes", |asked| asked.memory_bytes = Some((2 << 30) + 1)),
            ("readable: /srv is more than /srv/data", |asked| asked.readable = vec!["/srv".into()]),
            ("writable: /srv/data is more than nothing", |asked| asked.writable = vec!["/srv/data".into()]),
            ("wall", |asked| asked.wall_ms = Some(u64::MAX)),
        ];
        for (named, widen) in refusals {
            let error = asked(widen).unwrap_err();
            let detail = error.detail.unwrap();
            assert_eq!(error.status, 403, "{detail}");
            assert!(detail.starts_with("OC-SBX-005") && detail.contains(named), "{detail}");
        }
    }
}
