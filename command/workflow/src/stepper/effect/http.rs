//! `call: http`.

use openclaw_model::event::run::{EffectClass, HttpRequest, WorkflowError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::{Step, data::Place, start::as_text};
use crate::{definition::HttpCall, error, expression::Template};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Step<'_> {
    pub(super) fn http(
        &self,
        call: &HttpCall,
        input: &Value,
        place: Place<'_>,
    ) -> Result<(EffectClass, HttpRequest), WorkflowError> {
        let method = as_text(&self.render(&call.method, input, place)?).to_ascii_uppercase();
        let class = call.class.unwrap_or(match method.as_str() {
            "GET" | "HEAD" | "OPTIONS" => EffectClass::Pure,
            "PUT" | "DELETE" => EffectClass::Idempotent,
            // Sent with the effect's key as Idempotency-Key.
            _ => EffectClass::Keyed,
        });
        let request = HttpRequest {
            method,
            url: self.address(&call.endpoint, input, place)?,
            headers: self.texts(call.headers.as_ref(), "headers", input, place)?,
            query: self.texts(call.query.as_ref(), "query", input, place)?,
            body: call.body.as_ref().map(|body| self.render(body, input, place)).transpose()?,
            output: call.output,
            redirect: call.redirect,
            authentication: self.authentication(call.authentication.as_ref(), input, place)?,
        };
        Ok((class, request))
    }

    /// A URI: only a literal is a URI template; what an expression gives is a URI already.
    pub(super) fn address(
        &self,
        template: &Template,
        input: &Value,
        place: Place<'_>,
    ) -> Result<String, WorkflowError> {
        match template {
            Template::Literal(Value::String(template)) => expand(template, input),
            template => Ok(as_text(&self.render(template, input, place)?)),
        }
    }
}

/// Expands the simple expressions of a URI template (RFC 6570, level 1) from the task's input.
pub(super) fn expand(template: &str, input: &Value) -> Result<String, WorkflowError> {
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or_else(|| {
            error::configuration(format!("the URI template {template:?} has a brace that is not closed"))
        })?;
        let value = input.get(name).filter(|value| !value.is_null()).ok_or_else(|| {
            error::configuration(format!("the URI template {template:?} needs {name:?}, the input has none"))
        })?;
        url.push_str(before);
        url.extend(utf8_percent_encode(&as_text(value), RESERVED));
        rest = tail;
    }
    url.push_str(rest);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn uri_templates_take_their_values_from_the_input_and_encode_them() {
        let input = json!({ "petId": 7, "name": "a b/ü" });
        assert_eq!(expand("http://h/{petId}?n={name}", &input).unwrap(), "http://h/7?n=a%20b%2F%C3%BC");
        assert!(expand("http://h/{missing}", &input).unwrap_err().detail.unwrap().contains("missing"));
        assert!(expand("http://h/{petId", &input).is_err());
    }
}
