//! One byte sequence per JSON value, whatever order its keys came in. Digests are taken over these bytes.

use alloc::{string::String, vec::Vec};

use serde_json::Value;

/// Writes `value` as JSON without white space and with the keys of every object in byte order.
///
/// Numbers are written as `serde_json` prints them, so `1` and `1.0` differ. Cost: one pass, one sort per object.
#[must_use]
pub fn to_bytes(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write(value, &mut out);
    out.into_bytes()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(&Value::String(key.clone()), out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&serde_json::to_string(scalar).expect("a JSON scalar always serialises")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn key_order_does_not_change_the_bytes() {
        let one: Value = serde_json::from_str(r#"{"b":[1,{"y":null,"x":"é\n"}],"a":true}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":true,"b":[1,{"x":"é\n","y":null}]}"#).unwrap();
        assert_eq!(to_bytes(&one), to_bytes(&two));
        assert_eq!(serde_json::from_slice::<Value>(&to_bytes(&one)).unwrap(), one);
        assert_ne!(to_bytes(&json!(1)), to_bytes(&json!("1")));
    }
}
