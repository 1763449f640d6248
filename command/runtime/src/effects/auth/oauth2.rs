//! Fetching a token (RFC 6749, RFC 8693, OpenID Connect Discovery).

use std::time::Duration;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openclaw_model::event::run::{Oauth2, WorkflowError};
use openclaw_workflow::error;
use percent_encoding::utf8_percent_encode;
use reqwest::{
    Method, Request, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{bearer, secret, tokens::Token};
use crate::effects::{
    exposure::{Exposure, RESERVED},
    http::{Transport, parse},
};

const DISCOVERY: &str = "/.well-known/openid-configuration";
/// RFC 7523 section 2.2.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longest life that is believed, so that times can be added.
const LONGEST: u64 = 365 * 24 * 3600;

/// Gets a new token from the server.
///
/// # Errors
/// An authentication error if the server gives none out, or one of an issuer that is not allowed; a configuration error
/// for what cannot be asked; else what went wrong on the way.
pub(super) async fn fetch(
    transport: &Transport,
    grant: &Oauth2,
    exposure: &mut Exposure<'_>,
) -> Result<Token, WorkflowError> {
    // All of it may come from a secret.
    let plain = |text: &str, exposure: &mut Exposure<'_>| exposure.text(text).map(|text| text.to_string());
    let grant = &Oauth2 {
        authority: plain(&grant.authority, exposure)?,
        token_endpoint: grant.token_endpoint.as_deref().map(|path| plain(path, exposure)).transpose()?,
        client_authentication: plain(&grant.client_authentication, exposure)?,
        issuers: grant.issuers.iter().map(|issuer| plain(issuer, exposure)).collect::<Result<_, _>>()?,
        ..grant.clone()
    };
    let endpoint = endpoint(transport, grant).await?;
    let (request, shown) = request(&endpoint, grant, exposure)?;
    let answer = transport.exchange(request, &shown).await?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if !answer.status.is_success() {
        // RFC 6749 section 5.2. Nothing else of the answer is repeated: it may hold what was sent.
        let text = |name| body.get(name).and_then(Value::as_str).map(|text| format!(": {text}"));
        let reason = [text("error"), text("error_description")].into_iter().flatten().collect::<String>();
        let detail = exposure.concealed(&format!("{shown} answered {}{reason}", answer.status));
        return Err(if answer.status.is_server_error() {
            error::communication(answer.status.as_u16(), detail)
        } else {
            error::authentication(detail)
        });
    }
    let token = body
        .get("access_token")
        .and_then(Value::as_str)
        .ok_or_else(|| error::authentication(format!("{shown} answered without an access_token")))?;
    check_issuer(grant, token, &shown)?;
    let lives = match body.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        // Some servers write it as text.
        Some(Value::String(seconds)) => seconds.parse().ok(),
        _ => None,
    };
    let lives = lives.map(|seconds| Duration::from_secs(seconds.min(LONGEST)));
    Ok(Token { value: bearer(token)?, lives })
}

/// Where tokens are given out.
async fn endpoint(transport: &Transport, grant: &Oauth2) -> Result<Url, WorkflowError> {
    let authority = grant.authority.trim_end_matches('/');
    match &grant.token_endpoint {
        Some(path) if path.starts_with("http://") || path.starts_with("https://") => parse(path),
        Some(path) => parse(&format!("{authority}/{}", path.trim_start_matches('/'))),
        None => discover(transport, grant, authority).await,
    }
}

async fn discover(transport: &Transport, grant: &Oauth2, authority: &str) -> Result<Url, WorkflowError> {
    let suffix = if authority.contains("/.well-known/") { "" } else { DISCOVERY };
    let url = parse(&format!("{authority}{suffix}"))?;
    let shown = format!("GET {}", crate::effects::http::shown(&url));
    let mut request = Request::new(Method::GET, url);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = transport.exchange(request, &shown).await?;
    if !answer.status.is_success() {
        return Err(error::communication(
            answer.status.as_u16(),
            format!("{shown} answered {}", answer.status),
        ));
    }
    let found: Value = serde_json::from_slice(&answer.body)
        .map_err(|problem| error::communication(500, format!("{shown} gave no JSON: {problem}")))?;
    let text = |name| found.get(name).and_then(Value::as_str);
    if let (false, Some(issuer)) = (grant.issuers.is_empty(), text("issuer"))
        && !grant.issuers.iter().any(|allowed| allowed == issuer)
    {
        return Err(error::authentication(format!(
            "{shown} is of the issuer {issuer:?}, which is not allowed"
        )));
    }
    let endpoint = text("token_endpoint")
        .ok_or_else(|| error::communication(500, format!("{shown} names no token_endpoint")))?;
    parse(endpoint)
}

fn request(
    endpoint: &Url,
    grant: &Oauth2,
    exposure: &mut Exposure<'_>,
) -> Result<(Request, String), WorkflowError> {
    let mut fields: Vec<(&str, Zeroizing<String>)> = Vec::new();
    for (name, value) in &grant.parameters {
        fields.push((name, exposure.text(value)?));
    }
    let id = grant.client_id.as_deref().map(|id| exposure.text(id)).transpose()?;
    let password = grant.client_secret.as_deref().map(|secret| exposure.text(secret)).transpose()?;
    let mut authorization = None;
    match grant.client_authentication.as_str() {
        "client_secret_basic" => {
            let id = id.ok_or_else(|| missing("id"))?;
            let password = password.ok_or_else(|| missing("secret"))?;
            // Both are encoded before they are joined (RFC 6749 section 2.3.1).
            let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
            let pair = Zeroizing::new(format!("{}:{}", encoded(&id), encoded(&password)));
            authorization = Some(secret(&Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair))))?);
        }
        "client_secret_post" => {
            fields.push(("client_id", id.ok_or_else(|| missing("id"))?));
            // A client without a secret is told by its id alone.
            fields.extend(password.map(|password| ("client_secret", password)));
        }
        "none" => fields.extend(id.map(|id| ("client_id", id))),
        // The document brings the signed assertion; nothing is signed here.
        "private_key_jwt" | "client_secret_jwt" if grant.parameters.contains_key("client_assertion") => {
            fields.extend(id.map(|id| ("client_id", id)));
            if !grant.parameters.contains_key("client_assertion_type") {
                fields.push(("client_assertion_type", Zeroizing::new(ASSERTION.into())));
            }
        }
        other => {
            return Err(error::configuration(format!(
                "the client authentication {other:?} is not carried out without an assertion; use client_secret_basic, client_secret_post or none"
            )));
        }
    }
    let shown = format!("POST {}", crate::effects::http::shown(endpoint));
    let (form, body) = if grant.json {
        let object: Map<String, Value> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        ("application/json", Value::Object(object).to_string())
    } else {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                format!("{}={}", utf8_percent_encode(name, RESERVED), utf8_percent_encode(value, RESERVED))
            })
            .collect();
        ("application/x-www-form-urlencoded", pairs.join("&"))
    };
    let mut request = Request::new(Method::POST, endpoint.clone());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value);
    }
    *request.body_mut() = Some(body.into());
    Ok((request, shown))
}

fn missing(what: &str) -> WorkflowError {
    error::configuration(format!("the client authentication needs client.{what}"))
}

/// Refuses a token of an issuer that is not allowed. Its signature is not verified: it came from the authority itself.
fn check_issuer(grant: &Oauth2, token: &str, shown: &str) -> Result<(), WorkflowError> {
    if grant.issuers.is_empty() {
        return Ok(());
    }
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let issuer = claims.as_ref().and_then(|claims| claims.get("iss")).and_then(Value::as_str);
    match issuer {
        Some(issuer) if grant.issuers.iter().any(|allowed| allowed == issuer) => Ok(()),
        Some(issuer) => Err(error::authentication(format!(
            "{shown} gave a token of the issuer {issuer:?}, which is not allowed"
        ))),
        None => Err(error::authentication(format!(
            "{shown} gave a token that does not name its issuer, so that it cannot be checked"
        ))),
    }
}
