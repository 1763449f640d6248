//! What secrets are used for, in a line for the log: no query, no fragment, no value of a secret.

use openclaw_model::event::run::{GrpcRequest, HttpRequest, OpenApiRequest, ProcessRequest, Program};

use super::exposure::masked;

/// Longest purpose, in characters.
const MAX: usize = 300;

/// Of `call: http`.
pub(super) fn http(request: &HttpRequest) -> String {
    shortened(format!("call: http {} {}", request.method, place(&request.url)))
}

/// Of `call: openapi`.
pub(super) fn openapi(request: &OpenApiRequest) -> String {
    shortened(format!("call: openapi {} of {}", request.operation, place(&request.document.uri)))
}

/// Of `call: grpc`.
pub(super) fn grpc(request: &GrpcRequest) -> String {
    let GrpcRequest { service, method, host, port, .. } = request;
    shortened(masked(&format!("call: grpc {service}/{method} at {host}:{port}")))
}

/// Of `run: shell` and `run: script`; neither command nor code, which may hold anything.
pub(super) fn process(request: &ProcessRequest) -> &'static str {
    match request.program {
        Program::Shell { .. } => "run: shell",
        Program::Script { .. } => "run: script",
    }
}

/// A URL without what may hold data: name and password, query, fragment. Handles are told by the names of their secrets.
fn place(url: &str) -> String {
    let masked = masked(url);
    let bare = masked.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => bare.to_owned(),
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::exposure::tests::handle;

    #[test]
    fn a_purpose_says_where_to_and_nothing_that_is_sent() {
        assert_eq!(place("https://me:pw@h:8080/a/b?token=x#y"), "https://h:8080/a/b");
        assert_eq!(place(&format!("https://h/{}/b", handle("api", "/key"))), "https://h/(secret api)/b");
        assert_eq!(place(&handle("whole", "")), "(secret whole)");
        assert_eq!(place("file:///etc/x"), "file:///etc/x");
        assert_eq!(shortened("x".repeat(400)).len(), MAX + 3);
    }
}
