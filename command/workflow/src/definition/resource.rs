//! Texts outside the document (dsl-reference, "External Resource").
//!
//! Files are read once, when a document is loaded, and their texts are kept with the definition, so that a run never
//! sees another text than the one it was started with. Web addresses are left to the call that uses them; a schema or a
//! script from one could change under a run, and is refused.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    authentication,
    calls::{AuthenticationTemplate, ResourceTemplate},
    problem::code,
    reader::{Node, Reader, excerpt},
};
use crate::expression::Template;

/// The most bytes of all files that one document refers to.
pub const MAX_RESOURCE_BYTES: usize = 1024 * 1024;

/// Gives the texts of files that a document refers to.
pub trait Resources {
    /// The text of the file at `uri`, which begins with `file:`.
    ///
    /// # Errors
    /// In words, why there is none. They are shown to the author of the document.
    fn read(&self, uri: &str) -> Result<String, String>;
}

/// No files at all.
#[derive(Clone, Copy, Debug)]
pub struct NoResources;

impl Resources for NoResources {
    fn read(&self, _: &str) -> Result<String, String> {
        Err("there is no directory of resources here".into())
    }
}

/// The texts that were recorded with a definition ([`Definition::resources`](super::Definition::resources)).
#[derive(Clone, Copy, Debug)]
pub struct RecordedResources<'a>(pub &'a BTreeMap<String, String>);

impl Resources for RecordedResources<'_> {
    fn read(&self, uri: &str) -> Result<String, String> {
        self.0.get(uri).cloned().ok_or_else(|| "it was not recorded with the definition".into())
    }
}

/// A resource that a call uses. A file is read now, anything else when the call is made.
pub(super) fn template<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<ResourceTemplate> {
    let (uri, authentication) = endpoint(reader, node)?;
    let text = reader.text(&uri)?;
    if is_file(text) {
        file(reader, &uri, text)?;
        return Some(ResourceTemplate { uri: Template::Literal(Value::from(text)), authentication });
    }
    Some(ResourceTemplate { uri: super::call::address(reader, &uri)?, authentication })
}

/// The text of a resource that has to be a file, and the place of its URI. `what` names its purpose.
pub(super) fn text<'d>(reader: &mut Reader<'d>, node: &Node<'d>, what: &str) -> Option<(String, String)> {
    let (uri, _) = endpoint(reader, node)?;
    let text = reader.text(&uri)?;
    if !is_file(text) {
        let message = format!("{what} comes from a file, so that it cannot change under a run");
        let advice = "write it into the document, or put the file into the directory of resources and refer to \
                      it with file:///";
        reader.advise(code::MUTABLE, &uri.path, message, Some(advice.into()));
        return None;
    }
    Some((uri.path.clone(), file(reader, &uri, text)?))
}

fn is_file(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
}

/// The URI of a resource, and how the caller proves who it is.
fn endpoint<'d>(
    reader: &mut Reader<'d>,
    node: &Node<'d>,
) -> Option<(Node<'d>, Option<AuthenticationTemplate>)> {
    let fields = reader.object(node, &["name", "endpoint"])?;
    if let Some(name) = fields.get("name") {
        reader.text(&name);
    }
    let endpoint = reader.required(&fields, "endpoint")?;
    if !endpoint.value.is_object() {
        return Some((endpoint, None));
    }
    let fields = reader.object(&endpoint, &["uri", "authentication"])?;
    let authentication = reader.optional(fields.get("authentication"), authentication::read);
    Some((reader.required(&fields, "uri")?, authentication?))
}

fn file(reader: &mut Reader<'_>, node: &Node<'_>, uri: &str) -> Option<String> {
    if !reader.texts.contains_key(uri) {
        let known: usize = reader.texts.values().map(String::len).sum();
        let text = reader.resources.read(uri).and_then(|text| match known + text.len() {
            total if total > MAX_RESOURCE_BYTES => {
                Err(format!("the files of a document have {MAX_RESOURCE_BYTES} bytes at most, these {total}"))
            }
            _ => Ok(text),
        });
        match text {
            Ok(text) => reader.texts.insert(uri.to_owned(), text),
            Err(reason) => {
                let message = format!("`{}` cannot be read: {reason}", excerpt(uri));
                reader.report(code::RESOURCE, &node.path, message);
                return None;
            }
        };
    }
    let text = reader.texts.get(uri)?.clone();
    reader.charge_text(text.len()).then_some(text)
}
