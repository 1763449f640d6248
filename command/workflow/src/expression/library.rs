//! The jq functions that expressions may call.
//!
//! Invariant: none of them reads the environment, the clock, the time zone or a file, writes anything, or ends the
//! process. The same input gives the same output, wherever and whenever.

use std::{collections::HashSet, sync::OnceLock};

use jaq_core::{Native, data::JustLut, load::parse::Def, native::Fun};
use jaq_json::Val;

/// The data that programs run on.
pub(super) type Data = JustLut<Val>;

/// Functions that jq has and that are refused here, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("now", "the time is in `$workflow.startedAt` and `$task.startedAt`"),
    ("localtime", "the time zone of the machine is not known here; use `gmtime`"),
    ("strflocaltime", "the time zone of the machine is not known here; use `strftime`"),
    ("env", "the environment is not visible to workflows"),
    ("input", "an expression has one input, `.`"),
    ("inputs", "an expression has one input, `.`"),
    ("input_line_number", "an expression has one input, `.`"),
    ("input_filename", "an expression has one input, `.`"),
    ("debug", "expressions write nothing"),
    ("debug_empty", "expressions write nothing"),
    ("stderr", "expressions write nothing"),
    ("stderr_empty", "expressions write nothing"),
    ("halt", "raise an error with a `raise` task"),
    ("halt_error", "raise an error with a `raise` task"),
    ("include", "expressions cannot load files"),
    ("import", "expressions cannot load files"),
    ("get_search_list", "expressions cannot load files"),
    ("modulemeta", "expressions cannot load files"),
];

/// Why the function `name` is refused, if jq has it.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
}

/// Definitions in jq.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).filter(|def| refusal(def.name).is_none())
}

/// Functions in Rust.
pub(super) fn natives() -> impl Iterator<Item = Fun<Data>> {
    jaq_core::funs::<Data>()
        .chain(jaq_std::funs::<Data>())
        .chain(jaq_json::funs::<Data>())
        .filter(|(name, _, _): &(_, _, Native<Data>)| refusal(name).is_none())
}

/// Whether there is a function of this name and number of arguments.
pub(super) fn has(name: &str, arity: usize) -> bool {
    names().contains(&(name, arity))
}

/// Every function, for suggestions.
pub(super) fn names() -> &'static HashSet<(&'static str, usize)> {
    static NAMES: OnceLock<HashSet<(&'static str, usize)>> = OnceLock::new();
    NAMES.get_or_init(|| {
        definitions()
            .map(|def| (def.name, def.args.len()))
            .chain(natives().map(|(name, arguments, _)| (name, arguments.len())))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_reaches_outside_is_offered() {
        for (name, _) in REFUSED {
            assert!(names().iter().all(|(offered, _)| offered != name), "{name}");
        }
        assert!(has("map", 1) && has("length", 0) && has("test", 2) && has("todate", 0));
        assert!(!has("map", 0));
    }
}
