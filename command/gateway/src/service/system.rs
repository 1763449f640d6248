//! `system.health` and `system.version`.

use openclaw_log::{EventLog, Health};

use super::Service;
use crate::rpc::methods::system::{HealthReport, HealthStatus, VersionReport};

impl<L: EventLog> Service<L> {
    pub(super) fn health(&self) -> HealthReport {
        let shown = (self.shown)();
        let mut reasons = Vec::new();
        let mut status = HealthStatus::Ok;
        if let Some(failure) = shown.failure {
            status = HealthStatus::Degraded;
            reasons.push(failure);
        }
        if let Health::ReadOnly(reason) = self.sequencer.health() {
            status = HealthStatus::ReadOnly;
            reasons.push(format!("OC-LOG-002: the log is read-only: {reason}"));
        }
        HealthReport { status, reasons, position: self.log.head().position, projected: shown.position }
    }
}

pub(super) fn version() -> VersionReport {
    VersionReport { name: "openclaw".into(), version: env!("CARGO_PKG_VERSION").into(), dsl: "1.0.3".into() }
}
