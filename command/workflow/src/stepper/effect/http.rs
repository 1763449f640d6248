//! `call: http`.

use openclaw_model::event::run::{EffectClass, HttpRequest, WorkflowError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::{
    Step,
    data::Place,
    start::{as_text, kind_of},
};
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

/// Expands the simple expressions of a URI template (RFC 6570, level 1) from the task's input. What the input does not
/// have is empty, and what is no scalar is an error (dsl-reference, "URI Template").
pub(super) fn expand(template: &str, input: &Value) -> Result<String, WorkflowError> {
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or_else(|| {
            error::configuration(format!("the URI template {template:?} has a brace that is not closed"))
        })?;
        url.push_str(before);
        match input.get(name) {
            None | Some(Value::Null) => {}
            Some(value @ (Value::Object(_) | Value::Array(_))) => {
                let kind = kind_of(value);
                return Err(error::expression(format!(
                    "{name:?} in the URI template {template:?} is {kind}"
                )));
            }
            Some(value) => url.extend(utf8_percent_encode(&as_text(value), RESERVED)),
        }
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
        assert_eq!(expand("http://h/{missing}", &input).unwrap(), "http://h/");
        let list = expand("http://h/{ids}", &json!({ "ids": [1] })).unwrap_err();
        assert!(list.r#type.ends_with("/expression") && list.detail.unwrap().contains("ids"));
        assert!(expand("http://h/{petId", &input).is_err());
    }
}
