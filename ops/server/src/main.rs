//! The `openclaw` binary: composition root, configuration, HTTP, CLI.
fn main() {}
