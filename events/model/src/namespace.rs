//! Which namespace a thing belongs to. It is part of the thing's id, or of its first event, and never changes.
//!
//! Sessions, webhooks and published events of the namespace [`DEFAULT`] have plain names; those of another have its name
//! in front: `@team-a/orders`. Workflows, schedules, credentials and policies are named `namespace/name` anyway. A run is
//! where its workflow is, an approval and the connections of a run where the run is.

use alloc::{borrow::ToOwned, format, string::String};

use crate::{
    Event, RunId, StreamId, StreamKind,
    access::is_namespace,
    event::{ApprovalEvent, RunEvent},
};

/// The namespace of what is put into none.
pub const DEFAULT: &str = "default";

/// Where the namespace of a stream is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// It is this one.
    Namespace(String),
    /// It is that of this run.
    Run(RunId),
    /// The first event of the stream tells; see [`of_first`].
    First,
    /// It belongs to none, and is for those who may look everywhere.
    Nowhere,
}

/// The name of `name` in `namespace`, as ids and streams have it.
#[must_use]
pub fn qualify(namespace: &str, name: &str) -> String {
    if namespace == DEFAULT { name.to_owned() } else { format!("@{namespace}/{name}") }
}

/// The namespace of a name that [`qualify`] made, and the name without it. The first is none where the name has none in
/// front, so that it belongs to [`DEFAULT`].
#[must_use]
pub fn split(name: &str) -> (Option<&str>, &str) {
    let parts = name.strip_prefix('@').and_then(|rest| rest.split_once('/'));
    match parts.filter(|(namespace, rest)| is_namespace(namespace) && !rest.is_empty()) {
        Some((namespace, rest)) => (Some(namespace), rest),
        None => (None, name),
    }
}

/// The namespace that a name of [`qualify`] belongs to.
#[must_use]
pub fn of_name(name: &str) -> &str {
    split(name).0.unwrap_or(DEFAULT)
}

impl StreamId {
    /// Where the namespace of the stream is found.
    #[must_use]
    pub fn home(&self) -> Home {
        let first_part = || self.name().split('/').next().unwrap_or_default();
        match self.kind() {
            StreamKind::Run | StreamKind::Approval => Home::First,
            StreamKind::Session | StreamKind::Webhook | StreamKind::Event => {
                Home::Namespace(of_name(self.name()).to_owned())
            }
            StreamKind::Workflow | StreamKind::Schedule | StreamKind::Credential => {
                Home::Namespace(first_part().to_owned())
            }
            // The policy of `*` counts everywhere.
            StreamKind::Policy if is_namespace(self.name()) => Home::Namespace(self.name().to_owned()),
            // Those of the server itself have no run.
            StreamKind::Egress => self.name().parse().map_or(Home::Nowhere, Home::Run),
            StreamKind::Policy
            | StreamKind::Token
            | StreamKind::User
            | StreamKind::Vault
            | StreamKind::Audit => Home::Nowhere,
        }
    }
}

/// Where the namespace of a stream is found that begins with `event`, for [`Home::First`].
#[must_use]
pub fn of_first(event: &Event) -> Home {
    match event {
        Event::Run(RunEvent::Started(started)) => Home::Namespace(started.workflow.namespace.clone()),
        Event::Approval(ApprovalEvent::Requested(requested)) => Home::Run(requested.task.run),
        _ => Home::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_namespace_round_trip_and_plain_names_are_of_the_default() {
        for (namespace, name) in [("default", "s"), ("team-a", "agent:a/b"), ("x", "@y/z")] {
            let whole = qualify(namespace, name);
            assert_eq!(of_name(&whole), namespace, "{whole}");
        }
        assert_eq!(split("@team-a/agent:a/b"), (Some("team-a"), "agent:a/b"));
        for plain in ["@", "@/x", "@a", "@a/", "@A/x", "a@b/c", "@-a/x", "team/orders"] {
            assert_eq!(split(plain), (None, plain));
        }
    }

    #[test]
    fn every_kind_of_stream_has_its_home() {
        let of = |text: &str| text.parse::<StreamId>().expect("it is a stream").home();
        let namespace = |name: &str| Home::Namespace(name.to_owned());
        let run = "0192f0c1-0000-7000-8000-000000000001";
        assert_eq!(of("run/x"), Home::First);
        assert_eq!(of("approval/x"), Home::First);
        assert_eq!(of("session/@a/s"), namespace("a"));
        assert_eq!(of("session/s"), namespace("default"));
        assert_eq!(of("webhook/orders"), namespace("default"));
        assert_eq!(of("event/@b/00ff"), namespace("b"));
        assert_eq!(of("workflow/a/w"), namespace("a"));
        assert_eq!(of("schedule/b/w"), namespace("b"));
        assert_eq!(of("credential/a/key/part"), namespace("a"));
        assert_eq!(of("policy/a"), namespace("a"));
        assert_eq!(of("policy/*"), Home::Nowhere);
        assert_eq!(of(&format!("egress/{run}")), Home::Run(run.parse().expect("it is an id")));
        for nowhere in ["egress/server", "token/t", "user/u", "vault/main", "audit/main"] {
            assert_eq!(of(nowhere), Home::Nowhere, "{nowhere}");
        }
    }
}
