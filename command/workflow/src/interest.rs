//! Which events a filter may let pass, as far as its texts tell. Cheap: it decides who is told of an event at all.

use openclaw_model::event::run::Interest;
use regex::Regex;
use serde_json::Value;

/// Whether every attribute that `interest` names is in the CloudEvent `event` and equals the text, or matches it as a
/// regular expression as a whole. A text that is no regular expression is only compared.
#[must_use]
pub fn fits(interest: &Interest, event: &Value) -> bool {
    interest.0.iter().all(|(name, expected)| {
        event
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|value| value == expected || matches(expected, value))
    })
}

fn matches(pattern: &str, value: &str) -> bool {
    // Dots are in every type name and URL, where they mean themselves.
    let special = |byte: u8| b"\\+*?()|[]{}^$".contains(&byte);
    pattern.bytes().any(special)
        && Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_attribute_equals_the_text_or_matches_it_as_a_whole() {
        let interest = |pattern: &str| Interest([("type".to_owned(), pattern.to_owned())].into());
        let event = json!({ "type": "com.fake.order.placed" });
        for good in ["com.fake.order.placed", "com\\.fake\\..*", "(com|org)\\.fake\\.order\\.(placed|paid)"] {
            assert!(fits(&interest(good), &event), "{good}");
        }
        for bad in ["com.fake", "fake.*", "com.fake.order.place(", "com-fake-order-placed", ""] {
            assert!(!fits(&interest(bad), &event), "{bad}");
        }
        assert!(!fits(&interest("x"), &json!({ "type": 1 })), "a number is no text");
        assert!(fits(&Interest::default(), &event), "no attribute, no condition");
    }
}
