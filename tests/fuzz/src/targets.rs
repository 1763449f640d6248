//! What is read, and what has to hold of it.

use std::{borrow::Cow, net::IpAddr, str::from_utf8};

use http::{HeaderMap, HeaderName, HeaderValue};
use openclaw_egress::{Class, Destination, Target, class};
use openclaw_log::{frame::Frame, record};
use openclaw_model::Event;
use openclaw_ports::secrets::{self, Revealed};
use openclaw_workflow::{
    definition::{self, Format},
    expression::{Expression, Local, Template},
};
use serde_json::{Value, json};

/// A JSON-RPC message.
pub(crate) fn rpc(bytes: &[u8]) {
    if let Ok(text) = from_utf8(bytes) {
        openclaw_gateway::rpc::fuzz::message(text);
    }
}

/// A body of `POST /events`, after lines of headers and an empty one.
pub(crate) fn cloudevents(bytes: &[u8]) {
    let cut = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = cut.map_or((&[][..], bytes), |cut| (&bytes[..cut], &bytes[cut + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    openclaw_gateway::rpc::fuzz::cloud_events(&headers, body);
}

/// A GraphQL document, a zero byte, and variables.
pub(crate) fn graphql(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (query, variables) = text.split_once('\0').unwrap_or((&text, "{}"));
    openclaw_query::fuzz::question(query, variables);
}

/// A message of `graphql-transport-ws`.
pub(crate) fn graphql_ws(bytes: &[u8]) {
    openclaw_query::fuzz::socket_message(&String::from_utf8_lossy(bytes));
}

/// A cursor.
pub(crate) fn cursor(bytes: &[u8]) {
    openclaw_query::fuzz::cursor(&String::from_utf8_lossy(bytes));
}

/// A workflow as YAML.
pub(crate) fn workflow_yaml(bytes: &[u8]) {
    workflow(bytes, Format::Yaml);
}

/// A workflow as JSON.
pub(crate) fn workflow_json(bytes: &[u8]) {
    workflow(bytes, Format::Json);
}

fn workflow(bytes: &[u8], format: Format) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(problems) = definition::load(&text, format) {
        assert!(!problems.is_empty(), "a refusal says why");
        assert!(problems.len() <= definition::MAX_PROBLEMS, "a refusal is bounded");
        let bytes: usize = problems.iter().map(|problem| problem.message.len()).sum();
        assert!(bytes <= 64 << 10, "a refusal is no longer than somebody reads: {bytes} bytes");
    }
}

/// A jq program, and if it is one that is evaluated in this process, its result.
pub(crate) fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(expression) = Expression::parse(&text) else { return };
    if !expression.is_straight() {
        return;
    }
    let input = json!({ "a": [1, -2.5, "x", null, { "b": "\u{10ffff}" }], "n": 9_007_199_254_740_993_u64 });
    let variables = vec![input.clone(); expression.variables.len()];
    if let Ok(result) = Local::new().evaluate_with(&expression, &input, &variables) {
        let text = result.to_string();
        assert!(
            text.len() <= openclaw_workflow::expression::limits::MAX_RESULT_BYTES * 2,
            "a result is bounded"
        );
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "a result can be read back");
    }
}

/// A text with expressions in it.
pub(crate) fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Template::parse(&text, true);
    let _ = Template::parse(&text, false);
    let _ = Template::parse_whole(&text);
}

/// A stored frame, whatever its hash.
pub(crate) fn frame(bytes: &[u8]) {
    if let Ok(parsed) = Frame::parse(bytes, false) {
        let read = parsed.records().filter(Result::is_ok).count();
        assert!(read as u64 <= u64::from(parsed.header.count), "no more records than the header says");
        let again = openclaw_log::frame::restore(&parsed.header, parsed.records);
        assert!(again == bytes, "a frame that was read is restored as it was");
    }
    let _ = Frame::parse(bytes, true).map(|parsed| parsed.records().count());
}

/// A stored record, as it is and with its length and checksum put right, which no mutation would hit.
pub(crate) fn record(bytes: &[u8]) {
    read_record(bytes);
    if let (Some(end), Ok(length)) = (bytes.len().checked_sub(4), u32::try_from(bytes.len()))
        && end >= 4
    {
        let mut right = bytes.to_vec();
        right[..4].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32fast::hash(&right[..end]);
        right[end..].copy_from_slice(&checksum.to_le_bytes());
        read_record(&right);
    }
}

fn read_record(bytes: &[u8]) {
    if let Ok((decoded, length)) = record::decode(bytes) {
        assert!(length <= bytes.len() && length > 0);
        let peeked = record::peek(bytes).expect("what can be decoded can be peeked at");
        assert_eq!(peeked.position, decoded.event().position);
    } else {
        let _ = record::peek(bytes);
    }
}

/// A compressed chunk of a sealed segment.
pub(crate) fn sealed(bytes: &[u8]) {
    openclaw_sled::fuzz::chunk(bytes);
}

/// An event: a line with its type and schema, then its data.
pub(crate) fn event(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(head) = from_utf8(&bytes[..end]) else { return };
    let (name, schema) = head.split_once(' ').unwrap_or((head, "1"));
    let schema = schema.parse().unwrap_or(1);
    if let Ok(event) = Event::decode(name, schema, &bytes[end + 1..]) {
        // Numbers that JSON writes differently than they were read may become others; nothing else may.
        let once = event.encode();
        let again =
            Event::decode(event.event_type(), event.schema(), &once).expect("what was read can be written");
        let twice = again.encode();
        let stable = Event::decode(again.event_type(), again.schema(), &twice).expect("and read again");
        assert_eq!(again.event_type(), stable.event_type());
    }
}

/// What the server and its sandbox helper say to each other.
pub(crate) fn sandbox(bytes: &[u8]) {
    openclaw_sandbox::fuzz::request(bytes);
}

/// The file of the vault.
pub(crate) fn vault(bytes: &[u8]) {
    if let Ok(sealed) = openclaw_vault::format::decode(bytes) {
        assert!(
            openclaw_vault::format::encode(&sealed) == bytes,
            "a file that was read is written as it was"
        );
    }
}

/// A destination as somebody writes it.
pub(crate) fn destination(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    if let Ok(destination) = text.parse::<Destination>() {
        let again = destination.to_string().parse::<Destination>();
        assert_eq!(again.ok(), Some(destination), "{text:?}");
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "80"));
    let Ok(target) = Target::new(host, port.parse().unwrap_or(80)) else { return };
    // Whatever a resolver would take for an address of this machine must have been taken for an address.
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        assert_eq!(target.address(), Some(address), "{host:?}");
        let own = address.to_canonical();
        if own.is_loopback() || own.is_unspecified() || own.is_multicast() {
            assert_ne!(class(address), Class::Public, "{host:?}");
        }
    }
}

/// A text with handles of secrets in it.
pub(crate) fn handle(bytes: &[u8]) {
    const SECRET: &str = "the-value-of-the-secret";
    let text = String::from_utf8_lossy(bytes);
    let mut reveal = |_: &secrets::Handle| Ok(Revealed::new(SECRET.to_owned()));
    let shown = secrets::expose(&text, &mut reveal, |value| Cow::Borrowed(value));
    if !secrets::has_handle(&text) {
        assert!(shown.is_ok_and(|shown| shown.as_str() == text), "a text without handles stays as it is");
    }
    let harmless = secrets::harmless(&text);
    assert!(!secrets::has_handle(&harmless), "what was made harmless holds no handle");
    let shown =
        secrets::expose(&harmless, &mut reveal, |value| Cow::Borrowed(value)).expect("nothing to reveal");
    assert!(!shown.contains(SECRET) || text.contains(SECRET), "and reveals nothing");
    let (first, rest) = secrets::leading(&text);
    assert_eq!(format!("{first}{rest}"), text);
}
