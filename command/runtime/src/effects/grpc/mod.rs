//! `call: grpc`, unary (dsl-reference, "gRPC Call"; the protocol: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
//!
//! The proto text is compiled when it is first used, and messages are made by its descriptors.

mod schema;
mod status;
#[cfg(test)]
mod tests;
mod wire;

use std::{net::IpAddr, sync::Arc};

use openclaw_model::event::run::{Authentication, GrpcRequest, WorkflowError};
use openclaw_ports::EffectOutcome;
use openclaw_workflow::error;
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions, prost::Message};
use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::schema::Schemas;
use super::{
    exposure::Exposure,
    http::{HttpEffects, parse},
};

/// Calls unary methods.
pub struct GrpcEffects {
    http: Arc<HttpEffects>,
    schemas: Schemas,
}

impl GrpcEffects {
    /// Fetches proto texts and tokens over `http`, and has its limits.
    #[must_use]
    pub fn new(http: Arc<HttpEffects>) -> Self {
        Self { http, schemas: Schemas::default() }
    }

    /// Performs `request`; `recorded` is the text of the proto file if it is not to be fetched. `key` is sent as the
    /// metadata `idempotency-key`. The output is the answer in the JSON form of proto3, with fields that have their
    /// default.
    ///
    /// # Errors
    /// A configuration error for a proto text that does not compile, an unknown service or method, or one that is not
    /// unary; a validation error for arguments that are no such message; a timeout error if time runs out; else a
    /// communication error with the HTTP status that belongs to the answer's status.
    pub async fn perform(
        &self,
        request: &GrpcRequest,
        recorded: Option<&str>,
        key: &str,
        exposure: &mut Exposure<'_>,
        cancel: CancellationToken,
    ) -> EffectOutcome {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(error::runtime("the call was cancelled".into())),
            outcome = self.call(request, recorded, key, exposure) => outcome,
        }
    }

    async fn call(
        &self,
        request: &GrpcRequest,
        recorded: Option<&str>,
        key: &str,
        exposure: &mut Exposure<'_>,
    ) -> EffectOutcome {
        if matches!(request.authentication, Some(Authentication::Digest { .. })) {
            return Err(error::configuration("gRPC has no digest authentication".into()));
        }
        let pool = self.schemas.get(&self.http, &request.proto, recorded, exposure).await?;
        let method = schema::method(&pool, &request.service, &request.method)?;
        let message = message(&method, &request.arguments, exposure)?;
        let url =
            address(request)?.join(&format!("/{}/{}", method.parent_service().full_name(), method.name()));
        let url =
            url.map_err(|problem| error::configuration(format!("the method makes no URL: {problem}")))?;
        let shown = format!("{} of {}", method.full_name(), super::http::shown(&url));

        let authenticator = self.http.authenticator();
        let mut credentials = authenticator.prepare(request.authentication.as_ref(), exposure).await?;
        let mut renewed = false;
        loop {
            let mut metadata = HeaderMap::new();
            if let Ok(key) = HeaderValue::from_str(key) {
                metadata.insert("idempotency-key", key);
            }
            if let Some(value) = credentials.header(authenticator, &Method::POST, &url) {
                metadata.insert(AUTHORIZATION, value);
            }
            let answer = wire::unary(self.http.transport(), &url, metadata, &message, &shown).await?;
            if answer.code == status::UNAUTHENTICATED
                && !renewed
                && credentials.renew(authenticator, exposure).await?
            {
                renewed = true;
                continue;
            }
            status::check(&answer, &shown)?;
            return json(&method, &answer.message, &shown);
        }
    }
}

/// The arguments as bytes of the method's message.
fn message(
    method: &MethodDescriptor,
    arguments: &Value,
    exposure: &mut Exposure<'_>,
) -> Result<Vec<u8>, WorkflowError> {
    let arguments = if arguments.is_null() { &Value::Object(Default::default()) } else { arguments };
    // First without the values of secrets: what is wrong is told with the text that is wrong.
    let read = |arguments: &Value| DynamicMessage::deserialize(method.input(), arguments);
    let invalid = |problem: String| {
        error::validation(format!("the arguments are no {}: {problem}", method.input().full_name()))
    };
    read(arguments).map_err(|problem| invalid(problem.to_string()))?;
    let message = read(&exposure.json(arguments)?).map_err(|_| invalid("a secret does not fit".into()))?;
    Ok(message.encode_to_vec())
}

/// The answer in the JSON form of proto3.
fn json(method: &MethodDescriptor, bytes: &[u8], shown: &str) -> EffectOutcome {
    let wrong = |problem: String| {
        error::communication(
            500,
            format!("{shown} answered with no {}: {problem}", method.output().full_name()),
        )
    };
    let message =
        DynamicMessage::decode(method.output(), bytes).map_err(|problem| wrong(problem.to_string()))?;
    let options = SerializeOptions::new().skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|problem| wrong(problem.to_string()))
}

/// Where the service is. A host may say `http://` (plaintext) or `https://` (TLS); without, the machine itself is
/// spoken to in plaintext and everybody else with TLS, and port 443 always with TLS.
fn address(request: &GrpcRequest) -> Result<Url, WorkflowError> {
    let said = ["http://", "https://"].into_iter().find(|scheme| request.host.starts_with(scheme));
    let host = said.map_or(request.host.as_str(), |scheme| &request.host[scheme.len()..]);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let local =
        bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let scheme = said.unwrap_or(if local && request.port != 443 { "http://" } else { "https://" });
    let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
    let url = parse(&format!("{scheme}{host}:{}/", request.port))?;
    if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
        return Err(error::configuration(format!("{:?} is no host of a service", request.host)));
    }
    Ok(url)
}
