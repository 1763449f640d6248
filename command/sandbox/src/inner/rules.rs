//! Rules on files, connections and signals that a process puts on itself and all that it starts (Landlock).

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::protocol::Rules;

/// The version whose rules are asked for: files, devices, TCP, signals and abstract sockets. Older kernels give what
/// they have of it, unless all of it is required.
const ABI_ASKED: ABI = ABI::V6;

/// Nodes that could hang or mislead who looks at them later, from outside.
const TRAPS: [AccessFs; 3] = [AccessFs::MakeChar, AccessFs::MakeBlock, AccessFs::MakeFifo];

/// Puts `rules` on this process, for good.
pub(super) fn enforce(rules: &Rules) -> Result<(), String> {
    let status = restrict(rules).map_err(|error| error.to_string())?;
    if rules.require && status.0 != RulesetStatus::FullyEnforced {
        return Err("this kernel cannot enforce all of the rules".into());
    }
    Ok(())
}

/// The version of Landlock that the kernel has, at most the newest that this program knows; 0 if none. Restricts the
/// calling process for good.
pub(crate) fn version() -> u8 {
    match restrict(&Rules { read: vec!["/".into()], ..Rules::default() }) {
        Ok((_, LandlockStatus::Available { effective_abi, .. })) => effective_abi as u8,
        _ => 0,
    }
}

fn restrict(rules: &Rules) -> Result<(RulesetStatus, LandlockStatus), landlock::RulesetError> {
    let compatibility = if rules.require { CompatLevel::HardRequirement } else { CompatLevel::BestEffort };
    let mut set = Ruleset::default()
        .set_compatibility(compatibility)
        .handle_access(AccessFs::from_all(ABI_ASKED))?
        .scope(Scope::from_all(ABI_ASKED))?;
    if rules.no_tcp {
        set = set.handle_access(AccessNet::from_all(ABI_ASKED))?;
    }
    let write =
        TRAPS.into_iter().fold(AccessFs::from_all(ABI_ASKED), |all, trap| all & !BitFlags::from(trap));
    let device = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::ReadDir
        | AccessFs::Truncate
        | AccessFs::IoctlDev;
    let mut created = set.create()?;
    for (paths, access) in [
        (&rules.read, AccessFs::from_read(ABI_ASKED)),
        (&rules.write, write & !BitFlags::from(AccessFs::IoctlDev)),
        (&rules.devices, device),
    ] {
        for path in present(paths) {
            // Rights to directories are for nothing on a file, and the kernel says so.
            let access = if Path::is_dir(path) { access } else { access & AccessFs::from_file(ABI_ASKED) };
            let Ok(place) = PathFd::new(path) else { continue };
            created = created.add_rule(PathBeneath::new(place, access))?;
        }
    }
    let status = created.restrict_self()?;
    Ok((status.ruleset, status.landlock))
}

/// What is not there needs no rule: a rule allows, and nothing else does.
fn present(paths: &[PathBuf]) -> impl Iterator<Item = &Path> {
    paths.iter().map(PathBuf::as_path).filter(|path| path.exists())
}
