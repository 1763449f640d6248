//! The shell around the application: who may come in, how long they may take, what is said about it.
//!
//! From the outside in: security headers and metrics, `Host` and `Origin`, time for the body, what strangers may do,
//! the gate, room for the body, the application. Invariant: everything but the probes and the login is behind the gate;
//! a route that is added to the application cannot be outside of it.

mod admission;
mod allowance;
mod answer;
mod auth;
mod body;
mod connection;
mod cookie;
mod login;
mod observe;
mod peer;
mod places;
mod probes;
mod rate;
mod serve;
#[cfg(test)]
mod tests;
pub(crate) mod tls;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router, middleware,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;

pub(crate) use admission::Names;
pub(crate) use allowance::{Allowance, Allowances};
pub(crate) use auth::Gate;
pub(crate) use peer::{Attempts, Strangers};
pub(crate) use serve::{Drained, Times, serve};
pub(crate) use tls::Tls;

/// Says why the application is not ready; nothing if it is.
pub(crate) type Readiness = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the shell is made of.
#[derive(Clone)]
pub(crate) struct Shell {
    /// Who may come in.
    pub(crate) gate: Gate,
    /// The names that it answers to.
    pub(crate) names: Arc<Names>,
    /// What strangers have tried.
    pub(crate) attempts: Attempts,
    /// Bytes of all bodies together, and of the largest one.
    pub(crate) bodies: (usize, usize),
    /// Time for the body of a request.
    pub(crate) body_time: std::time::Duration,
    /// What `/metrics` shows.
    pub(crate) metrics: Option<PrometheusHandle>,
    /// What `/readyz` asks.
    pub(crate) readiness: Readiness,
    /// Set when a stop begins.
    pub(crate) stopping: Arc<AtomicBool>,
}

impl Shell {
    /// Puts the shell around `application`.
    pub(crate) fn around(self, application: Router) -> Router {
        let inside = application
            .route("/metrics", get(probes::metrics))
            .route("/logout", post(login::log_out))
            .route("/session", get(login::who))
            .fallback(answer::not_found)
            .method_not_allowed_fallback(answer::method_not_allowed)
            .with_state(())
            .layer(middleware::from_fn_with_state(
                body::Room::new(self.bodies.0, self.bodies.1),
                body::limit_room,
            ))
            .layer(middleware::from_fn_with_state(self.gate.clone(), auth::require));
        Router::new()
            .route("/livez", get(probes::livez))
            .route("/readyz", get(probes::readyz))
            .route("/login", post(login::log_in).fallback(answer::method_not_allowed))
            .merge(inside)
            .layer(middleware::from_fn_with_state(self.attempts.clone(), peer::watch))
            .layer(middleware::from_fn_with_state(self.body_time, body::limit_time))
            .layer(middleware::from_fn_with_state(Arc::clone(&self.names), admission::check))
            .layer(middleware::from_fn(observe::observe))
            .layer(axum::Extension(self))
    }

    /// Why it is not ready; nothing if it is.
    fn reasons(&self) -> Vec<String> {
        if self.stopping.load(Ordering::Acquire) {
            return vec!["the server is stopping".to_owned()];
        }
        (self.readiness)()
    }
}
