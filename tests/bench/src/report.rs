//! What a measurement found: a table for people, checks against the targets, both as JSON on request.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;

use crate::machine::Machine;

/// Characters of a line of notes.
const WIDTH: usize = 118;

/// The figures of one subcommand.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Titles of the columns.
    pub(crate) columns: Vec<&'static str>,
    /// The rows, already formatted.
    pub(crate) rows: Vec<Vec<String>>,
    /// Figures against targets.
    pub(crate) checks: Vec<Check>,
    /// What a reader has to know beside the figures.
    pub(crate) notes: Vec<String>,
}

/// A figure and its target.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    what: String,
    measured: f64,
    target: Target,
    passed: bool,
    /// Why a miss does not count on this machine, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    excused: Option<String>,
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    Below(f64),
}

impl Target {
    fn is_met(self, measured: f64) -> bool {
        match self {
            Self::AtLeast(bound) => measured >= bound,
            Self::Below(bound) => measured < bound,
        }
    }
}

impl Check {
    pub(crate) fn new(what: impl Into<String>, measured: f64, target: Target) -> Self {
        Self { what: what.into(), measured, target, passed: target.is_met(measured), excused: None }
    }

    /// Says that a miss does not count, because the machine is not what the target is for.
    pub(crate) fn excused_if(mut self, excused: bool, why: &str) -> Self {
        if excused && !self.passed {
            self.excused = Some(why.to_owned());
        }
        self
    }

    /// Whether the target was missed and nothing excuses it.
    pub(crate) const fn is_missed(&self) -> bool {
        !self.passed && self.excused.is_none()
    }

    fn line(&self) -> String {
        let (relation, bound) = match self.target {
            Target::AtLeast(bound) => (">=", bound),
            Target::Below(bound) => ("<", bound),
        };
        let verdict = match (self.passed, &self.excused) {
            (true, _) => "PASS",
            (false, None) => "FAIL",
            (false, Some(_)) => "MISS",
        };
        let excuse = self.excused.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        format!("{verdict}  {}: {} {relation} {}{excuse}", self.what, number(self.measured), number(bound))
    }
}

impl Report {
    pub(crate) const fn new(name: &'static str, columns: Vec<&'static str>) -> Self {
        Self { name, columns, rows: Vec::new(), checks: Vec::new(), notes: Vec::new() }
    }

    /// Prints it as a table in Markdown, with notes and checks below.
    pub(crate) fn print(&self, to: &mut impl Write) -> io::Result<()> {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].len());
            cells.chain([self.columns[column].len()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut line = |cells: &[&str]| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
            writeln!(to, "| {} |", padded.collect::<Vec<_>>().join(" | "))
        };
        line(&self.columns)?;
        line(
            &widths
                .iter()
                .map(|width| "-".repeat(*width))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )?;
        for row in &self.rows {
            line(&row.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        writeln!(to)?;
        for note in &self.notes {
            writeln!(to, "{}\n", wrapped(note))?;
        }
        for check in &self.checks {
            writeln!(to, "- {}", check.line())?;
        }
        match self.checks.is_empty() {
            true => Ok(()),
            false => writeln!(to),
        }
    }
}

/// In lines that are as long as those of a document.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the start");
        match line.is_empty() {
            true => *line = word.to_owned(),
            false if line.len() + 1 + word.len() <= WIDTH => *line = format!("{line} {word}"),
            false => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// Prints everything as one JSON object.
pub(crate) fn print_json(machine: &Machine, reports: &[Report], to: &mut impl Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *to, &serde_json::json!({ "machine": machine, "reports": reports }))?;
    Ok(writeln!(to)?)
}

/// The middle value; of an even number of them, the upper one.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `share` of the values lie; zero if there are none.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * share) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// `median [least-greatest]`.
pub(crate) fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(0.0, f64::max);
    format!("{} [{}-{}]", number(median(values.iter().copied())), number(least), number(greatest))
}

/// Three significant digits, or all digits before the point.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// In milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile((1..=100).map(f64::from), 0.99), 100.0);
        assert_eq!(quantile([], 0.5), 0.0);
        assert_eq!(spread(&[2.0, 1.0, 300.0]), "2.00 [1.00-300]");
    }

    #[test]
    fn a_missed_target_is_missed_unless_the_machine_excuses_it() {
        let check = |measured| Check::new("x", measured, Target::AtLeast(0.4));
        assert!(!check(0.4).is_missed());
        assert!(check(0.39).is_missed());
        let excused = check(0.39).excused_if(true, "slow disk");
        assert!(!excused.is_missed());
        assert_eq!(excused.line(), "MISS  x: 0.39 >= 0.40 (slow disk)");
        assert!(Check::new("y", 100.0, Target::Below(100.0)).is_missed());
    }

    #[test]
    fn notes_are_broken_into_lines_between_words() {
        let long = "word ".repeat(50);
        let text = wrapped(&long);
        assert_eq!(text.split_whitespace().count(), 50);
        assert!(text.lines().count() == 3 && text.lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn a_table_has_aligned_columns() {
        let mut report = Report::new("t", vec!["n", "rate"]);
        report.rows.push(vec!["512".into(), "7".into()]);
        let mut text = Vec::new();
        report.print(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "|   n | rate |\n| --- | ---- |\n| 512 |    7 |\n\n");
    }
}
