//! `webhook.register`, `webhook.remove`, `webhook.redrive` and `webhook.drop`.

use std::collections::BTreeMap;

use openclaw_model::{Position, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, EXAMPLE_POSITION, bounded, change_errors, guarded, namespaced};
use crate::rpc::{
    context::{ExpectedVersion, IdempotencyKey},
    error::{Error, Kind},
};

/// Headers that a delivery has anyway.
const OURS: [&str; 5] = ["content-type", "content-length", "host", "transfer-encoding", "connection"];

/// Delivers events from here on to a receiver outside, each at least once, signed as the Standard Webhooks say.
/// Registering again under the same name changes how events are delivered, and leaves none out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    /// Name of the webhook.
    pub name: String,
    /// Where events are POSTed.
    pub url: String,
    /// Types of CloudEvents to deliver; `*` at the end stands for any rest. `io.serverlessworkflow.*` is everything
    /// that runs do.
    pub types: Vec<String>,
    /// Name of the secret that signs deliveries.
    pub secret: String,
    /// Headers that go along. They stand in the log; put no secrets there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// See [`IdempotencyKey`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Expected version of the webhook's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<ExpectedVersion>,
    /// The namespace it belongs to, whose events it is told of; without it the only one of the caller, or else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// A command about a webhook was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookAccepted")]
pub struct Accepted {
    /// Name of the webhook.
    pub name: String,
    /// Log position of the command's last event.
    #[schemars(with = "u64")]
    pub position: Position,
    /// Version of the webhook's stream after the command.
    #[schemars(with = "u64")]
    pub stream_version: Version,
}

impl Call for Register {
    const NAME: &'static str = "webhook.register";
    const SUMMARY: &'static str = "Delivers events from here on to a receiver outside.";
    const ERRORS: &'static [Kind] = change_errors!();
    type Answer = Accepted;

    guarded!();

    fn check(&self) -> Result<(), Error> {
        named(&self.name)?;
        namespaced(self.namespace.as_deref())?;
        bounded("url", &self.url, 2_048)?;
        let uri: http::Uri = self.url.parse().map_err(|_| Error::invalid("url", "is no URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(Error::invalid("url", "is no http or https URL"));
        }
        if !(1..=64).contains(&self.types.len()) {
            return Err(Error::invalid("types", "has to have 1 to 64 entries"));
        }
        for wanted in &self.types {
            bounded("types", wanted, 256)?;
            if wanted.trim_end_matches('*').len() + 1 < wanted.len()
                || wanted.trim_end_matches('*').contains('*')
            {
                return Err(Error::invalid("types", "may have one `*`, at the end"));
            }
        }
        bounded("secret", &self.secret, 128)?;
        if self.headers.len() > 32 {
            return Err(Error::invalid("headers", "has more than 32 entries"));
        }
        for (name, value) in &self.headers {
            let known = http::HeaderName::try_from(name.as_str())
                .map_err(|_| Error::invalid("headers", format!("{name:?} is no header name")))?;
            if OURS.contains(&known.as_str()) || known.as_str().starts_with("webhook-") {
                return Err(Error::invalid("headers", format!("{name:?} is set by the server")));
            }
            if value.len() > 1_024 || http::HeaderValue::try_from(value.as_str()).is_err() {
                return Err(Error::invalid("headers", format!("the value of {name:?} is none")));
            }
        }
        Ok(())
    }

    fn example() -> (Self, Accepted) {
        let call = Self {
            name: "orders".into(),
            url: "https://example.com/hooks/orders".into(),
            types: vec!["io.serverlessworkflow.workflow.faulted.v1".into(), "com.example.order.*".into()],
            secret: "orders-hook".into(),
            headers: BTreeMap::from([("X-Source".into(), "openclaw".into())]),
            idempotency_key: None,
            expected_version: None,
            namespace: None,
        };
        (call, accepted(1))
    }
}

/// Parameters of a command that has a webhook and perhaps positions of dead letters.
macro_rules! about_a_webhook {
    ($(#[$doc:meta])* $name:ident = $method:literal, $summary:literal, $least:literal { $($(#[$field_doc:meta])* $field:ident)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Name of the webhook.
            pub name: String,
            $(
                $(#[$field_doc])*
                #[schemars(with = "Vec<u64>")]
                pub $field: Vec<Position>,
            )?
            /// See [`IdempotencyKey`].
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub idempotency_key: Option<IdempotencyKey>,
            /// Expected version of the webhook's stream.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub expected_version: Option<ExpectedVersion>,
            /// The namespace it belongs to; without it the only one of the caller, or else `default`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(length(min = 1, max = 63))]
            pub namespace: Option<String>,
        }

        impl Call for $name {
            const NAME: &'static str = $method;
            const SUMMARY: &'static str = $summary;
            const ERRORS: &'static [Kind] = change_errors!(REJECTED);
            type Answer = Accepted;

            guarded!();

            fn check(&self) -> Result<(), Error> {
                named(&self.name)?;
                namespaced(self.namespace.as_deref())?;
                $(
                    if !($least..=1_000).contains(&self.$field.len()) {
                        let reason = concat!("has to have ", $least, " to 1000 entries");
                        return Err(Error::invalid(stringify!($field), reason));
                    }
                )?
                Ok(())
            }

            fn example() -> (Self, Accepted) {
                let call = Self {
                    name: "orders".into(),
                    $($field: vec![Position(17)],)?
                    idempotency_key: None,
                    expected_version: None,
                    namespace: None,
                };
                (call, accepted(4))
            }
        }
    };
}

about_a_webhook! {
    /// Delivers no more events to a webhook, not even those on their way. Its dead letters are forgotten.
    Remove = "webhook.remove", "Delivers no more events to a receiver outside.", 0 {}
}

about_a_webhook! {
    /// Tries events again that could not be delivered. They come after younger ones that were.
    Redrive = "webhook.redrive", "Tries events again that could not be delivered.", 0 {
        /// Log positions of the dead letters; all of them if empty or not given.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        positions
    }
}

about_a_webhook! {
    /// Gives events up for good that could not be delivered.
    Drop = "webhook.drop", "Gives events up for good that could not be delivered.", 1 {
        /// Log positions of the dead letters.
        positions
    }
}

fn named(name: &str) -> Result<(), Error> {
    bounded("name", name, 128)?;
    if name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "has control characters"));
    }
    Ok(())
}

fn accepted(version: u64) -> Accepted {
    Accepted { name: "orders".into(), position: EXAMPLE_POSITION, stream_version: Version(version) }
}
