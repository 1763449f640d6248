//! Between JSON and jq's values.

use std::fmt::{self, Write as _};

use jaq_json::{Num, Val};
use serde::Deserialize as _;
use serde_json::{Map, Number, Value};

use super::{
    error::{EvaluationError, Failure},
    limits::{Budget, Excess, MAX_RESULT_BYTES, MAX_RESULT_DEPTH},
};

/// Whole numbers up to here are exact in a float, and come back as integers.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The longest error text of jq that is kept.
const MAX_MESSAGE_BYTES: usize = 400;

/// jq's form of a JSON value. Cost: one copy.
pub(super) fn from_json(value: &Value) -> Result<Val, EvaluationError> {
    Val::deserialize(value).map_err(|error| EvaluationError::new(Failure::NotJson, error.to_string()))
}

/// JSON of a result.
///
/// jq knows one kind of number, so a float without a fraction comes back as an integer. A result shares parts of
/// itself in memory; written out it may be exponentially larger, so it is measured while it is written.
pub(super) fn to_json(value: &Val) -> Result<Value, EvaluationError> {
    write(value, &mut Budget::new(MAX_RESULT_BYTES), 0)
}

fn write(value: &Val, budget: &mut Budget, depth: usize) -> Result<Value, EvaluationError> {
    if depth > MAX_RESULT_DEPTH {
        return Err(excess(Excess::Depth));
    }
    let mut take = |bytes| budget.take(bytes).map_err(excess);
    Ok(match value {
        Val::Null => {
            take(5)?;
            Value::Null
        }
        Val::Bool(value) => {
            take(5)?;
            Value::Bool(*value)
        }
        Val::Num(number) => {
            take(8)?;
            Value::Number(write_number(number)?)
        }
        Val::BStr(bytes) | Val::TStr(bytes) => {
            take(bytes.len() + 3)?;
            Value::String(text(bytes)?)
        }
        Val::Arr(items) => {
            take(2)?;
            Value::Array(items.iter().map(|item| write(item, budget, depth + 1)).collect::<Result<_, _>>()?)
        }
        Val::Obj(entries) => {
            take(2)?;
            let mut object = Map::new();
            for (key, item) in entries.iter() {
                let (Val::TStr(key) | Val::BStr(key)) = key else {
                    return Err(not_json("a key of an object is no text"));
                };
                budget.take(key.len() + 4).map_err(excess)?;
                object.insert(text(key)?, write(item, budget, depth + 1)?);
            }
            Value::Object(object)
        }
    })
}

fn text(bytes: &[u8]) -> Result<String, EvaluationError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(not_json("a text in the result is not UTF-8")),
    }
}

fn write_number(number: &Num) -> Result<Number, EvaluationError> {
    match number {
        Num::Int(value) => Ok((*value as i64).into()),
        Num::BigInt(value) => {
            let digits = value.to_string();
            digits.parse::<u64>().map(Number::from).or_else(|_| float(digits.parse().unwrap_or(f64::NAN)))
        }
        Num::Float(value) => float(*value),
        Num::Dec(digits) => float(digits.parse().unwrap_or(f64::NAN)),
    }
}

fn float(value: f64) -> Result<Number, EvaluationError> {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Ok((value as i64).into());
    }
    Number::from_f64(value).ok_or_else(|| not_json("a number in the result is infinite or not a number"))
}

fn not_json(message: &str) -> EvaluationError {
    EvaluationError::new(Failure::NotJson, message)
}

/// The error for a result beyond the limits.
pub(super) fn excess(excess: Excess) -> EvaluationError {
    let message = match excess {
        Excess::Bytes => format!("the result is larger than {} MiB", MAX_RESULT_BYTES / 1024 / 1024),
        Excess::Depth => format!("the result nests deeper than {MAX_RESULT_DEPTH} levels"),
    };
    EvaluationError::new(Failure::TooLarge, message)
}

/// The text of `error`, cut to a length that fits in a message. Values quoted in it may be huge: writing stops there.
pub(super) fn message(error: &impl fmt::Display) -> String {
    struct Cut(String);
    impl fmt::Write for Cut {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = MAX_MESSAGE_BYTES - self.0.len();
            if part.len() <= room {
                self.0.push_str(part);
                return Ok(());
            }
            self.0.push_str(&part[..part.floor_char_boundary(room)]);
            Err(fmt::Error)
        }
    }
    let mut cut = Cut(String::new());
    if write!(cut, "{error}").is_err() {
        cut.0.push_str(" ...");
    }
    cut.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn round(value: Value) -> Value {
        to_json(&from_json(&value).unwrap()).unwrap()
    }

    #[test]
    fn integers_stay_integers() {
        for value in [
            json!(0),
            json!(-1),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(9_007_199_254_740_993_i64),
        ] {
            assert_eq!(round(value.clone()), value);
        }
        assert_eq!(round(json!(1.5)).to_string(), "1.5");
        assert_eq!(round(json!(3.0)).to_string(), "3");
        assert_eq!(round(json!(1e300)), json!(1e300));
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(to_json(&Val::from(value)).unwrap_err().failure(), Some(Failure::NotJson));
        }
        let keyed = Val::obj([(Val::from(1_usize), Val::Null)].into_iter().collect());
        assert_eq!(to_json(&keyed).unwrap_err().failure(), Some(Failure::NotJson));
    }

    #[test]
    fn a_result_that_shares_its_parts_is_measured_as_written_out() {
        let doubled = (0..60).fold(Val::from(1_usize), |part, _| [part.clone(), part].into_iter().collect());
        assert_eq!(to_json(&doubled).unwrap_err().failure(), Some(Failure::TooLarge));
        assert!(message(&doubled).len() < 500);
    }
}
