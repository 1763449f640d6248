//! The worker's side of evaluating programs that may not end: a loop over requests and responses.
//!
//! A frame is its length as four bytes, the highest first, and that many bytes of JSON. The worker trusts its parent;
//! the parent does not trust the worker, which may be stuck, lying or dead. Limits on memory and time are set by
//! whoever starts it (`openclaw-runtime`).

use std::{
    collections::HashMap,
    io::{self, Read, Write},
};

use jaq_json::Val;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{error::EvaluationError, limits::MAX_RESULT_BYTES, program::Program};

/// The largest request a worker reads, in bytes of JSON.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// The largest response a parent reads. Escapes make JSON up to six times longer than what was measured.
pub const MAX_RESPONSE_BYTES: usize = 6 * MAX_RESULT_BYTES + 4096;
/// How many compiled programs a worker keeps; then it forgets all.
const CACHED: usize = 128;

/// One evaluation, as the parent asks for it.
#[derive(Debug, Serialize)]
pub struct Request<'a> {
    /// The program, without `${ }`.
    pub program: &'a str,
    /// The names of its variables, without the dollar.
    pub variables: &'a [String],
    /// Their values, in the same order.
    pub values: &'a [Value],
    /// What `.` is.
    pub input: &'a Value,
}

/// The same, as the worker reads it.
#[derive(Deserialize)]
struct Received {
    program: String,
    variables: Vec<String>,
    values: Vec<Val>,
    input: Val,
}

/// What became of an evaluation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The first result.
    Value(Value),
    /// Why there is none: [`EvaluationError::reason`].
    Error(String),
}

/// Writes one frame.
///
/// # Errors
/// Those of the writer; [`io::ErrorKind::InvalidInput`] if the frame is larger than `limit`.
pub fn write_frame(writer: &mut impl Write, message: &impl Serialize, limit: usize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= limit);
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the message is too large"))?;
    writer.write_all(&length.to_be_bytes())?;
    writer.write_all(&body)?;
    writer.flush()
}

/// Reads one frame; none at the end of the stream.
///
/// # Errors
/// Those of the reader; [`io::ErrorKind::InvalidData`] if the frame is larger than `limit`. Nothing is allocated for
/// bytes that do not come.
pub fn read_frame(reader: &mut impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length);
    if usize::try_from(length).map_or(true, |length| length > limit) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too large"));
    }
    let mut body = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut body)?;
    if body.len() as u64 == u64::from(length) {
        Ok(Some(body))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Answers requests until the reader ends. Call it on a thread with a large stack: jq recurses.
///
/// # Errors
/// When a frame cannot be read or written, or is no request. The parent then starts another worker.
pub fn serve(mut reader: impl Read, mut writer: impl Write) -> io::Result<()> {
    let mut programs: HashMap<(String, Vec<String>), Program> = HashMap::new();
    while let Some(frame) = read_frame(&mut reader, MAX_REQUEST_BYTES)? {
        let received: Received = serde_json::from_slice(&frame)?;
        drop(frame);
        let response = match answer(&mut programs, received) {
            Ok(value) => Response::Value(value),
            Err(error) => Response::Error(error.reason),
        };
        write_frame(&mut writer, &response, MAX_RESPONSE_BYTES)?;
    }
    Ok(())
}

fn answer(
    programs: &mut HashMap<(String, Vec<String>), Program>,
    received: Received,
) -> Result<Value, EvaluationError> {
    let key = (received.program, received.variables);
    if !programs.contains_key(&key) {
        if programs.len() >= CACHED {
            programs.clear();
        }
        let program = Program::compile(&key.0, &key.1)?;
        programs.insert(key.clone(), program);
    }
    programs[&key].run(received.input, received.values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(requests: &[Request<'_>]) -> Vec<Value> {
        let mut to_worker = Vec::new();
        for request in requests {
            write_frame(&mut to_worker, request, MAX_REQUEST_BYTES).unwrap();
        }
        let mut from_worker = Vec::new();
        serve(to_worker.as_slice(), &mut from_worker).unwrap();
        let mut reader = from_worker.as_slice();
        std::iter::from_fn(|| read_frame(&mut reader, MAX_RESPONSE_BYTES).unwrap())
            .map(|frame| serde_json::from_slice(&frame).unwrap())
            .collect()
    }

    #[test]
    fn a_worker_answers_one_request_after_the_other() {
        let variables = ["x".to_owned()];
        let request =
            |program, input| Request { program, variables: &variables, values: &[Value::Null], input };
        let (numbers, five) = (json!([1, 2, 3]), json!(5));
        let answers = exchange(&[
            request("map(. * 2) | add", &numbers),
            request("[range(.)]", &five),
            request(".a", &five),
            request("$x", &five),
        ]);
        assert_eq!(answers[0], json!({"value": 12}));
        assert_eq!(answers[1], json!({"value": [0, 1, 2, 3, 4]}));
        assert!(answers[2]["error"].as_str().unwrap().starts_with("OC-WF-040"), "{}", answers[2]);
        assert_eq!(answers[3], json!({"value": null}));
    }

    #[test]
    fn a_frame_that_lies_about_its_length_is_refused() {
        let huge = u32::MAX.to_be_bytes();
        let error = read_frame(&mut huge.as_slice(), MAX_REQUEST_BYTES).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let short = [0, 0, 0, 9, b'{'];
        let error = read_frame(&mut short.as_slice(), MAX_REQUEST_BYTES).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(read_frame(&mut [].as_slice(), 10).unwrap().is_none());
    }
}
