//! From the params of a call to a method's typed parameters, with errors that name the place.

use std::{borrow::Cow, fmt};

use openclaw_model::{CommandDigest, canonical};
use openclaw_ports::secrets;
use serde::{
    Deserializer,
    de::{self, DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Value;

use super::{error::Error, methods::Call};

/// Reads `text`, an object, an array, or nothing at all.
pub(super) fn read<P: Call>(text: Option<&str>) -> Result<P, Error> {
    let text = &*harmless(text.unwrap_or("{}"));
    let mut reader = serde_json::Deserializer::from_str(text);
    let params: P =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| invalid::<P>(text, &error))?;
    // Text after the value cannot be: the message was checked. What can be is an array with too many entries.
    reader.end().map_err(|_| too_many::<P>())?;
    params.check()?;
    Ok(params)
}

/// `text` without handles of secrets: those are ours, and whoever sends one would be told the value when a workflow uses
/// what they sent. An escape may be one.
fn harmless(text: &str) -> Cow<'_, str> {
    if !secrets::has_handle(text) && !text.contains("\\u") {
        return text.into();
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            secrets::defang(&mut value);
            value.to_string().into()
        }
        Err(_) => text.into(),
    }
}

fn too_many<P: Call>() -> Error {
    let names = names::<P>();
    Error::InvalidParams {
        field: String::new(),
        reason: format!("more than {} positional parameters", names.len()),
        hint: Some(list(names)),
    }
}

fn invalid<P: Call>(text: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let names = names::<P>();
    let reason = error.inner().to_string();
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    if text.starts_with('[') && reason.starts_with("trailing") {
        return too_many::<P>();
    }
    let mut field = match error.path().to_string() {
        root if root == "." => String::new(),
        path => path,
    };
    if text.starts_with('[') {
        field = positional(&field, names);
    } else if let Some(name) = reason.strip_prefix("missing field `").and_then(|rest| rest.split('`').next())
    {
        field = if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    }
    let hint = field.is_empty().then(|| list(names)).or_else(|| {
        (!names.contains(&field.split(['.', '[']).next().unwrap_or_default())).then(|| list(names))
    });
    Error::InvalidParams { field, reason: shortened(reason), hint }
}

/// `[2].x` seen from the third positional parameter `wait` is `wait.x`.
fn positional(path: &str, names: &[&str]) -> String {
    let found = path
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .and_then(|(index, rest)| Some(format!("{}{rest}", names.get(index.parse::<usize>().ok()?)?)));
    found.unwrap_or_else(|| path.to_owned())
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "it takes no parameters".to_owned()
    } else {
        format!("it takes {}", names.join(", "))
    }
}

/// serde quotes the offending value, which may be long.
fn shortened(reason: &str) -> String {
    const MAX: usize = 300;
    match reason.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}...", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// Fingerprint of a command: its method and its content, in whichever way that was written.
pub(super) fn digest<P: Call>(params: &P) -> CommandDigest {
    let mut content =
        serde_json::to_value(params).expect("parameters were read from JSON and can be written");
    if let Value::Object(members) = &mut content {
        for name in P::NOT_CONTENT {
            members.remove(*name);
        }
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(P::NAME.as_bytes()).update(b"\n").update(&canonical::to_bytes(&content));
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    CommandDigest(digest)
}

/// The names of a struct's fields as it reads them, in their order.
pub(super) fn names<P: DeserializeOwned>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = Asked;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
            Err(Asked)
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Asked> {
            *self.0 = fields;
            Err(Asked)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut fields: &'static [&'static str] = &[];
    // The deserializer always fails; what it was asked for is what is wanted.
    let _ = P::deserialize(Ask(&mut fields));
    fields
}

/// The error of a deserializer that only listens.
#[derive(Debug)]
struct Asked;

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("asked")
    }
}

impl std::error::Error for Asked {}

impl de::Error for Asked {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::methods::{run, session, system};

    fn fault<P: Call>(text: &str) -> (String, String, Option<String>) {
        match read::<P>(Some(text)).map(|_| ()).expect_err(text) {
            Error::InvalidParams { field, reason, hint } => (field, reason, hint),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_name_the_parameter() {
        let (field, _, hint) = fault::<session::Message>(r#"{"sessionId":"s","contnt":"x"}"#);
        assert_eq!(field, "contnt");
        assert!(hint.expect("a hint").contains("content"));

        let (field, reason, _) = fault::<session::Message>(r#"{"sessionId":"s"}"#);
        assert_eq!((field.as_str(), reason.as_str()), ("content", "missing field `content`"));

        let (field, _, _) =
            fault::<session::Message>(r#"{"sessionId":"s","content":"x","attachments":[{"kind":1}]}"#);
        assert_eq!(field, "attachments[0].kind");

        let (field, _, _) = fault::<run::Start>(r#"{"workflow":{"namespace":"n"}}"#);
        assert_eq!(field, "workflow.name");

        let (field, reason, _) =
            fault::<run::Start>(r#"{"workflow":{"namespace":"n","name":"m"},"wait":"6m"}"#);
        assert_eq!((field.as_str(), reason.as_str()), ("wait", "is longer than 5m"));
    }

    #[test]
    fn positional_parameters_are_read_in_the_order_of_the_fields() {
        let message: session::Message = read(Some(r#"["s","hello"]"#)).expect("two positional parameters");
        assert_eq!((message.session_id.as_str(), message.content.as_str()), ("s", "hello"));
        assert_eq!(fault::<session::Message>(r#"["s",7]"#).0, "content");
        assert!(fault::<system::Health>("[1]").1.contains("more than 0"));
        assert!(fault::<session::End>(r#"["s",null,null,null,1]"#).1.contains("more than 4"));
        assert!(read::<system::Health>(Some("[]")).is_ok() && read::<system::Health>(None).is_ok());
    }

    #[test]
    fn the_fingerprint_is_of_the_content_alone() {
        let of = |text| digest(&read::<run::Start>(Some(text)).expect(text));
        let one = of(r#"{"workflow":{"namespace":"n","name":"m"},"input":{"a":1,"b":2}}"#);
        assert_eq!(one, of(r#"{"input":{"b":2,"a":1},"workflow":{"name":"m","namespace":"n"},"wait":"1s"}"#));
        assert_eq!(one, of(r#"[{"namespace":"n","name":"m"},null,{"a":1,"b":2},"2s","key"]"#));
        assert_ne!(one, of(r#"{"workflow":{"namespace":"n","name":"m"},"input":{"a":1,"b":3}}"#));
        assert_ne!(
            digest(&read::<session::End>(Some(r#"["s"]"#)).unwrap()),
            digest(&read::<session::Create>(Some(r#"["s"]"#)).unwrap()),
        );
    }

    #[test]
    fn nobody_outside_can_send_the_handle_of_a_secret() {
        for handle in ["\u{E000}openclaw-secret:key\u{E001}", "\\ue000openclaw-secret:key\\uE001"] {
            let text = format!(r#"{{"definition":"d","input":{{"{handle}":["{handle}"]}}}}"#);
            let start: run::Start = read(Some(&text)).expect("the parameters are right");
            let input = start.input.expect("an input").to_string();
            assert!(!secrets::has_handle(&input) && input.contains("openclaw-secret"), "{input}");
        }
    }

    #[test]
    fn field_names_come_from_the_type() {
        assert_eq!(
            names::<run::Start>(),
            [
                "workflow",
                "definition",
                "input",
                "wait",
                "idempotencyKey",
                "expectedVersion",
                "labels",
                "priority",
                "concurrency",
                "startAt",
                "delay"
            ]
        );
        assert_eq!(names::<system::Health>(), [""; 0]);
    }
}
