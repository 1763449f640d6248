//! The Serverless Workflow DSL 1.0: typed model, validation, expressions, and the pure stepper.

pub mod definition;
pub mod duration;
pub mod error;
pub mod expression;
pub mod filter;
pub mod graph;
pub mod interest;
pub mod policy;
pub mod scenario;
pub mod stepper;
pub mod suggest;
