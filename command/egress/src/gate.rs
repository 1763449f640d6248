//! The decision.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    Destination, Error, Origin, Policy, Recorder, Refused, Resolve, SystemResolver, Target, metrics,
};

/// Decides about connections: by the host as it is written, then by each address that it leads to.
#[derive(Clone, Debug)]
pub struct Gate {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolve>,
    recorder: Arc<dyn Recorder>,
}

/// An address that may be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which.
    pub address: SocketAddr,
    /// What allowed it.
    pub rule: String,
}

impl Gate {
    /// Decides by `policy`, and tells `recorder` of what is refused.
    #[must_use]
    pub fn new(policy: Policy, recorder: Arc<dyn Recorder>) -> Self {
        Self { policy: Arc::new(policy), resolver: Arc::new(SystemResolver), recorder }
    }

    /// With another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// A gate that also lets through to what the configuration names elsewhere, see [`Policy::also`].
    #[must_use]
    pub fn also(&self, destination: Destination) -> Self {
        Self { policy: Arc::new(self.policy.also(destination)), ..self.clone() }
    }

    /// The addresses of `target` that may be connected to, of which there is at least one. Those that may not are left
    /// out: a name that leads here and there leads only there.
    ///
    /// Invariant: whoever connects, connects to one of these and looks nothing up again.
    ///
    /// # Errors
    /// [`Error`]; it is not yet recorded.
    pub async fn admit(&self, target: &Target) -> Result<Vec<Admitted>, Error> {
        let refused = |address, reason| Refused { target: target.clone(), address, reason };
        let name = self.policy.name(target).map_err(|reason| refused(target.address(), reason))?;
        let addresses = match target.address() {
            Some(address) => vec![address],
            None => {
                let host = target.host().to_string();
                match self.resolver.resolve(&host).await {
                    Ok(addresses) => addresses,
                    Err(source) => return Err(Error::Unresolved { name: host, source }),
                }
            }
        };
        let (mut admitted, mut refusal) = (Vec::new(), None);
        for address in addresses {
            match self.policy.address(target, address) {
                Ok(rule) => {
                    let rule = rule.or_else(|| name.clone()).unwrap_or_else(|| "public".into());
                    admitted.push(Admitted { address: SocketAddr::new(address, target.port()), rule });
                }
                Err(reason) => refusal = refusal.or(Some(refused(Some(address), reason))),
            }
        }
        match refusal {
            _ if !admitted.is_empty() => Ok(admitted),
            Some(refusal) => Err(refusal.into()),
            None => {
                let source = std::io::Error::other("it has no address");
                Err(Error::Unresolved { name: target.host().to_string(), source })
            }
        }
    }

    /// Decides about a host that is an address; of a name it says only whether it may be looked up.
    ///
    /// # Errors
    /// [`Refused`]; it is not yet recorded.
    pub fn check(&self, target: &Target) -> Result<(), Refused> {
        let address = target.address();
        let decided = self.policy.name(target).and_then(|_| match address {
            Some(address) => self.policy.address(target, address).map(drop),
            None => Ok(()),
        });
        decided.map_err(|reason| Refused { target: target.clone(), address, reason })
    }

    /// Records that the server itself, or `by` a tool, was refused a connection. What cannot be recorded is logged and
    /// counted: the connection was refused all the same.
    pub async fn denied(&self, by: &'static str, origin: Origin, refused: &Refused) {
        metrics::denied(by, refused.code());
        if let Err(problem) = self.recorder.denied(origin, refused).await {
            metrics::unrecorded();
            tracing::warn!(%refused, problem, "a refused connection could not be recorded");
        }
    }

    pub(crate) fn recorder(&self) -> &dyn Recorder {
        &*self.recorder
    }
}
