//! `call: openapi` and `call: grpc` (dsl-reference, "OpenAPI Call" and "gRPC Call").

use serde_json::Value;

use super::{
    authentication, call,
    calls::{GrpcCall, OpenApiCall},
    problem::code,
    reader::{Fields, Node, Reader},
    resource,
};
use crate::expression::Template;

/// `call: openapi`.
pub(super) fn openapi<'d>(reader: &mut Reader<'d>, task: &Fields<'d>) -> Option<OpenApiCall> {
    let with = reader.required(task, "with")?;
    let known = ["document", "operationId", "parameters", "authentication", "output", "redirect"];
    let fields = reader.object(&with, &known)?;
    let document = reader.required(&fields, "document").and_then(|node| resource::template(reader, &node));
    let operation = text(reader, &fields, "operationId");
    let parameters = reader.optional(fields.get("parameters"), object);
    let authentication = reader.optional(fields.get("authentication"), authentication::read);
    let output = reader.optional(fields.get("output"), call::output);
    let redirect = reader.optional(fields.get("redirect"), Reader::boolean);
    let class = reader.effect_class(task, false);
    Some(OpenApiCall {
        document: document?,
        operation: operation?,
        parameters: parameters?,
        output: output?.unwrap_or_default(),
        redirect: redirect?.unwrap_or(false),
        authentication: authentication?,
        class: class?,
    })
}

/// `call: grpc`.
pub(super) fn grpc<'d>(reader: &mut Reader<'d>, task: &Fields<'d>) -> Option<GrpcCall> {
    let with = reader.required(task, "with")?;
    let fields = reader.object(&with, &["proto", "service", "method", "arguments"])?;
    let proto = reader.required(&fields, "proto").and_then(|node| resource::template(reader, &node));
    let method = text(reader, &fields, "method");
    let arguments = reader.optional(fields.get("arguments"), object);
    let class = reader.effect_class(task, false);
    let service = reader.required(&fields, "service")?;
    let service = reader.object(&service, &["name", "host", "port", "authentication"])?;
    let name = text(reader, &service, "name");
    let host = text(reader, &service, "host");
    let port = reader.optional(service.get("port"), port);
    let authentication = reader.optional(service.get("authentication"), authentication::read);
    Some(GrpcCall {
        proto: proto?,
        service: name?,
        host: host?,
        port: port?,
        method: method?,
        arguments: arguments?,
        authentication: authentication?,
        class: class?,
    })
}

fn text<'d>(reader: &mut Reader<'d>, fields: &Fields<'d>, name: &str) -> Option<Template> {
    let node = reader.required(fields, name)?;
    if reader.text(&node)?.is_empty() {
        reader.report(code::BAD_VALUE, &node.path, "this may not be empty");
        return None;
    }
    reader.template(&node)
}

/// An object with expressions, or an expression that gives one.
pub(super) fn object<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Template> {
    match node.value {
        Value::String(_) => reader.expression(node).map(Template::Expression),
        Value::Object(_) => reader.template(node),
        _ => {
            reader.wrong_type(node, "an object or an expression");
            None
        }
    }
}

fn port<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Template> {
    match node.value {
        Value::String(_) => reader.expression(node).map(Template::Expression),
        Value::Number(number) if number.as_u64().is_some_and(|port| (1..=65_535).contains(&port)) => {
            Some(Template::Literal(node.value.clone()))
        }
        Value::Number(_) => {
            reader.report(code::BAD_VALUE, &node.path, "a port is a number from 1 to 65535");
            None
        }
        _ => {
            reader.wrong_type(node, "a port");
            None
        }
    }
}
