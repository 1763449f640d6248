//! How a call proves who it is (dsl-reference, "Authentication").
//!
//! What comes from a secret is a handle here; its value is put in when the request is sent.

use std::collections::BTreeMap;

use openclaw_model::event::run::{Authentication, Oauth2, WorkflowError};
use serde_json::Value;

use super::{
    super::{Step, data::Place, start::as_text},
    http::expand,
};
use crate::{definition::AuthenticationTemplate, error, expression::Template};

/// Where an OAuth2 authority gives tokens, unless the document says otherwise.
const TOKEN_ENDPOINT: &str = "/oauth2/token";
/// What the assertion of a client is, when it proves itself by a signed token (RFC 7523).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Step<'_> {
    pub(super) fn authentication(
        &self,
        template: Option<&AuthenticationTemplate>,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Option<Authentication>, WorkflowError> {
        template.map(|template| self.prove(template, input, place)).transpose()
    }

    fn prove(
        &self,
        template: &AuthenticationTemplate,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Authentication, WorkflowError> {
        let text = |template: &Template| Ok(as_text(&self.render(template, input, place)?));
        Ok(match template {
            AuthenticationTemplate::Basic { username, password } => {
                Authentication::Basic { username: text(username)?, password: text(password)? }
            }
            AuthenticationTemplate::Digest { username, password } => {
                Authentication::Digest { username: text(username)?, password: text(password)? }
            }
            AuthenticationTemplate::Bearer { token } => Authentication::Bearer { token: text(token)? },
            AuthenticationTemplate::Oauth2 { properties, oidc } => {
                let mut values = self.render(properties, input, place)?;
                if let Some(Value::String(authority)) = literal(properties, "authority") {
                    values["authority"] = Value::from(expand(authority, input)?);
                }
                Authentication::Oauth2(Box::new(oauth2(&values, *oidc)?))
            }
            AuthenticationTemplate::Secret { scheme, name } => {
                let secret = (self.around.secrets)(name).map_err(error::authorization)?;
                from_secret(scheme, name, &secret)?
            }
        })
    }
}

/// A property that is written in the document.
fn literal<'a>(template: &'a Template, name: &str) -> Option<&'a Value> {
    match template {
        Template::Literal(value) => value.get(name),
        Template::Object(entries) => entries.iter().find_map(|(key, template)| match template {
            Template::Literal(value) if key == name => Some(value),
            _ => None,
        }),
        _ => None,
    }
}

/// The properties of a scheme from those of a secret. A secret that is a mere text is a token.
fn from_secret(scheme: &str, name: &str, secret: &Value) -> Result<Authentication, WorkflowError> {
    let field = |field: &str| match secret.get(field) {
        Some(value) if !value.is_null() => Ok(as_text(value)),
        _ => Err(error::authorization(format!("the secret {name:?} has no {field:?}, which {scheme} needs"))),
    };
    Ok(match (scheme, secret) {
        ("bearer", Value::String(token)) => Authentication::Bearer { token: token.clone() },
        ("bearer", _) => Authentication::Bearer { token: field("token")? },
        ("basic", _) => Authentication::Basic { username: field("username")?, password: field("password")? },
        ("digest", _) => {
            Authentication::Digest { username: field("username")?, password: field("password")? }
        }
        _ => Authentication::Oauth2(Box::new(oauth2(secret, scheme == "oidc")?)),
    })
}

/// The token request that the properties of `oauth2` or `oidc` describe.
fn oauth2(properties: &Value, oidc: bool) -> Result<Oauth2, WorkflowError> {
    let text = |pointer: &str| properties.pointer(pointer).filter(|value| !value.is_null()).map(as_text);
    let required = |pointer: &str| {
        text(pointer).ok_or_else(|| {
            let name = pointer[1..].replace('/', ".");
            error::configuration(format!("the authentication needs `{name}`"))
        })
    };
    let texts = |pointer: &str| -> Vec<String> {
        let items = properties.pointer(pointer).and_then(Value::as_array);
        items.into_iter().flatten().map(as_text).collect()
    };
    let mut parameters = BTreeMap::from([("grant_type".to_owned(), required("/grant")?)]);
    let mut set = |name: &str, value: Option<String>| {
        parameters.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
    };
    set("scope", Some(texts("/scopes").join(" ")));
    set("audience", Some(texts("/audiences").join(" ")));
    set("username", text("/username"));
    set("password", text("/password"));
    // The language has no property for the token of this grant.
    if properties.pointer("/grant").is_some_and(|grant| grant == "refresh_token") {
        set("refresh_token", text("/subject/token"));
    } else {
        set("subject_token", text("/subject/token"));
        set("subject_token_type", text("/subject/type"));
    }
    set("actor_token", text("/actor/token"));
    set("actor_token_type", text("/actor/type"));
    let assertion = text("/client/assertion");
    set("client_assertion_type", assertion.as_ref().map(|_| JWT_BEARER.to_owned()));
    set("client_assertion", assertion);
    let endpoint = text("/endpoints/token").unwrap_or_else(|| TOKEN_ENDPOINT.into());
    Ok(Oauth2 {
        authority: required("/authority")?,
        token_endpoint: (!oidc).then_some(endpoint),
        parameters,
        client_id: text("/client/id"),
        client_secret: text("/client/secret"),
        client_authentication: text("/client/authentication").unwrap_or_else(|| "client_secret_post".into()),
        json: text("/request/encoding").is_some_and(|encoding| encoding == "application/json"),
        issuers: texts("/issuers"),
    })
}
