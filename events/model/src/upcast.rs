//! Old events, read as if they had been written today.
//!
//! An upcaster is a pure function from the data of schema `n` to that of schema `n + 1`. They are applied one
//! after the other on every read; stored bytes stay as they are.

use serde_json::Value;

/// One step: data of `event_type` with schema `from` becomes data with schema `from + 1`.
#[derive(Clone, Copy, Debug)]
pub struct Upcaster {
    /// The stable type name.
    pub event_type: &'static str,
    /// The schema that this step reads.
    pub from: u16,
    /// The step. Total: any data that was ever written with this schema has an image.
    pub step: fn(Value) -> Value,
}

/// All steps, for every schema that was ever raised. No event has been raised above schema 1 yet.
pub const UPCASTERS: &[Upcaster] = &[];

/// Raises `data` from schema `from` to schema `to` with the steps in `table`.
///
/// # Errors
/// The schema for which `table` has no step.
pub fn raise(table: &[Upcaster], event_type: &str, from: u16, to: u16, data: Value) -> Result<Value, u16> {
    (from..to).try_fold(data, |data, schema| {
        let upcaster = table.iter().find(|known| known.event_type == event_type && known.from == schema);
        upcaster.map(|known| (known.step)(data)).ok_or(schema)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: &[Upcaster] = &[
        Upcaster {
            event_type: "thing.done",
            from: 1,
            step: |mut data| {
                data["by"] = data["who"].take();
                data
            },
        },
        Upcaster { event_type: "thing.done", from: 2, step: |data| json!({ "done": data }) },
    ];

    #[test]
    fn steps_are_applied_in_order_from_the_written_schema() {
        let raised = raise(TABLE, "thing.done", 1, 3, json!({ "who": "a" })).unwrap();
        assert_eq!(raised, json!({ "done": { "who": null, "by": "a" } }));
        assert_eq!(raise(TABLE, "thing.done", 2, 3, json!(1)).unwrap(), json!({ "done": 1 }));
    }

    #[test]
    fn a_missing_step_is_named() {
        assert_eq!(raise(TABLE, "thing.done", 3, 4, json!(1)), Err(3));
        assert_eq!(raise(TABLE, "other", 1, 2, json!(1)), Err(1));
    }
}
