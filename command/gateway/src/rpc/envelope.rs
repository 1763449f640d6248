//! The outer shape of a JSON-RPC 2.0 request object: <https://www.jsonrpc.org/specification>, section 4.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::{Error, InvalidRequest};

/// Longest method name, in bytes.
const METHOD_BYTES: usize = 64;
/// Longest id, in bytes of its JSON text without quotes.
const ID_BYTES: usize = 128;

/// A request object that has the right shape.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// JSON text of the id, to be echoed as it came. None for a notification.
    pub(super) id: Option<&'a str>,
    /// The method's name.
    pub(super) method: String,
    /// JSON text of the params, an object or an array.
    pub(super) params: Option<&'a str>,
}

/// A request object that has not, and the id to answer with: its own where that could be read, else `null`.
#[derive(Debug)]
pub(super) struct Malformed<'a> {
    pub(super) id: &'a str,
    pub(super) error: Error,
}

/// The members, unread. A member that is present and null is `Some`.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads one request object from text that is known to be JSON.
pub(super) fn read(text: &str) -> Result<Call<'_>, Malformed<'_>> {
    let malformed = |id, reason| Malformed { id, error: Error::InvalidRequest(reason) };
    // serde would read the members from an array as well.
    if !text.trim_start().starts_with('{') {
        return Err(malformed("null", InvalidRequest::NotAnObject));
    }
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|_| malformed("null", InvalidRequest::NotAnObject))?;

    let id = members.id.map(RawValue::get);
    if let Some(id) = id {
        match id.as_bytes()[0] {
            b'"' | b'-' | b'0'..=b'9' | b'n' => {}
            _ => return Err(malformed("null", InvalidRequest::IdType)),
        }
        if id.trim_matches('"').len() > ID_BYTES {
            return Err(malformed("null", InvalidRequest::IdTooLong));
        }
    }
    let echo = id.unwrap_or("null");
    if members.jsonrpc.and_then(|version| serde_json::from_str::<String>(version.get()).ok()).as_deref()
        != Some("2.0")
    {
        return Err(malformed(echo, InvalidRequest::Version));
    }
    let method = members
        .method
        .and_then(|method| serde_json::from_str::<String>(method.get()).ok())
        .ok_or_else(|| malformed(echo, InvalidRequest::Method))?;
    if method.len() > METHOD_BYTES {
        return Err(malformed(echo, InvalidRequest::Method));
    }
    let params = members.params.map(RawValue::get);
    if params.is_some_and(|params| !params.starts_with(['{', '['])) {
        return Err(malformed(echo, InvalidRequest::ParamsType));
    }
    Ok(Call { id, method, params })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (String, String) {
        let malformed = read(text).expect_err(text);
        (malformed.id.to_owned(), malformed.error.to_string())
    }

    #[test]
    fn ids_are_kept_as_they_were_written() {
        for id in ["1", "-1", "1.5", "1e2", "9007199254740993", "\"\"", "\"\\u0041\"", "null"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            assert_eq!(read(&text).expect("well formed").id, Some(id));
        }
        assert_eq!(read(r#"{"jsonrpc":"2.0","method":"m"}"#).expect("a notification").id, None);
        let longest = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"m"}}"#, "x".repeat(128));
        assert!(read(&longest).is_ok());
        let longer = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"m"}}"#, "x".repeat(129));
        assert_eq!(fault(&longer).0, "null");
    }

    #[test]
    fn an_array_is_not_taken_for_a_request_object() {
        assert_eq!(fault(r#"["2.0","m",[],1]"#).0, "null");
    }

    #[test]
    fn the_id_is_echoed_where_it_could_be_read() {
        assert_eq!(fault(r#"{"jsonrpc":"1.0","id":3,"method":"m"}"#).0, "3");
        assert_eq!(fault(r#"{"jsonrpc":"2.0","id":3,"method":"m","params":"s"}"#).0, "3");
        assert_eq!(fault(r#"{"jsonrpc":"2.0","id":[3],"method":"m"}"#).0, "null");
        assert_eq!(fault(r#"{"jsonrpc":"2.0","id":3,"method":1}"#).0, "3");
        assert_eq!(fault(&format!(r#"{{"jsonrpc":"2.0","id":3,"method":"{}"}}"#, "m".repeat(65))).0, "3");
    }
}
