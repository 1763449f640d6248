//! `system.health` and `system.version`.

use openclaw_log::{EventLog, Health};

use super::Service;
use crate::rpc::methods::system::{HealthReport, HealthStatus, VersionReport};

impl<L: EventLog> Service<L> {
    pub(super) fn health(&self) -> HealthReport {
        let (status, reasons) = match self.sequencer.health() {
            Health::Writable => (HealthStatus::Ok, Vec::new()),
            Health::ReadOnly(reason) => {
                (HealthStatus::ReadOnly, vec![format!("OC-LOG-002: the log is read-only: {reason}")])
            }
        };
        HealthReport { status, reasons, position: self.log.head().position, projected: (self.projected)() }
    }
}

pub(super) fn version() -> VersionReport {
    VersionReport {
        name: "openclaw".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        dsl: "1.0.3".into(),
    }
}
