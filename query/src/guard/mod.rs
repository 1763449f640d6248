//! Limits on a question, checked before it is worked on: first on its characters, then on its parsed form.
//!
//! Every check is linear in the length of the document, which is bounded itself.

mod cost;
mod tokens;

use async_graphql::{
    ServerError, Variables,
    parser::{parse_query, types::ExecutableDocument},
};

use crate::fault::Code;

/// Bytes of a document.
pub(crate) const MAX_DOCUMENT: usize = 16 << 10;
/// Tokens of a document.
pub(crate) const MAX_TOKENS: usize = 1_000;
/// Brackets within brackets, of any kind.
pub(crate) const MAX_NESTING: usize = 24;
/// Directives of a document.
pub(crate) const MAX_DIRECTIVES: usize = 8;
/// Aliases of a document.
pub(crate) const MAX_ALIASES: usize = 30;
/// Fields within fields, fragments resolved. Introspection, which nests deeper by nature, may go to
/// [`MAX_NESTING`].
pub(crate) const MAX_DEPTH: usize = 12;
/// Objects that an answer could have.
pub(crate) const MAX_COST: u64 = 1_000;
/// Selections of the document after every fragment is put where it is spread.
pub(crate) const MAX_SELECTIONS: u64 = 2_000;

/// Parses `query` if it is within all limits.
///
/// # Errors
/// With a code that names the limit.
pub(crate) fn admit(query: &str, variables: &Variables) -> Result<ExecutableDocument, ServerError> {
    if query.len() > MAX_DOCUMENT {
        let message = format!("the document has {} bytes, at most {MAX_DOCUMENT} are allowed", query.len());
        return Err(Code::DocumentTooLarge.server_error(message));
    }
    tokens::check(query)?;
    let document = parse_query(query).map_err(|error| {
        let mut server = ServerError::from(error);
        let coded = Code::ParseError.server_error(server.message.clone());
        server.extensions = coded.extensions;
        server
    })?;
    cost::check(&document, variables)?;
    Ok(document)
}
