//! Putting arguments where an operation wants them.

use std::collections::BTreeMap;

use openclaw_model::event::run::WorkflowError;
use openclaw_workflow::error;
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use super::{
    hint,
    operation::{Body, Operation, Parameter, Place, Style},
};
use crate::effects::exposure::RESERVED;

/// The request that arguments make.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Value>,
}

/// Puts `arguments` into a request. Those that are null are left out.
///
/// # Errors
/// A configuration error for an argument that is missing or unknown, or that cannot be written where it belongs.
pub(super) fn place(
    operation: &Operation,
    arguments: &BTreeMap<String, Value>,
) -> Result<Call, WorkflowError> {
    let mut rest: BTreeMap<&str, &Value> = arguments
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let mut call = Call { url: operation.url.clone(), ..Call::default() };
    let (mut query, mut cookies) = (Vec::new(), Vec::new());
    let mut taken = Vec::new();
    for parameter in &operation.parameters {
        // The same name may stand in several places; one argument then serves them all.
        let Some(value) = rest.get(parameter.name.as_str()).copied() else {
            if parameter.required {
                return Err(missing(operation, &parameter.name));
            }
            continue;
        };
        taken.push(parameter.name.as_str());
        match parameter.place {
            Place::Path => {
                let text = segment(parameter, value);
                if matches!(text.as_str(), "" | "." | "..") {
                    // It would lead to another path than the operation's.
                    return Err(error::configuration(format!(
                        "the parameter {:?} of the operation {:?} cannot be {text:?} in a path",
                        parameter.name, operation.id
                    )));
                }
                call.url = call.url.replace(&format!("{{{}}}", parameter.name), &text);
            }
            Place::Query => query.extend(pairs(parameter, value)),
            Place::Cookie => cookies.extend(pairs(parameter, value)),
            Place::Header => {
                let text = joined(parameter, value, ",", "=", parameter.explode, false);
                call.headers.insert(parameter.name.clone(), text);
            }
        }
    }
    for name in taken {
        rest.remove(name);
    }
    if let Some(body) = &operation.body {
        write_body(operation, body, &mut rest, &mut call)?;
    }
    if let Some(name) = rest.keys().next() {
        let of_body = operation
            .body
            .iter()
            .flat_map(|body| body.fields.iter().map(|(field, _)| field.as_str()).chain([body.name.as_str()]));
        let known = operation.parameters.iter().map(|parameter| parameter.name.as_str()).chain(of_body);
        let hint = hint(name, known);
        return Err(error::configuration(format!(
            "the operation {:?} has no parameter {name:?}.{hint}",
            operation.id
        )));
    }
    if !query.is_empty() {
        let separator = if call.url.contains('?') { '&' } else { '?' };
        call.url = format!("{}{separator}{}", call.url, query.join("&"));
    }
    if !cookies.is_empty() {
        call.headers.insert("cookie".into(), cookies.join("; "));
    }
    Ok(call)
}

fn write_body(
    operation: &Operation,
    body: &Body,
    rest: &mut BTreeMap<&str, &Value>,
    call: &mut Call,
) -> Result<(), WorkflowError> {
    let whole = if body.form { None } else { rest.remove(body.name.as_str()) };
    let value = match whole {
        Some(value) => value.clone(),
        None => {
            let mut object = Map::new();
            for (name, _) in &body.fields {
                if let Some(value) = rest.remove(name.as_str()) {
                    object.insert(name.clone(), value.clone());
                }
            }
            if object.is_empty() && !body.required {
                return Ok(());
            }
            let needed = body.fields.iter().find(|(name, required)| *required && !object.contains_key(name));
            if let Some((name, _)) = needed {
                return Err(missing(operation, name));
            }
            if object.is_empty() {
                return Err(missing(operation, &body.name));
            }
            object.into()
        }
    };
    let media = body.media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (text, media) = match (media.as_str(), value) {
        ("*/*" | "application/*", value) => (value, "application/json"),
        (json, value) if json == "application/json" || json.ends_with("+json") => {
            // A text would be sent as it is.
            let value = if value.is_string() { Value::String(value.to_string()) } else { value };
            (value, body.media.as_str())
        }
        ("application/x-www-form-urlencoded", Value::Object(fields)) => {
            let form = Parameter {
                name: String::new(),
                place: Place::Query,
                required: false,
                style: Style::Form,
                explode: true,
            };
            let pairs: Vec<String> = fields
                .iter()
                .flat_map(|(name, value)| pairs(&Parameter { name: name.clone(), ..form.clone() }, value))
                .collect();
            (pairs.join("&").into(), body.media.as_str())
        }
        (_, Value::String(text)) => (text.into(), body.media.as_str()),
        (media, _) => {
            return Err(error::configuration(format!(
                "the operation {:?} wants a body of {media}, which is not carried out except for a text",
                operation.id
            )));
        }
    };
    call.headers.insert("content-type".into(), media.to_owned());
    call.body = Some(text);
    Ok(())
}

fn missing(operation: &Operation, name: &str) -> WorkflowError {
    error::configuration(format!("the operation {:?} needs the parameter {name:?}", operation.id))
}

/// As part of a path.
fn segment(parameter: &Parameter, value: &Value) -> String {
    let name = encoded(&parameter.name);
    match (parameter.style, value) {
        (Style::Label, _) => {
            let separator = if parameter.explode { "." } else { "," };
            format!(".{}", joined(parameter, value, separator, "=", parameter.explode, true))
        }
        (Style::Matrix, Value::Array(items)) if parameter.explode => {
            items.iter().map(|item| format!(";{name}={}", encoded(&plain(item)))).collect()
        }
        (Style::Matrix, Value::Object(_)) if parameter.explode => {
            format!(";{}", joined(parameter, value, ";", "=", true, true))
        }
        (Style::Matrix, _) => format!(";{name}={}", joined(parameter, value, ",", "=", false, true)),
        _ => joined(parameter, value, ",", "=", parameter.explode, true),
    }
}

/// As parts of a query, a form or a cookie.
fn pairs(parameter: &Parameter, value: &Value) -> Vec<String> {
    let pair = |name: &str, text: &str| format!("{}={text}", encoded(name));
    let name = parameter.name.as_str();
    match (parameter.style, value) {
        (Style::Json, _) => vec![pair(name, &encoded(&value.to_string()))],
        (Style::Deep, Value::Object(fields)) => fields
            .iter()
            .map(|(field, value)| pair(&format!("{name}[{field}]"), &encoded(&plain(value))))
            .collect(),
        (_, Value::Array(items)) if parameter.explode => {
            items.iter().map(|item| pair(name, &encoded(&plain(item)))).collect()
        }
        (_, Value::Object(fields)) if parameter.explode => {
            fields.iter().map(|(field, value)| pair(field, &encoded(&plain(value)))).collect()
        }
        (style, _) => {
            let separator = match style {
                Style::Spaces => "%20",
                Style::Tabs => "%09",
                Style::Pipes => "%7C",
                _ => ",",
            };
            vec![pair(name, &joined(parameter, value, separator, separator, false, true))]
        }
    }
}

/// Lists and objects as one text.
fn joined(
    parameter: &Parameter,
    value: &Value,
    separator: &str,
    equals: &str,
    explode: bool,
    encode: bool,
) -> String {
    let text = |value: &Value| if encode { encoded(&plain(value)) } else { plain(value) };
    match value {
        _ if parameter.style == Style::Json => {
            if encode {
                encoded(&value.to_string())
            } else {
                value.to_string()
            }
        }
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(separator),
        Value::Object(fields) => {
            let between = if explode { equals } else { separator };
            let name = |name: &str| if encode { encoded(name) } else { name.to_owned() };
            let pairs =
                fields.iter().map(|(field, value)| format!("{}{between}{}", name(field), text(value)));
            pairs.collect::<Vec<_>>().join(separator)
        }
        other => text(other),
    }
}

/// A single value as text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
