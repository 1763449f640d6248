//! `call: openapi` (dsl-reference, "OpenAPI Call"): Swagger 2.0 and OpenAPI 3.x.
//!
//! The document says how to make an HTTP request of the arguments; sending it is `call: http`.

mod argument;
mod document;
mod operation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use openclaw_model::event::run::{HttpRequest, OpenApiRequest, WorkflowError};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::error;
use tokio_util::sync::CancellationToken;

use self::document::Documents;
use super::{exposure::Exposure, http::HttpEffects};

/// Calls operations that a document describes.
pub struct OpenApiEffects {
    http: Arc<HttpEffects>,
    documents: Documents,
}

impl OpenApiEffects {
    /// Sends over `http`.
    #[must_use]
    pub fn new(http: Arc<HttpEffects>) -> Self {
        Self { http, documents: Documents::default() }
    }

    /// Performs `request`; `recorded` is the text of the document if it is not to be fetched.
    ///
    /// # Errors
    /// A configuration error for a document that cannot be read, and for an operation or argument that it does not
    /// have, with a suggestion; else those of `call: http`.
    pub async fn perform(
        &self,
        request: &OpenApiRequest,
        recorded: Option<&str>,
        key: &str,
        exposure: &mut Exposure<'_>,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        let http = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(error::runtime("the call was cancelled".into())),
            http = self.request(request, recorded, exposure) => http?,
        };
        self.http.perform(&http, key, exposure, cancel).await
    }

    async fn request(
        &self,
        request: &OpenApiRequest,
        recorded: Option<&str>,
        exposure: &mut Exposure<'_>,
    ) -> Result<HttpRequest, WorkflowError> {
        let document = self.documents.get(&self.http, &request.document, recorded, exposure).await?;
        let uri = &request.document.uri;
        let at = (!uri.starts_with("file:")).then_some(uri.as_str());
        let operation = operation::find(&document, &request.operation, at)?;
        let call = argument::place(&operation, &request.parameters)?;
        Ok(HttpRequest {
            method: operation.method.to_ascii_uppercase(),
            url: call.url,
            headers: call.headers,
            query: Default::default(),
            body: call.body,
            output: request.output,
            redirect: request.redirect,
            authentication: request.authentication.clone(),
        })
    }
}

/// ` Did you mean ...?`, if one of `known` is near.
fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    openclaw_workflow::suggest::nearest(name, known)
        .map_or_else(String::new, |near| format!(" Did you mean {near:?}?"))
}
