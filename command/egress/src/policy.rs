//! What the server's configuration says about connections.

use std::net::IpAddr;

use crate::{Class, Destination, Malformed, Reason, Target, class};

/// The rules that hold for every connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    allow_private: Vec<Destination>,
    allow: Vec<Destination>,
    deny: Vec<Destination>,
}

impl Policy {
    /// `allow_private` are the only destinations that may be at addresses that are not public. If `allow` is not empty,
    /// nothing else is reached. `deny` is not reached at all, and comes before both.
    ///
    /// # Errors
    /// If `allow_private` would switch the rule off for every host.
    pub fn new(
        allow_private: Vec<Destination>,
        allow: Vec<Destination>,
        deny: Vec<Destination>,
    ) -> Result<Self, Malformed> {
        match allow_private.iter().find(|destination| destination.is_everywhere()) {
            Some(everywhere) => Err(Malformed::new(
                &everywhere.to_string(),
                "every private address at once cannot be allowed; name hosts or networks",
            )),
            None => Ok(Self { allow_private, allow, deny }),
        }
    }

    /// The same, with one more destination that may be private and that `allow` need not have: one that the
    /// configuration names elsewhere, for example the address of a model's provider.
    #[must_use]
    pub fn also(&self, destination: Destination) -> Self {
        let mut policy = self.clone();
        if !policy.allow.is_empty() {
            policy.allow.push(destination.clone());
        }
        policy.allow_private.push(destination);
        policy
    }

    /// Whether `target` may be reached, as far as this can be said of a host as it is written. A name that may not is
    /// not even looked up. The rule that let it pass.
    pub(crate) fn name(&self, target: &Target) -> Result<Option<String>, Reason> {
        if let Some(rule) = self.deny.iter().find(|rule| rule.names(target)) {
            return Err(Reason::Denied(rule.clone()));
        }
        if self.allow.is_empty() {
            return Ok(None);
        }
        let rule = self.allow.iter().find(|rule| rule.names(target)).ok_or(Reason::NotAllowed)?;
        Ok(Some(format!("egress.allow {rule}")))
    }

    /// Whether `target` may be reached at `address`, which its name led to. The rule that let a private one pass.
    pub(crate) fn address(&self, target: &Target, address: IpAddr) -> Result<Option<String>, Reason> {
        let port = target.port();
        if let Some(rule) = self.deny.iter().find(|rule| rule.has(address, port)) {
            return Err(Reason::Denied(rule.clone()));
        }
        match class(address) {
            Class::Public => Ok(None),
            class => self
                .allow_private
                .iter()
                .find(|rule| rule.names(target) || rule.has(address, port))
                .map(|rule| Some(format!("egress.allow_private {rule}")))
                .ok_or(Reason::Private(class)),
        }
    }
}
