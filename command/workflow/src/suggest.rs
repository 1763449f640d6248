//! "Did you mean": the nearest of the names that would have been right.

/// How many candidates are compared, so that a mistake in a huge document costs little.
const COMPARED: usize = 2_000;

/// The candidate nearest to `name`, if one is near enough to be a slip of the hand.
///
/// Ties go to the first in byte order, so that the same mistake always gets the same advice.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    if name.len() > 64 {
        return None;
    }
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    candidates
        // Lengths in bytes: characters of other scripts lose advice, which is cheaper than counting.
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= allowed)
        .take(COMPARED)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed || candidate.eq_ignore_ascii_case(name))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Edit distance with swapped neighbours as one edit.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left[i - 1] == *b && right[j - 1] == *a {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let names = ["timeout", "input", "output", "then"];
        assert_eq!(nearest("tiemout", names.into_iter()), Some("timeout".to_owned()));
        assert_eq!(nearest("ouput", names.into_iter()), Some("output".to_owned()));
        assert_eq!(nearest("THEN", names.into_iter()), Some("then".to_owned()));
        assert_eq!(nearest("banana", names.into_iter()), None);
    }
}
