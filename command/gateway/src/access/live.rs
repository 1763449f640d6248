//! Sockets that are open: each ends when what its caller proved itself with counts no more.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use openclaw_model::Digest;
use tokio_util::sync::CancellationToken;

/// What somebody proved who they are with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The token of the data directory; it counts as long as the server runs.
    Bootstrap,
    /// A token of this name.
    Token(String),
    /// The cookie of a session.
    Session {
        /// Whose.
        user: String,
        /// Hash of the cookie.
        session: Digest,
    },
}

/// Fires when a proof counts no more.
#[derive(Clone, Debug)]
pub struct Validity(Arc<CancellationToken>);

impl Validity {
    /// Of what always counts.
    #[must_use]
    pub fn endless() -> Self {
        Self(Arc::new(CancellationToken::new()))
    }

    pub(super) fn over() -> Self {
        let validity = Self::endless();
        validity.0.cancel();
        validity
    }

    /// Waits until the proof counts no more.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// For whoever cannot name this type.
    #[must_use]
    pub fn token(&self) -> Arc<CancellationToken> {
        self.0.clone()
    }
}

/// The proofs of open sockets. Those of closed ones go with [`Live::sweep`].
#[derive(Debug, Default)]
pub(super) struct Live(HashMap<Proof, Weak<CancellationToken>>);

impl Live {
    pub(super) fn watch(&mut self, proof: &Proof) -> Validity {
        if let Some(known) = self.0.get(proof).and_then(Weak::upgrade) {
            return Validity(known);
        }
        let validity = Validity::endless();
        self.0.insert(proof.clone(), Arc::downgrade(&validity.0));
        validity
    }

    pub(super) fn end(&mut self, proof: &Proof) {
        if let Some(token) = self.0.remove(proof).and_then(|token| token.upgrade()) {
            token.cancel();
        }
    }

    /// Ends those that do not count, and forgets those that nobody holds.
    pub(super) fn sweep(&mut self, counts: impl Fn(&Proof) -> bool) {
        self.0.retain(|proof, token| match token.upgrade() {
            None => false,
            Some(_) if counts(proof) => true,
            Some(token) => {
                token.cancel();
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_holders_of_a_proof_are_told_and_nobody_else() {
        let mut live = Live::default();
        let (a, b) = (Proof::Token("a".into()), Proof::Token("b".into()));
        let (one, two, other) = (live.watch(&a), live.watch(&a), live.watch(&b));
        live.end(&a);
        assert!(one.0.is_cancelled() && two.0.is_cancelled() && !other.0.is_cancelled());
        assert!(!live.watch(&a).0.is_cancelled(), "a socket that is opened later stands for itself");
        live.sweep(|proof| *proof == a);
        assert!(other.0.is_cancelled());
        drop(other);
        live.sweep(|_| true);
        assert_eq!(live.0.len(), 0, "nobody holds any");
    }
}
