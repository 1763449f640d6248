//! What one job may reach, and with which credentials.

use http::{HeaderName, HeaderValue};
use openclaw_ports::{
    Secrets,
    secrets::{self, Handle, Use},
};
use zeroize::Zeroizing;

use crate::{Destination, Origin, Target};

/// What stands for the credential in a format.
const PLACE: &str = "{}";

/// What one job may reach. Nothing, if there are no permits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Whose job it is.
    pub origin: Origin,
    /// Where its credentials are.
    pub namespace: String,
    /// Key of the effect that the job is.
    pub effect: Option<String>,
    /// The allowlist. The first that has a host counts.
    pub permits: Vec<Permit>,
}

/// An entry of the allowlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Where to. It is compared with the host as the tool writes it.
    pub destination: Destination,
    /// What is put into requests.
    pub injection: Option<Injection>,
}

/// A credential that is put into the requests of a tool, which never sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    credential: String,
    header: HeaderName,
    format: String,
    tls: bool,
}

impl Injection {
    /// Sets the header `header` to `format`, in which `{}` stands for the credential. `credential` is the name of a
    /// secret, with `/field` behind it for one of its fields. With `tls`, the proxy speaks TLS to the server, although the
    /// tool speaks plain HTTP to the proxy.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(credential: &str, header: &str, format: &str, tls: bool) -> Result<Self, String> {
        let name = credential.split('/').next().unwrap_or_default();
        if !secrets::is_name(name) {
            return Err(format!("{credential:?} is no name of a credential"));
        }
        let header: HeaderName =
            header.to_ascii_lowercase().parse().map_err(|_| format!("{header:?} is no name of a header"))?;
        if format.matches(PLACE).count() != 1 || HeaderValue::from_str(format).is_err() {
            return Err(format!("the format {format:?} has to hold {PLACE} once, where the credential goes"));
        }
        Ok(Self { credential: credential.into(), header, format: format.into(), tls })
    }

    /// The name of the credential.
    #[must_use]
    pub fn credential(&self) -> &str {
        &self.credential
    }

    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    pub(super) fn tls(&self) -> bool {
        self.tls
    }

    /// The value of the header, which is printed nowhere. Its use, for a request to `target`, is on record then.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn value(
        &self,
        secrets: &dyn Secrets,
        grant: &Grant,
        target: &Target,
    ) -> Result<HeaderValue, String> {
        let at = self.credential.find('/').unwrap_or(self.credential.len());
        let (name, pointer) = self.credential.split_at(at);
        let handle = Handle { name: name.into(), pointer: pointer.into() };
        let Origin { run, task } = grant.origin;
        let purpose = format!("a request of a tool to {target}");
        let usage = Use { purpose, run, task, effect: grant.effect.clone() };
        let mut opened = secrets.open(&grant.namespace, [handle.clone()].into(), usage).await;
        let revealed = opened.remove(&handle).ok_or_else(|| format!("there is no secret {name}"))?;
        let revealed = revealed.map_err(|error| error.to_string())?;
        let text = Zeroizing::new(self.format.replacen(PLACE, revealed.expose(), 1));
        let value = HeaderValue::from_str(&text);
        let mut value =
            value.map_err(|_| format!("the credential {} cannot be sent in a header", self.credential))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Grant {
    /// The permit for `target`.
    pub(super) fn permit(&self, target: &Target) -> Option<&Permit> {
        self.permits.iter().find(|permit| permit.destination.names(target))
    }
}
