//! JSON Schemas of a document (dsl-reference, "Schema").
//!
//! Validating costs at most the size of the schema, with every reference written out, times the size of the data. So
//! references that lead back to themselves are refused, as are those that multiply; and patterns are run by an engine
//! that is linear in the text.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    model::Schema,
    problem::code,
    reader::{Node, Reader},
    resource, text,
};

/// The most subschemas, with every reference written out.
const MAX_SUBSCHEMAS: usize = 10_000;
/// The largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// Reads a `schema` object and compiles what is in it.
pub(super) fn read<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Schema> {
    let fields = reader.object(node, &["format", "document", "resource"])?;
    if let Some(format) = fields.get("format") {
        let text = reader.text(&format)?;
        if text.split(':').next() != Some("json") {
            reader.unsupported(&format.path, "a schema format other than `json`");
            return None;
        }
    }
    let (path, schema) = match fields.get("resource") {
        Some(resource) if fields.has("document") => {
            reader.report(code::DUPLICATE, &resource.path, "give either `document` or `resource`");
            return None;
        }
        Some(resource) => {
            let (path, text) = resource::text(reader, &resource, "a schema")?;
            (path, from_text(&text))
        }
        None => {
            let document = reader.required(&fields, "document")?;
            (document.path, compile(document.value))
        }
    };
    schema.map_err(|message| reader.report(code::SCHEMA, &path, message)).ok()
}

/// Compiles the text of a file, YAML or JSON.
fn from_text(schema: &str) -> Result<Schema, String> {
    let document = text::parse(schema, text::Format::Auto).map_err(|problem| problem.message)?;
    text::check_depth(&document).map_err(|problem| problem.message)?;
    compile(&document)
}

pub(super) fn compile(document: &Value) -> Result<Schema, String> {
    if !matches!(document, Value::Object(_) | Value::Bool(_)) {
        return Err("a JSON Schema is an object".into());
    }
    Size { root: document, known: HashMap::new() }.of(document)?;
    let validator = jsonschema::options()
        .with_pattern_options(
            jsonschema::PatternOptions::regex()
                .size_limit(MAX_PATTERN_BYTES)
                .dfa_size_limit(MAX_PATTERN_BYTES),
        )
        .build(document)
        .map_err(|error| {
            let text: String = error.to_string().chars().take(300).collect();
            format!("this is no JSON Schema that can be used: {text}")
        })?;
    Ok(Schema(Arc::new(validator)))
}

/// Counts subschemas with references written out.
struct Size<'d> {
    root: &'d Value,
    /// Targets of references: their size, or none while they are being counted.
    known: HashMap<&'d str, Option<usize>>,
}

impl<'d> Size<'d> {
    fn of(&mut self, value: &'d Value) -> Result<usize, String> {
        let size = match value {
            Value::Object(map) => {
                let mut size: usize = 1;
                for (key, item) in map {
                    // What is quoted as data holds no subschemas.
                    if !matches!(key.as_str(), "const" | "enum" | "default" | "examples") {
                        size = size.saturating_add(self.of(item)?);
                    }
                }
                size.saturating_add(self.reference(map)?)
            }
            Value::Array(items) => {
                let mut size: usize = 1;
                for item in items {
                    size = size.saturating_add(self.of(item)?);
                }
                size
            }
            _ => 1,
        };
        if size > MAX_SUBSCHEMAS {
            return Err(format!("with its references written out it has more than {MAX_SUBSCHEMAS} parts"));
        }
        Ok(size)
    }

    /// The size of what the object refers to.
    fn reference(&mut self, map: &'d Map<String, Value>) -> Result<usize, String> {
        for keyword in ["$dynamicRef", "$recursiveRef"] {
            if matches!(map.get(keyword), Some(Value::String(_))) {
                return Err(format!("`{keyword}` is not supported"));
            }
        }
        let Some(Value::String(target)) = map.get("$ref") else { return Ok(0) };
        let Some(pointer) = target.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            return Err(format!(
                "`$ref` may only lead to a place in the same schema, such as #/$defs/x, not to {target:?}"
            ));
        };
        if map.contains_key("$id") {
            return Err("`$id` beside `$ref` is not supported".into());
        }
        match self.known.get(target.as_str()) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                return Err(format!(
                    "`$ref` {target:?} leads back to itself; recursive schemas are not supported"
                ));
            }
            None => {}
        }
        let found = self.root.pointer(pointer).ok_or_else(|| format!("`$ref` {target:?} leads nowhere"))?;
        self.known.insert(target, None);
        let size = self.of(found)?;
        self.known.insert(target, Some(size));
        Ok(size)
    }
}
