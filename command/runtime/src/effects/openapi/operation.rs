//! Finding an operation, and reading what the two generations of documents say about it into one form.

use openclaw_model::event::run::WorkflowError;
use openclaw_workflow::error;
use reqwest::Url;
use serde_json::Value;

use super::hint;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// References that are followed from one to the next.
const MAX_REFERENCES: usize = 16;

/// An operation with everything that a call needs to know.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: String,
    /// Lower case.
    pub(super) method: String,
    /// Server and path; the path's parameters are still in braces.
    pub(super) url: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
}

/// A parameter outside the body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) required: bool,
    pub(super) style: Style,
    pub(super) explode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
}

/// How lists and objects are written (OpenAPI 3.1, "Style Values").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `a,b`, also what `form` is without `explode`.
    Simple,
    Form,
    Spaces,
    Tabs,
    Pipes,
    /// `name[field]=value`.
    Deep,
    Label,
    Matrix,
    /// The value as JSON.
    Json,
}

/// The body of the request.
#[derive(Debug)]
pub(super) struct Body {
    /// The argument that holds it as a whole.
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) media: String,
    /// Names of its fields, as far as the document says, with whether they have to be there.
    pub(super) fields: Vec<(String, bool)>,
    /// Whether the fields are arguments each, and there is none for the whole.
    pub(super) form: bool,
}

/// The operation called `id`. `at` is where the document came from, for relative servers.
///
/// # Errors
/// A configuration error that names what is wrong.
pub(super) fn find(document: &Value, id: &str, at: Option<&str>) -> Result<Operation, WorkflowError> {
    let old = document.get("swagger").and_then(Value::as_str) == Some("2.0");
    let new =
        document.get("openapi").and_then(Value::as_str).is_some_and(|version| version.starts_with("3."));
    if !old && !new {
        return Err(error::configuration("the document is neither Swagger 2.0 nor OpenAPI 3".into()));
    }
    let paths = document.get("paths").and_then(Value::as_object);
    let mut known = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        let item = resolve(document, item)?;
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            match operation.get("operationId").and_then(Value::as_str) {
                Some(name) if name == id => {
                    let part = Part { document, item, operation };
                    let server = if old { part.swagger_2_server(at)? } else { part.openapi_3_server(at)? };
                    let mut found = Operation {
                        id: id.to_owned(),
                        method: method.to_owned(),
                        url: format!("{}/{}", server.trim_end_matches('/'), path.trim_start_matches('/')),
                        parameters: Vec::new(),
                        body: None,
                    };
                    if old {
                        part.swagger_2(&mut found)?
                    } else {
                        part.openapi_3(&mut found)?
                    }
                    return Ok(found);
                }
                Some(name) => known.push(name),
                None => {}
            }
        }
    }
    let hint = hint(id, known.into_iter());
    Err(error::configuration(format!("the OpenAPI document has no operation {id:?}.{hint}")))
}

/// An operation in its document.
struct Part<'a> {
    document: &'a Value,
    item: &'a Value,
    operation: &'a Value,
}

impl<'a> Part<'a> {
    /// The parameters of the operation, and those of its path that it does not declare itself.
    fn declared(&self) -> Result<Vec<&'a Value>, WorkflowError> {
        let mut found: Vec<&Value> = Vec::new();
        for of in [self.operation, self.item] {
            for parameter in of.get("parameters").and_then(Value::as_array).into_iter().flatten() {
                let parameter = resolve(self.document, parameter)?;
                let same = |known: &&Value| {
                    known.get("name") == parameter.get("name") && known.get("in") == parameter.get("in")
                };
                if !found.iter().any(same) {
                    found.push(parameter);
                }
            }
        }
        Ok(found)
    }

    /// Swagger 2.0: body and form are parameters.
    fn swagger_2(&self, into: &mut Operation) -> Result<(), WorkflowError> {
        let mut form = Vec::new();
        for parameter in self.declared()? {
            let text = |name| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
            let (name, required) = (text("name").to_owned(), flag(parameter, "required") == Some(true));
            let place = match text("in") {
                "path" => Place::Path,
                "query" => Place::Query,
                "header" => Place::Header,
                "formData" => {
                    form.push((name, required));
                    continue;
                }
                "body" => {
                    let schema = parameter.get("schema").unwrap_or(&Value::Null);
                    let media = self.consumes("application/json");
                    let fields = self.fields(schema)?;
                    into.body = Some(Body { name, required, media, fields, form: false });
                    continue;
                }
                other => return Err(unsupported(&into.id, &format!("a parameter in {other:?}"))),
            };
            let (style, explode) = match text("collectionFormat") {
                "ssv" => (Style::Spaces, false),
                "tsv" => (Style::Tabs, false),
                "pipes" => (Style::Pipes, false),
                "multi" => (Style::Form, true),
                _ => (Style::Simple, false),
            };
            into.parameters.push(Parameter {
                name,
                place,
                required: required || place == Place::Path,
                style,
                explode,
            });
        }
        if !form.is_empty() {
            let media = self.consumes("application/x-www-form-urlencoded");
            let required = form.iter().any(|(_, required)| *required);
            into.body = Some(Body { name: String::new(), required, media, fields: form, form: true });
        }
        Ok(())
    }

    fn consumes(&self, default: &str) -> String {
        let said = [self.operation, self.document].into_iter().find_map(|of| of.get("consumes")?.as_array());
        let said: Vec<&str> = said.into_iter().flatten().filter_map(Value::as_str).collect();
        preferred(&said).unwrap_or(default).to_owned()
    }

    /// OpenAPI 3.
    fn openapi_3(&self, into: &mut Operation) -> Result<(), WorkflowError> {
        for parameter in self.declared()? {
            let text = |name| parameter.get(name).and_then(Value::as_str);
            let place = match text("in") {
                Some("path") => Place::Path,
                Some("query") => Place::Query,
                Some("header") => Place::Header,
                Some("cookie") => Place::Cookie,
                other => return Err(unsupported(&into.id, &format!("a parameter in {other:?}"))),
            };
            let default = if matches!(place, Place::Query | Place::Cookie) { "form" } else { "simple" };
            let style = match text("style").unwrap_or(default) {
                _ if parameter.get("content").is_some() => Style::Json,
                "simple" => Style::Simple,
                "form" => Style::Form,
                "spaceDelimited" => Style::Spaces,
                "pipeDelimited" => Style::Pipes,
                "deepObject" => Style::Deep,
                "label" => Style::Label,
                "matrix" => Style::Matrix,
                other => return Err(unsupported(&into.id, &format!("the style {other:?}"))),
            };
            into.parameters.push(Parameter {
                name: text("name").unwrap_or_default().to_owned(),
                place,
                required: place == Place::Path || flag(parameter, "required") == Some(true),
                style,
                explode: flag(parameter, "explode").unwrap_or(style == Style::Form),
            });
        }
        let Some(body) = self.operation.get("requestBody") else { return Ok(()) };
        let body = resolve(self.document, body)?;
        let content = body.get("content").and_then(Value::as_object);
        let medias: Vec<&str> =
            content.into_iter().flat_map(|content| content.keys()).map(String::as_str).collect();
        let media = preferred(&medias).unwrap_or("application/json");
        let schema = content.and_then(|content| content.get(media)?.get("schema")).unwrap_or(&Value::Null);
        into.body = Some(Body {
            name: "body".into(),
            required: flag(body, "required") == Some(true),
            media: media.to_owned(),
            fields: self.fields(schema)?,
            form: false,
        });
        Ok(())
    }

    /// The fields of an object's schema.
    fn fields(&self, schema: &Value) -> Result<Vec<(String, bool)>, WorkflowError> {
        let schema = resolve(self.document, schema)?;
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields: Vec<(String, bool)> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|properties| properties.keys())
            .map(|name| (name.clone(), required.contains(&name.as_str())))
            .collect();
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            // One level: deeper ones are not arguments of their own, the whole body still is.
            let part = resolve(self.document, part)?;
            let names =
                part.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys());
            fields.extend(names.map(|name| (name.clone(), false)));
        }
        Ok(fields)
    }

    fn swagger_2_server(&self, at: Option<&str>) -> Result<String, WorkflowError> {
        let base = self.document.get("basePath").and_then(Value::as_str).unwrap_or_default();
        let own = at.and_then(|at| Url::parse(at).ok());
        let schemes =
            [self.operation, self.document].into_iter().find_map(|of| of.get("schemes")?.as_array());
        let schemes: Vec<&str> = schemes.into_iter().flatten().filter_map(Value::as_str).collect();
        let scheme = ["https", "http"].into_iter().find(|scheme| schemes.contains(scheme));
        let scheme = scheme.or(own.as_ref().map(Url::scheme)).unwrap_or("https");
        let authority = own.as_ref().map(|url| url.authority().to_owned());
        let host = self.document.get("host").and_then(Value::as_str).map(str::to_owned).or(authority);
        let host = host.ok_or_else(|| {
            error::configuration("the document names no host, and it came from none".into())
        })?;
        Ok(format!("{scheme}://{host}/{}", base.trim_start_matches('/')))
    }

    fn openapi_3_server(&self, at: Option<&str>) -> Result<String, WorkflowError> {
        let servers = [self.operation, self.item, self.document]
            .into_iter()
            .find_map(|of| of.get("servers")?.as_array().filter(|servers| !servers.is_empty()));
        let first = servers.and_then(|servers| servers.first());
        let mut url = first.and_then(|server| server.get("url")?.as_str()).unwrap_or("/").to_owned();
        let variables = first.and_then(|server| server.get("variables")?.as_object());
        for (name, variable) in variables.into_iter().flatten() {
            let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), default);
        }
        match Url::parse(&url) {
            Ok(_) => Ok(url),
            Err(_) => {
                at.and_then(|at| Url::parse(at).ok()?.join(&url).ok()).map(String::from).ok_or_else(|| {
                    error::configuration(format!("the server {url:?} of the document is relative to nothing"))
                })
            }
        }
    }
}

/// The type of content that we write best.
fn preferred<'a>(medias: &[&'a str]) -> Option<&'a str> {
    let rank = |media: &str| {
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "application/json" => 0,
            json if json.ends_with("+json") => 1,
            "application/x-www-form-urlencoded" => 2,
            text if text.starts_with("text/") => 3,
            "*/*" | "application/*" => 4,
            _ => 5,
        }
    };
    medias.iter().copied().min_by_key(|media| rank(media))
}

fn flag(of: &Value, name: &str) -> Option<bool> {
    of.get(name).and_then(Value::as_bool)
}

/// What `value` refers to, if it is a reference into the document.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value, WorkflowError> {
    let mut value = value;
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
        let pointer = reference.strip_prefix('#').ok_or_else(|| {
            error::configuration(format!(
                "the document refers to {reference:?} outside itself, which is not followed"
            ))
        })?;
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        value = document.pointer(&pointer).ok_or_else(|| {
            error::configuration(format!("the document refers to {reference:?}, which it does not have"))
        })?;
    }
    Err(error::configuration("references of the document lead to each other".into()))
}

fn unsupported(id: &str, what: &str) -> WorkflowError {
    error::configuration(format!("the operation {id:?} has {what}, which is not carried out"))
}
