//! Puts measured tables where people read them.
//!
//! A document marks the place of a part with two comments, `<!-- begin NAME -->` and `<!-- end NAME -->`, each in a line
//! of its own. What stands between them is generated; the text around them is not touched. A part without marks is
//! an error, because its figures would be lost.

use std::{fs, io::Write, path::Path};

use crate::{machine::Machine, report::Report};

/// Replaces the figures of `report` in the document at `path`.
pub(crate) fn write(path: &Path, machine: &Machine, report: &Report) -> anyhow::Result<()> {
    let mut figures = Vec::new();
    writeln!(figures, "{}. {}.\n", machine.day(), machine.line())?;
    report.print(&mut figures)?;
    let text = fs::read_to_string(path)?;
    fs::write(path, replaced(&text, report.name, &String::from_utf8(figures)?)?)?;
    Ok(())
}

/// `text` with `figures` between the marks of `name`.
fn replaced(text: &str, name: &str, figures: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let missing =
        || anyhow::anyhow!("there are no marks `{}` and `{}` in this order", begin.trim(), end.trim());
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{figures}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_of_the_part_is_replaced() {
        let text =
            "# T\n<!-- begin a -->\nold\n<!-- end a -->\nbetween\n<!-- begin b -->\nkept\n<!-- end b -->\n";
        let new = replaced(text, "a", "new\n").unwrap();
        assert_eq!(new, text.replace("old", "new"));
        assert_eq!(replaced(&new, "a", "old\n").unwrap(), text, "again and again");
    }

    #[test]
    fn a_part_without_marks_is_an_error_that_names_them() {
        let error = replaced("# T\n<!-- end c -->\n<!-- begin c -->\n", "c", "x").unwrap_err();
        assert!(error.to_string().contains("<!-- begin c -->"), "{error}");
    }
}
