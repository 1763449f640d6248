//! The scalars of the schema.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use openclaw_model::Timestamp;

/// Global, gap-free position in the event log. Written as a decimal string, because JavaScript loses integers above
/// 2^53; read from a string or an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position(pub(crate) u64);

/// Global, gap-free position in the event log. Written as a decimal string, because JavaScript loses integers above
/// 2^53; read from a string or an integer.
#[Scalar(name = "Position")]
impl ScalarType for Position {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        // SQLite's integers end there, and so do positions.
        match number.filter(|number| i64::try_from(*number).is_ok()) {
            Some(number) => Ok(Self(number)),
            None => Err(InputValueError::custom("a position is a decimal string such as \"4711\"")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<openclaw_model::Position> for Position {
    fn from(position: openclaw_model::Position) -> Self {
        Self(position.0)
    }
}

impl From<Position> for openclaw_model::Position {
    fn from(position: Position) -> Self {
        Self(position.0)
    }
}

/// Whole number between 0 and 2^53 - 1, written as a JSON number: counts, bytes, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Long(pub(crate) u64);

/// The largest integer that every JSON reader takes exactly.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// Whole number between 0 and 2^53 - 1, written as a JSON number: counts, bytes, milliseconds.
#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number.as_u64().filter(|number| *number <= MAX_SAFE).map(Self),
            _ => None,
        }
        .ok_or_else(|| InputValueError::custom("a whole number from 0 to 2^53 - 1 is expected"))
    }

    fn to_value(&self) -> Value {
        Value::from(self.0.min(MAX_SAFE))
    }
}

impl Long {
    /// From an integer of the database, none of which is negative.
    pub(crate) fn of(number: i64) -> Self {
        Self(u64::try_from(number).unwrap_or_default())
    }
}

/// Point in time in RFC 3339, UTC, with microseconds: `2026-11-24T08:40:16.123456Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DateTime(pub(crate) Timestamp);

/// Point in time in RFC 3339, UTC, with microseconds: `2026-11-24T08:40:16.123456Z`.
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => text.parse().ok().map(Self),
            _ => None,
        }
        .ok_or_else(|| InputValueError::custom("a time is RFC 3339 text such as 2026-11-24T08:40:16Z"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl DateTime {
    /// From microseconds of the database.
    pub(crate) const fn of(micros: i64) -> Self {
        Self(Timestamp::from_micros(micros))
    }
}

/// Any JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json(pub(crate) Box<str>);

/// Any JSON value.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value.to_string().into()))
    }

    /// Parsed only when the field is asked for. What is stored as JSON is JSON; null for what is not.
    fn to_value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_strings_and_are_read_from_both_forms() {
        assert_eq!(Position(u64::from(7_u8)).to_value(), Value::from("7"));
        assert_eq!(
            Position::parse(Value::from("9007199254740993")).unwrap(),
            Position(9_007_199_254_740_993)
        );
        assert_eq!(Position::parse(Value::from(12)).unwrap(), Position(12));
        for bad in
            [Value::from("-1"), Value::from("+1"), Value::from(""), Value::from("18446744073709551615")]
        {
            assert!(Position::parse(bad.clone()).is_err(), "{bad}");
        }
        assert!(Position::parse(Value::from(-1)).is_err() && Position::parse(Value::from(1.5)).is_err());
    }

    #[test]
    fn long_refuses_what_a_json_reader_may_round() {
        assert!(Long::parse(Value::from(MAX_SAFE)).is_ok());
        assert!(Long::parse(Value::from(MAX_SAFE + 1)).is_err());
        assert!(Long::parse(Value::from(-1)).is_err());
    }
}
