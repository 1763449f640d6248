//! The OpenRPC document, built from the types that dispatch uses: <https://spec.open-rpc.org>, version 1.3.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{error::Kind, methods::Call, params, registry::DISCOVER};

/// The document while it is being built.
pub(super) struct Document {
    schemas: SchemaGenerator,
    methods: Vec<Value>,
}

/// What any method may be refused with.
const SHARED: &[Kind] = &[Kind::INVALID_PARAMS, Kind::INTERNAL];

impl Document {
    pub(super) fn new() -> Self {
        // OpenRPC 1.3 schemas are JSON Schema draft 7 and refer to each other within the document.
        let settings = SchemaSettings::draft07().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { schemas: settings.into_generator(), methods: Vec::new() }
    }

    /// Adds the method of `P`.
    pub(super) fn describe<P: Call>(&mut self) {
        let schema = <P as JsonSchema>::json_schema(&mut self.schemas).to_value();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let params: Vec<Value> = params::names::<P>()
            .iter()
            .map(|name| {
                let mut schema = schema["properties"][*name].clone();
                let summary = schema.as_object_mut().and_then(|schema| schema.remove("description"));
                descriptor(name, schema, summary, required.contains(&json!(name)))
            })
            .collect();
        let result = self.schemas.subschema_for::<P::Answer>().to_value();
        let result_name = <P::Answer as JsonSchema>::schema_name();

        let (call, answer) = P::example();
        let call = serde_json::to_value(call).expect("an example serialises");
        let answer = serde_json::to_value(answer).expect("an example serialises");
        let shown: Vec<Value> = params::names::<P>()
            .iter()
            .filter_map(|name| Some(json!({ "name": name, "value": call.get(*name)? })))
            .collect();

        let mut method = json!({
            "name": P::NAME,
            "summary": P::SUMMARY,
            "paramStructure": "either",
            "params": params,
            "result": descriptor(&result_name, result, None, true),
            "errors": errors(P::ERRORS),
            "examples": [{
                "name": format!("{} example", P::NAME),
                "params": shown,
                "result": { "name": result_name, "value": answer },
            }],
        });
        if let Some(description) = schema.get("description") {
            method["description"] = description.clone();
        }
        self.methods.push(method);
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> Value {
        self.methods.push(json!({
            "name": DISCOVER,
            "summary": "Answers this document.",
            "params": [],
            "result": {
                "name": "OpenRPC Schema",
                "required": true,
                "schema": {
                    "$ref": "https://raw.githubusercontent.com/open-rpc/meta-schema/master/schema.json",
                },
            },
        }));
        let schemas: Map<String, Value> = self.schemas.take_definitions(true).into_iter().collect();
        json!({
            "openrpc": "1.3.2",
            "info": {
                "title": "openclaw",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Commands of an openclaw server, over HTTP POST or WebSocket at /rpc. Queries and \
                    subscriptions are at /graphql.",
                "license": { "name": "MIT" },
            },
            "servers": [{ "name": "this server", "url": "/rpc" }],
            "methods": self.methods,
            "components": { "schemas": schemas },
        })
    }
}

fn descriptor(name: &str, schema: Value, summary: Option<Value>, required: bool) -> Value {
    let mut descriptor = json!({ "name": name, "required": required, "schema": schema });
    if let Some(summary) = summary {
        descriptor["summary"] = summary;
    }
    descriptor
}

/// OpenRPC wants each number once, so kinds that share one are shown together.
fn errors(own: &[Kind]) -> Vec<Value> {
    let mut shown: Vec<(i32, &str, Vec<&str>)> = Vec::new();
    for kind in SHARED.iter().chain(own) {
        match shown.iter_mut().find(|(number, ..)| *number == kind.number) {
            Some((_, _, codes)) => codes.push(kind.code),
            None => shown.push((kind.number, kind.title, vec![kind.code])),
        }
    }
    shown
        .into_iter()
        .map(|(number, title, codes)| {
            json!({ "code": number, "message": title, "data": { "code": codes.join(" or ") } })
        })
        .collect()
}
