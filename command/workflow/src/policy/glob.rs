//! Names with `*` for any rest, of any length.

/// A pattern. `*` stands for any number of characters, `/` and `.` among them; everything else stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(String);

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Whether `name` fits. Cost: at most the product of both lengths.
    pub(super) fn fits(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The earliest place for each part leaves the most for those after it.
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_rest_and_nothing_else_is_special() {
        let fits = |pattern: &str, name: &str| Glob::new(pattern).fits(name);
        assert!(
            fits("*", "")
                && fits("*", "team/flow")
                && fits("http", "http")
                && fits("session.*", "session.end")
        );
        assert!(fits("team-*/x*y", "team-a/xy") && fits("a*b*a", "aba") && fits("**", "x"));
        assert!(
            !fits("http", "https")
                && !fits("http", "HTTP")
                && !fits("a*a", "a")
                && !fits("session.*", "session")
        );
        assert!(!fits("a?c", "abc") && !fits("", "x") && fits("", ""));
        assert!(!fits("team-a/*", "team-ab/x"));
    }
}
