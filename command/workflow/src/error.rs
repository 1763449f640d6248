//! Errors in the form of the specification, with its standard types (dsl-reference, "Standard Error Types").

pub use openclaw_core::run::CANCELLED;
use openclaw_model::event::run::WorkflowError;

pub(crate) const TYPES: &str = "https://serverlessworkflow.io/spec/1.0.0/errors/";

fn standard(kind: &str, status: u16, title: &str, detail: String) -> WorkflowError {
    WorkflowError {
        r#type: format!("{TYPES}{kind}"),
        status,
        title: Some(title.into()),
        detail: Some(detail),
        instance: None,
    }
}

/// Data that does not satisfy its schema.
#[must_use]
pub fn validation(detail: String) -> WorkflowError {
    standard("validation", 400, "Validation Error", detail)
}

/// An expression that failed.
#[must_use]
pub fn expression(detail: String) -> WorkflowError {
    standard("expression", 400, "Expression Error", detail)
}

/// A wrong parameter of a task.
#[must_use]
pub fn configuration(detail: String) -> WorkflowError {
    standard("configuration", 400, "Configuration Error", detail)
}

/// Something that the workflow may not use.
#[must_use]
pub fn authorization(detail: String) -> WorkflowError {
    standard("authorization", 403, "Authorization Error", detail)
}

/// A caller that could not prove who it is.
#[must_use]
pub fn authentication(detail: String) -> WorkflowError {
    standard("authentication", 401, "Authentication Error", detail)
}

/// The run is being cancelled, for this reason.
#[must_use]
pub fn cancelled(reason: Option<String>) -> WorkflowError {
    WorkflowError {
        r#type: CANCELLED.into(),
        status: 499,
        title: Some("Cancelled".into()),
        detail: reason,
        instance: None,
    }
}

/// A time limit that ran out.
#[must_use]
pub fn timeout(detail: String) -> WorkflowError {
    standard("timeout", 408, "Request Timeout", detail)
}

/// A call that did not go through.
#[must_use]
pub fn communication(status: u16, detail: String) -> WorkflowError {
    standard("communication", status, "Communication Error", detail)
}

/// Something that went wrong while a task ran.
#[must_use]
pub fn runtime(detail: String) -> WorkflowError {
    standard("runtime", 500, "Runtime Error", detail)
}
