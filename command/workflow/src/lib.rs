//! The Serverless Workflow DSL 1.0: typed model, validation, expressions, and the pure stepper.

pub mod definition;
pub mod expression;
