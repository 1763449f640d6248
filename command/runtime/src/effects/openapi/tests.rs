use std::{collections::BTreeMap, time::Duration};

use openclaw_model::event::run::{HttpOutput, Resource};
use serde_json::{Value, json};

use super::*;
use crate::effects::{
    exposure::tests::{Vault, handle},
    testing::{Local, Seen, http, json as answer},
};

const PETS: &str = r##"
openapi: 3.1.0
servers: [ { url: "SERVER/{base}", variables: { base: { default: v1 } } } ]
paths:
  /pets/{petId}/{kind}:
    parameters:
      - { name: petId, in: path, required: true, schema: {} }
      - { $ref: "#/components/parameters/kind" }
    post:
      operationId: addPet
      parameters:
        - { name: tags, in: query, schema: {} }
        - { name: ids, in: query, explode: false, schema: {} }
        - { name: bars, in: query, style: pipeDelimited, explode: false, schema: {} }
        - { name: filter, in: query, style: deepObject, schema: {} }
        - { name: whole, in: query, content: { application/json: {} } }
        - { name: X-Trace, in: header, required: true, schema: {} }
        - { name: session, in: cookie, schema: {} }
      requestBody: { $ref: "#/components/requestBodies/pet" }
  /forms:
    post:
      operationId: sendForm
      requestBody:
        required: true
        content: { application/x-www-form-urlencoded: { schema: { properties: { a: {}, b: {} } } } }
  /file:
    put:
      operationId: upload
      requestBody: { content: { multipart/form-data: { schema: { properties: { f: {} } } } } }
  /outside:
    get:
      operationId: outside
      parameters: [ { $ref: "other.yaml#/x" } ]
  /loop:
    get:
      operationId: loop
      parameters: [ { $ref: "#/paths/~1loop/get/parameters/0" } ]
components:
  parameters:
    kind: { name: kind, in: path, style: matrix, explode: true, schema: {} }
  requestBodies:
    pet: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/pet" } } } }
  schemas:
    pet: { type: object, required: [ name ], properties: { name: {}, age: {} } }
"##;

fn request(operation: &str, parameters: Value) -> OpenApiRequest {
    let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
    OpenApiRequest {
        document: Resource { uri: "file:///pets.yaml".into(), authentication: None },
        operation: operation.into(),
        parameters: parameters.into_iter().collect(),
        output: HttpOutput::Content,
        redirect: false,
        authentication: None,
    }
}

async fn perform(document: &str, request: &OpenApiRequest) -> EffectOutcome {
    let effects = OpenApiEffects::new(Arc::new(http()));
    effects.perform(request, Some(document), "k", &mut Exposure::nothing(), CancellationToken::new()).await
}

async fn echoing() -> Local {
    Local::start(|_, _| answer("1")).await
}

/// What the server saw of a call that went through.
async fn seen(server: &Local, document: &str, request: &OpenApiRequest) -> Seen {
    assert_eq!(perform(document, request).await, Ok(json!(1)));
    server.seen().pop().unwrap()
}

async fn refused(document: &str, request: &OpenApiRequest) -> String {
    let error = perform(document, request).await.unwrap_err();
    assert_eq!((error.status, error.r#type.rsplit('/').next()), (400, Some("configuration")), "{error:?}");
    error.detail.unwrap()
}

#[tokio::test]
async fn arguments_go_where_the_operation_wants_them() {
    let server = echoing().await;
    let pets = PETS.replace("SERVER", &server.url);
    let all = request(
        "addPet",
        json!({
            "petId": "a/b", "kind": ["x", "y"], "tags": ["1", "2 3"], "ids": [1, 2], "bars": ["a", "b"],
            "filter": { "size": "big", "n": 1 }, "whole": { "k": [1] }, "X-Trace": [1, 2], "session": "s",
            "name": "Rex", "age": null,
        }),
    );
    let call = seen(&server, &pets, &all).await;
    assert_eq!(call.method, "POST");
    let (path, query) = call.uri.split_once('?').unwrap();
    assert_eq!(path, "/v1/pets/a%2Fb/;kind=x;kind=y");
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    let expected = [
        "bars=a%7Cb",
        "filter%5Bn%5D=1",
        "filter%5Bsize%5D=big",
        "ids=1,2",
        "tags=1",
        "tags=2%203",
        "whole=%7B%22k%22%3A%5B1%5D%7D",
    ];
    assert_eq!(query, expected);
    assert_eq!((call.header("x-trace"), call.header("cookie")), (Some("1,2"), Some("session=s")));
    assert_eq!(
        (call.body.as_str(), call.header("content-type")),
        (r#"{"name":"Rex"}"#, Some("application/json"))
    );
    assert_eq!(call.header("idempotency-key"), Some("k"));

    let whole = request(
        "addPet",
        json!({ "petId": 1, "kind": "x", "X-Trace": "t", "body": { "name": "Rex", "free": true } }),
    );
    let call = seen(&server, &pets, &whole).await;
    assert_eq!(
        (call.uri.as_str(), call.body.as_str()),
        ("/v1/pets/1/;kind=x", r#"{"free":true,"name":"Rex"}"#)
    );
    let form = request("sendForm", json!({ "a": "x y&z", "b": [1, 2] }));
    let call = seen(&server, &pets, &form).await;
    assert_eq!((call.uri.as_str(), call.body.as_str()), ("/v1/forms", "a=x%20y%26z&b=1&b=2"));
    assert_eq!(call.header("content-type"), Some("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn swagger_2_is_read_too() {
    let server = echoing().await;
    let host = server.url.trim_start_matches("http://");
    let document = json!({
        "swagger": "2.0", "host": host, "basePath": "/api/", "schemes": ["http"], "consumes": ["application/json"],
        "paths": { "/pet/{id}": {
            "post": { "operationId": "form", "consumes": ["application/x-www-form-urlencoded"], "parameters": [
                { "name": "id", "in": "path", "required": true },
                { "name": "status", "in": "query", "collectionFormat": "multi" },
                { "name": "old", "in": "query" },
                { "name": "name", "in": "formData", "required": true } ] },
            "put": { "operationId": "body", "parameters": [
                { "name": "id", "in": "path", "required": true },
                { "name": "pet", "in": "body", "required": true, "schema": { "properties": { "a": {} } } } ] },
        } }
    })
    .to_string();
    let form = request("form", json!({ "id": 7, "status": ["a", "b"], "old": ["c", "d"], "name": "x=y" }));
    let call = seen(&server, &document, &form).await;
    assert_eq!(
        (call.uri.as_str(), call.body.as_str()),
        ("/api/pet/7?status=a&status=b&old=c,d", "name=x%3Dy")
    );
    let body = request("body", json!({ "id": 7, "pet": { "a": 1 } }));
    let call = seen(&server, &document, &body).await;
    assert_eq!((call.method.as_str(), call.body.as_str()), ("PUT", r#"{"a":1}"#));
    let missing = refused(&document, &request("form", json!({ "id": 7 }))).await;
    assert!(missing.contains("needs the parameter \"name\""), "{missing}");
}

#[tokio::test]
async fn what_the_document_does_not_have_is_named_with_a_suggestion() {
    let pets = PETS.replace("SERVER", "http://127.0.0.1:1");
    let good = json!({ "petId": 1, "kind": "x", "X-Trace": "t", "name": "Rex" });
    let without = |name: &str, more: Value| {
        let mut parameters = good.clone();
        parameters.as_object_mut().unwrap().remove(name);
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request("addPet", parameters)
    };
    for (request, expected) in [
        (request("adPet", json!({})), "no operation \"adPet\". Did you mean \"addPet\"?"),
        (without("X-Trace", json!({})), "needs the parameter \"X-Trace\""),
        (without("name", json!({})), "needs the parameter \"name\""),
        (without("", json!({ "tag": 1 })), "no parameter \"tag\". Did you mean \"tags\"?"),
        (without("", json!({ "petId": ".." })), "cannot be \"..\" in a path"),
        (request("upload", json!({ "f": 1 })), "multipart/form-data"),
        (request("outside", json!({})), "outside itself"),
        (request("loop", json!({})), "lead to each other"),
        (request("sendForm", json!({})), "needs the parameter \"body\""),
    ] {
        let detail = refused(&pets, &request).await;
        assert!(detail.contains(expected), "{detail}");
    }
    assert!(refused("openapi: 2.0", &request("x", json!({}))).await.contains("neither"));
    assert!(refused("{ \"a\": ", &request("x", json!({}))).await.contains("neither JSON nor YAML"));
    let serverless = "openapi: 3.0.0\npaths: { /a: { get: { operationId: x } } }";
    assert!(refused(serverless, &request("x", json!({}))).await.contains("relative to nothing"));
}

#[tokio::test(start_paused = true)]
async fn a_document_is_fetched_once_a_minute_and_only_if_it_has_changed() {
    let server = Local::start(|seen, _| match (seen.uri.as_str(), seen.header("if-none-match")) {
        ("/doc/pets.json", Some("\"v1\"")) => (304, vec![], String::new()),
        ("/doc/pets.json", _) => {
            let paths = json!({ "/a": { "get": { "operationId": "a" } } });
            let document = json!({ "openapi": "3.0.0", "servers": [{ "url": "../api" }], "paths": paths });
            (200, vec![("etag", "\"v1\"".into())], document.to_string())
        }
        _ => answer("1"),
    })
    .await;
    let effects = OpenApiEffects::new(Arc::new(http()));
    let document = Resource { uri: format!("{}/doc/pets.json", server.url), authentication: None };
    let call = OpenApiRequest { document, ..request("a", json!({})) };
    for wait in [0, 30, 31] {
        tokio::time::advance(Duration::from_secs(wait)).await;
        let outcome =
            effects.perform(&call, None, "k", &mut Exposure::nothing(), CancellationToken::new()).await;
        assert_eq!(outcome, Ok(json!(1)));
    }
    let uris: Vec<_> = server.seen().iter().map(|seen| seen.uri.clone()).collect();
    assert_eq!(uris, ["/doc/pets.json", "/api/a", "/api/a", "/doc/pets.json", "/api/a"]);

    let unfetched = request("a", json!({}));
    let error =
        effects.perform(&unfetched, None, "k", &mut Exposure::nothing(), CancellationToken::new()).await;
    assert!(error.unwrap_err().detail.unwrap().contains("was not recorded"));
}

#[tokio::test]
async fn secrets_in_arguments_are_put_in_on_the_way() {
    let server = echoing().await;
    let pets = PETS.replace("SERVER", &server.url);
    let vault = Vault::of("key", json!("s3/cret"));
    let (listed, key) = (vault.listed(), handle("key", ""));
    let parameters = json!({ "petId": key, "kind": "x", "X-Trace": key, "tags": [key], "name": key });
    let effects = OpenApiEffects::new(Arc::new(http()));
    let mut exposure = Exposure::new(&vault, &listed);
    let call = request("addPet", parameters);
    effects.perform(&call, Some(&pets), "k", &mut exposure, CancellationToken::new()).await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!(seen.uri, "/v1/pets/s3%2Fcret/;kind=x?tags=s3%2Fcret");
    assert_eq!((seen.header("x-trace"), seen.body.as_str()), (Some("s3/cret"), r#"{"name":"s3/cret"}"#));
    let parameters: BTreeMap<_, _> = [("a".to_owned(), json!(key))].into();
    let form = OpenApiRequest { parameters, ..request("sendForm", json!({})) };
    effects.perform(&form, Some(&pets), "k", &mut exposure, CancellationToken::new()).await.unwrap();
    assert_eq!(server.seen().remove(1).body, "a=s3%2Fcret");
}
