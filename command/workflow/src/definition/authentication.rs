//! `authentication`: how a call proves who it is (dsl-reference, "Authentication").

use serde_json::Value;

use super::{
    calls::AuthenticationTemplate,
    problem::code,
    reader::{Fields, Node, Reader},
};
use crate::expression::Template;

const SCHEMES: [&str; 6] = ["basic", "bearer", "certificate", "digest", "oauth2", "oidc"];
const GRANTS: [&str; 5] = [
    "authorization_code",
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];
const METHODS: [&str; 5] =
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"];

/// A policy in place, or the one of `use.authentications` that it names.
pub(super) fn read<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<AuthenticationTemplate> {
    if node.value.is_string() {
        let definition = reader.definition_of(node, "authentications")?;
        return policy(reader, &definition);
    }
    let Some(value) = node.value.get("use") else { return policy(reader, node) };
    reader.object(node, &["use"])?;
    let name = node.child("use", value);
    reader.text(&name)?;
    let definition = reader.definition_of(&name, "authentications")?;
    policy(reader, &definition)
}

/// The definition of a policy.
pub(super) fn policy<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<AuthenticationTemplate> {
    let fields = reader.object(node, &SCHEMES)?;
    let mut found = SCHEMES.iter().filter_map(|name| fields.get(name).map(|node| (*name, node)));
    let (Some((scheme, properties)), None) = (found.next(), found.next()) else {
        reader.report(code::BAD_VALUE, &node.path, format!("give one of {}", SCHEMES.join(", ")));
        return None;
    };
    if scheme == "certificate" {
        reader.unsupported(&properties.path, "authentication by certificate");
        return None;
    }
    if let Some(value) = properties.value.get("use") {
        reader.object(&properties, &["use"])?;
        let node = properties.child("use", value);
        let name = reader.text(&node)?;
        reader.secret(name, &node.path)?;
        return Some(AuthenticationTemplate::Secret { scheme: scheme.into(), name: name.into() });
    }
    match scheme {
        "bearer" => {
            let fields = reader.object(&properties, &["token"])?;
            Some(AuthenticationTemplate::Bearer { token: required(reader, &fields, "token")? })
        }
        "basic" | "digest" => {
            let fields = reader.object(&properties, &["username", "password"])?;
            let username = required(reader, &fields, "username");
            let password = required(reader, &fields, "password");
            let (username, password) = (username?, password?);
            Some(if scheme == "basic" {
                AuthenticationTemplate::Basic { username, password }
            } else {
                AuthenticationTemplate::Digest { username, password }
            })
        }
        _ => oauth2(reader, &properties, scheme == "oidc"),
    }
}

fn required<'d>(reader: &mut Reader<'d>, fields: &Fields<'d>, name: &str) -> Option<Template> {
    reader.required(fields, name).and_then(|node| reader.scalar_template(&node))
}

/// The properties of `oauth2` and `oidc`, each checked, and then taken as a whole.
fn oauth2<'d>(reader: &mut Reader<'d>, node: &Node<'d>, oidc: bool) -> Option<AuthenticationTemplate> {
    let known = [
        "authority",
        "grant",
        "client",
        "request",
        "issuers",
        "scopes",
        "audiences",
        "username",
        "password",
        "subject",
        "actor",
        "endpoints",
    ];
    let fields = reader.object(node, if oidc { &known[..11] } else { &known })?;
    let mut good = required(reader, &fields, "authority").is_some();
    let grant = reader.required(&fields, "grant");
    good &= grant.as_ref().is_some_and(|node| word(reader, node, &GRANTS).is_some());
    if let Some(grant) = &grant
        && grant.value == "authorization_code"
    {
        reader.unsupported(&grant.path, "the grant `authorization_code`, which needs a browser,");
        good = false;
    }
    good &= optional_texts(reader, fields.get("endpoints"), &["token", "revocation", "introspection"]);
    good &= optional_texts(reader, fields.get("client"), &["id", "secret", "assertion", "authentication"]);
    good &= optional_texts(reader, fields.get("subject"), &["token", "type"]);
    good &= optional_texts(reader, fields.get("actor"), &["token", "type"]);
    good &= optional_texts(reader, fields.get("request"), &["encoding"]);
    good &= words(reader, &fields);
    for name in ["username", "password"] {
        good &= reader.optional(fields.get(name), Reader::scalar_template).is_some();
    }
    for name in ["issuers", "scopes", "audiences"] {
        good &= reader.optional(fields.get(name), super::process::arguments).is_some();
    }
    let properties = reader.template(node)?;
    good.then_some(AuthenticationTemplate::Oauth2 { properties, oidc })
}

/// Properties that are one of a few words, unless they are computed.
fn words<'d>(reader: &mut Reader<'d>, fields: &Fields<'d>) -> bool {
    let encodings = ["application/x-www-form-urlencoded", "application/json"];
    let below = |name: &str, field: &str| {
        let node = fields.get(name)?;
        node.value.get(field).map(|value| node.child(field, value))
    };
    let encoding = below("request", "encoding");
    let method = below("client", "authentication");
    let mut good = encoding.is_none_or(|node| word(reader, &node, &encodings).is_some());
    if let Some(node) = method {
        good &= word(reader, &node, &METHODS).is_some();
        if node.value == "client_secret_jwt" {
            reader.unsupported(&node.path, "`client_secret_jwt`");
            good = false;
        }
    }
    good
}

fn word<'d>(reader: &mut Reader<'d>, node: &Node<'d>, words: &[&'static str]) -> Option<()> {
    if node.value.as_str().is_some_and(|text| text.contains("${")) {
        return Some(());
    }
    let words: Vec<(&str, ())> = words.iter().map(|word| (*word, ())).collect();
    reader.word(node, &words)
}

fn optional_texts<'d>(reader: &mut Reader<'d>, node: Option<Node<'d>>, known: &[&str]) -> bool {
    let Some(node) = node else { return true };
    let Some(fields) = reader.object(&node, known) else { return false };
    let mut good = true;
    for name in known {
        match fields.get(name) {
            Some(field) if !matches!(field.value, Value::String(_)) => {
                reader.wrong_type(&field, "a text");
                good = false;
            }
            _ => {}
        }
    }
    good
}
