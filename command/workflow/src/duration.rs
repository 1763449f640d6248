//! Lengths of time as the DSL writes them: ISO 8601 texts, or objects of units (dsl-reference, "Duration").

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::Value;

/// The longest length that is accepted: ten years.
pub const LONGEST_MS: u64 = 10 * 366 * 24 * 60 * 60 * 1_000;

const UNITS: [(&str, u64); 5] = [
    ("days", 86_400_000),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("seconds", 1_000),
    ("milliseconds", 1),
];

/// Milliseconds of a length written as an ISO 8601 text (`PT1.5S`, `P1D`) or as an object of `days`, `hours`,
/// `minutes`, `seconds` and `milliseconds`. Days have 24 hours; months and years are refused.
///
/// # Errors
/// In words, what is wrong with it.
pub fn millis_of(value: &Value) -> Result<u64, String> {
    let millis = match value {
        Value::String(text) => of_text(text)?,
        Value::Object(units) => {
            let mut total: u64 = 0;
            for (unit, amount) in units {
                let (_, factor) = UNITS.iter().find(|(name, _)| name == unit).ok_or_else(|| {
                    format!("{unit:?} is no unit of time; use days, hours, minutes, seconds or milliseconds")
                })?;
                let amount = amount
                    .as_u64()
                    .ok_or_else(|| format!("{unit} is {amount}, it has to be a whole number"))?;
                total = total.saturating_add(amount.saturating_mul(*factor));
            }
            total
        }
        other => return Err(format!("{other} is no length of time; use PT1.5S or an object of units")),
    };
    if millis > LONGEST_MS { Err("a length of time may be ten years at most".into()) } else { Ok(millis) }
}

fn of_text(text: &str) -> Result<u64, String> {
    let span: Span = text.parse().map_err(|error| format!("{text:?} is no ISO 8601 duration: {error}"))?;
    let length: SignedDuration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| format!("{text:?} has no fixed length: {error}"))?;
    u64::try_from(length.as_millis()).map_err(|_| format!("{text:?} is negative"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_objects_give_milliseconds() {
        assert_eq!(millis_of(&json!("PT1.5S")), Ok(1_500));
        assert_eq!(millis_of(&json!("P1DT1H")), Ok(90_000_000));
        assert_eq!(millis_of(&json!({ "seconds": 3, "milliseconds": 5 })), Ok(3_005));
        assert_eq!(millis_of(&json!({})), Ok(0));
    }

    #[test]
    fn nonsense_negative_and_endless_lengths_are_refused() {
        for bad in [
            json!("soon"),
            json!("-PT1S"),
            json!("P1Y"),
            json!(5),
            json!({ "weeks": 1 }),
            json!({ "days": 99_999 }),
        ] {
            assert!(millis_of(&bad).is_err(), "{bad}");
        }
    }
}
