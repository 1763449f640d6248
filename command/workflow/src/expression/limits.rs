//! What an expression may cost, and measuring it.

use serde_json::Value;

/// The longest program, in bytes.
pub const MAX_PROGRAM_BYTES: usize = 16 * 1024;
/// The most tokens of a program.
pub const MAX_PROGRAM_TOKENS: usize = 4096;
/// How deep brackets may nest in a program.
pub const MAX_PROGRAM_NESTING: usize = 64;
/// The largest result of an expression or of a rendered template, in bytes of JSON.
pub const MAX_RESULT_BYTES: usize = 4 * 1024 * 1024;
/// How deep a result may nest.
///
/// Results end up inside events, whose reader accepts 128 levels; the rest is for the envelope around them.
pub const MAX_RESULT_DEPTH: usize = 96;
/// The most bytes of input and variables for which a straight expression is evaluated in this process. It costs at
/// most a fixed multiple of them, so this bounds its time and memory.
pub const MAX_LOCAL_INPUT_BYTES: usize = 256 * 1024;

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Bytes,
    Depth,
}

/// What is left of the allowed size while a result is built.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
}

impl Budget {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { bytes }
    }

    /// Takes `bytes`, or refuses.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Excess> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Excess::Bytes)?;
        Ok(())
    }

    /// Takes what `value` needs at nesting `depth`. Stops at the first excess, so the cost is bounded by the budget.
    pub(crate) fn take_value(&mut self, value: &Value, depth: usize) -> Result<(), Excess> {
        if depth > MAX_RESULT_DEPTH {
            return Err(Excess::Depth);
        }
        match value {
            Value::Null | Value::Bool(_) => self.take(5),
            Value::Number(_) => self.take(8),
            Value::String(text) => self.take(text.len() + 3),
            Value::Array(items) => {
                self.take(2)?;
                items.iter().try_for_each(|item| self.take_value(item, depth + 1))
            }
            Value::Object(entries) => {
                self.take(2)?;
                entries.iter().try_for_each(|(key, item)| {
                    self.take(key.len() + 4)?;
                    self.take_value(item, depth + 1)
                })
            }
        }
    }
}

/// Whether `values` together are small enough to be worked on in this process.
#[must_use]
pub fn is_local<'a>(values: impl IntoIterator<Item = &'a Value>) -> bool {
    let mut budget = Budget::new(MAX_LOCAL_INPUT_BYTES);
    values.into_iter().all(|value| budget.take_value(value, 0).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn measuring_stops_at_the_first_excess() {
        let mut budget = Budget::new(10);
        assert_eq!(budget.take_value(&json!("0123456789"), 0), Err(Excess::Bytes));
        let deep = (0..MAX_RESULT_DEPTH + 1).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(Budget::new(MAX_RESULT_BYTES).take_value(&deep, 0), Err(Excess::Depth));
        let fits = (0..MAX_RESULT_DEPTH).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(Budget::new(MAX_RESULT_BYTES).take_value(&fits, 0), Ok(()));
    }

    #[test]
    fn large_inputs_are_not_local() {
        assert!(is_local([&json!({"a": "b"})]));
        assert!(!is_local([&json!("x".repeat(MAX_LOCAL_INPUT_BYTES))]));
    }
}
