//! The profile for `sandbox-exec` on macOS (Seatbelt).

use std::path::{Path, PathBuf};

use openclaw_ports::sandbox::{Level, Policy};

/// What every program needs of the system to start.
const SYSTEM: [&str; 7] = [
    "/usr",
    "/bin",
    "/sbin",
    "/System/Library",
    "/Library/Apple",
    "/private/var/db/dyld",
    "/private/etc/ssl",
];

/// Services that the runtime libraries ask at the start.
const SERVICES: [&str; 3] =
    ["com.apple.system.opendirectoryd.libinfo", "com.apple.system.logger", "com.apple.trustd.agent"];

/// A policy that no profile can express. `OC-SBX-003`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {0:?} cannot be written in a profile")]
pub struct Unwritable(PathBuf);

/// The profile for a job with `policy` in `workspace`, whose own directory for temporary files is `temporary`; none at
/// level `None`, which has no profile. `proxy` is the port of the egress proxy on loopback, for level `Relaxed`.
///
/// # Errors
/// If a path is no UTF-8 or has a control character: a profile has no way to say it.
pub fn profile(
    policy: &Policy,
    workspace: &Path,
    temporary: &Path,
    proxy: Option<u16>,
) -> Result<Option<String>, Unwritable> {
    if policy.level == Level::None {
        return Ok(None);
    }
    let mut text = String::from(
        "(version 1)\n(deny default)\n(allow process-fork)\n(allow signal (target same-sandbox))\n",
    );
    text.push_str("(allow sysctl-read)\n");
    for service in SERVICES {
        text.push_str(&format!("(allow mach-lookup (global-name \"{service}\"))\n"));
    }
    for path in SYSTEM.map(Path::new) {
        text.push_str(&format!("(allow file-read* process-exec (subpath {}))\n", quoted(path)?));
    }
    for device in ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"].map(Path::new) {
        text.push_str(&format!("(allow file-read* file-write-data (literal {}))\n", quoted(device)?));
    }
    for path in &policy.readable {
        text.push_str(&format!("(allow file-read* process-exec (subpath {}))\n", quoted(path)?));
    }
    let writable = policy.writable.iter().map(PathBuf::as_path).chain([workspace, temporary]);
    for path in writable {
        text.push_str(&format!("(allow file-read* file-write* process-exec (subpath {}))\n", quoted(path)?));
    }
    // Later rules win.
    for name in [".git", ".hg", ".vscode", ".idea", ".envrc", ".mcp.json"] {
        text.push_str(&format!("(deny file-write* (subpath {}))\n", quoted(&workspace.join(name))?));
    }
    text.push_str("(deny file-write-setugid)\n");
    if let (Level::Relaxed, Some(port)) = (policy.level, proxy) {
        text.push_str(&format!("(allow network-outbound (remote tcp \"localhost:{port}\"))\n"));
    }
    Ok(Some(text))
}

/// A path as a string of the profile's language, in which a quote or a backslash would end it or change it.
fn quoted(path: &Path) -> Result<String, Unwritable> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or_else(|| Unwritable(path.to_owned()))?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(policy: &Policy, workspace: &str) -> String {
        profile(policy, Path::new(workspace), Path::new("/private/tmp/job"), Some(4000)).unwrap().unwrap()
    }

    #[test]
    fn everything_is_denied_but_the_system_the_workspace_and_what_the_policy_opens() {
        let policy = Policy {
            readable: vec!["/srv/models".into()],
            writable: vec!["/srv/cache".into()],
            ..Policy::default()
        };
        let text = of(&policy, "/Volumes/work");
        assert!(text.starts_with("(version 1)\n(deny default)\n"));
        assert!(text.contains("(allow file-read* file-write* process-exec (subpath \"/Volumes/work\"))"));
        assert!(text.contains("(allow file-read* process-exec (subpath \"/srv/models\"))"));
        assert!(text.contains("(allow file-read* file-write* process-exec (subpath \"/srv/cache\"))"));
        assert!(
            !text.contains("network")
                && !text.contains("(subpath \"/\")")
                && !text.contains("/private/var/folders")
        );
        let protected = text.find("(deny file-write* (subpath \"/Volumes/work/.git\"))").unwrap();
        assert!(protected > text.find("(subpath \"/Volumes/work\")").unwrap(), "later rules win");
    }

    #[test]
    fn relaxed_reaches_the_proxy_and_nothing_else() {
        let text = of(&Policy { level: Level::Relaxed, ..Policy::default() }, "/w");
        let network: Vec<_> = text.lines().filter(|line| line.contains("network")).collect();
        assert_eq!(network, ["(allow network-outbound (remote tcp \"localhost:4000\"))"]);
    }

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let text = of(&Policy::default(), "/w\")) (allow default) (x \"\\");
        assert!(text.contains(r#"(subpath "/w\")) (allow default) (x \"\\")"#), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("(allow default")).count(), 0);
        let control = profile(&Policy::default(), Path::new("/w\n(allow default)"), Path::new("/t"), None);
        assert!(control.is_err());
    }

    #[test]
    fn level_none_has_no_profile() {
        let policy = Policy { level: Level::None, ..Policy::default() };
        assert_eq!(profile(&policy, Path::new("/w"), Path::new("/t"), None), Ok(None));
    }
}
