//! As much of Gherkin as the conformance kit of the Serverless Workflow specification uses: features, scenarios,
//! backgrounds, steps, and doc strings with a media type.

/// A `.feature` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Its scenarios, each with the steps of the background before its own.
    pub scenarios: Vec<Scenario>,
}

/// One scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What is done and what must hold, in order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its text, without `Given`, `When`, `Then`, `And` or `But`.
    pub text: String,
    /// The doc string below it, without its indentation.
    pub doc: Option<String>,
    /// Where it stands in the file, from 1.
    pub line: usize,
}

const KEYWORDS: [&str; 6] = ["Given ", "When ", "Then ", "And ", "But ", "* "];
const QUOTES: &str = "\"\"\"";

/// Reads a feature. Lines that are neither are its description.
///
/// # Errors
/// In words, with the line, what is wrong.
pub fn parse(text: &str) -> Result<Feature, String> {
    let mut feature = None;
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut background: Vec<Step> = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((raw, line)) = lines.next() {
        let trimmed = raw.trim();
        if let Some(name) = trimmed.strip_prefix("Feature:") {
            feature = Some(name.trim().to_owned());
        } else if let Some(name) =
            ["Scenario:", "Example:"].iter().find_map(|word| trimmed.strip_prefix(word))
        {
            scenarios.push(Scenario { name: name.trim().to_owned(), steps: background.clone() });
        } else if let Some(step) = KEYWORDS.iter().find_map(|word| trimmed.strip_prefix(word)) {
            let step = Step { text: step.trim().to_owned(), doc: None, line };
            scenarios.last_mut().map_or(&mut background, |scenario| &mut scenario.steps).push(step);
        } else if trimmed.starts_with(QUOTES) {
            let doc =
                doc_string(raw, &mut lines).ok_or(format!("line {line}: the doc string does not end"))?;
            let steps = scenarios.last_mut().map_or(&mut background, |scenario| &mut scenario.steps);
            steps.last_mut().ok_or(format!("line {line}: a doc string belongs to a step"))?.doc = Some(doc);
        } else if ["Scenario Outline:", "Examples:", "Rule:", "|"]
            .iter()
            .any(|word| trimmed.starts_with(word))
        {
            return Err(format!("line {line}: {trimmed} is not understood"));
        }
    }
    Ok(Feature { name: feature.ok_or("there is no feature")?, scenarios })
}

/// The lines up to the closing quotes, without the indentation of the opening ones.
fn doc_string<'a>(opening: &str, lines: &mut impl Iterator<Item = (&'a str, usize)>) -> Option<String> {
    let indent = opening.len() - opening.trim_start().len();
    let mut doc = String::new();
    for (line, _) in lines {
        if line.trim() == QUOTES {
            return Some(doc);
        }
        let spaces = line.len() - line.trim_start().len();
        doc.push_str(&line[spaces.min(indent)..]);
        doc.push('\n');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_their_doc_strings_and_lose_the_indentation() {
        let text = "Feature: F\n  As a reader\n  Background:\n    Given a thing\n\n  # a comment\n  Scenario: One\n    \
                    When it runs:\n    \"\"\"yaml\n    a:\n      - b\n    \"\"\"\n    Then it 'is' fine\n";
        let feature = parse(text).unwrap();
        assert_eq!((feature.name.as_str(), feature.scenarios.len()), ("F", 1));
        let steps = &feature.scenarios[0].steps;
        let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
        assert_eq!(texts, ["a thing", "it runs:", "it 'is' fine"]);
        assert_eq!(steps[1].doc.as_deref(), Some("a:\n  - b\n"));
        assert_eq!((steps[1].line, &steps[2].doc), (8, &None));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        assert_eq!(parse("Scenario: x").unwrap_err(), "there is no feature");
        let outline = parse("Feature: F\nScenario Outline: x").unwrap_err();
        assert!(outline.starts_with("line 2"), "{outline}");
        let open = parse("Feature: F\nScenario: x\nGiven y\n\"\"\"\nz").unwrap_err();
        assert!(open.starts_with("line 4"), "{open}");
    }
}
