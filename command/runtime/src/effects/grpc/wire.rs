//! A unary call over HTTP/2: one message there, one message and a status back.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use openclaw_model::event::run::WorkflowError;
use openclaw_workflow::error;
use percent_encoding::percent_decode_str;
use reqwest::{
    Method, Request, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE},
};

use super::status;
use crate::effects::http::{Transport, failed};

/// Flag and length in front of a message.
const PREFIX: usize = 5;

/// What a service answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status code of gRPC, 0 if all went well.
    pub(super) code: u32,
    /// What the service says about it.
    pub(super) text: String,
    /// The message; empty if the call failed.
    pub(super) message: Bytes,
}

/// Sends `message` and takes the answer in.
///
/// # Errors
/// A timeout error, or a communication error if there is no answer that gRPC knows.
pub(super) async fn unary(
    transport: &Transport,
    url: &Url,
    metadata: HeaderMap,
    message: &[u8],
    shown: &str,
) -> Result<Answer, WorkflowError> {
    let length = u32::try_from(message.len())
        .map_err(|_| error::configuration("the message is longer than gRPC can say".into()))?;
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_u8(0);
    body.put_u32(length);
    body.put_slice(message);
    let limits = transport.limits();
    let mut request = Request::new(Method::POST, url.clone());
    let headers = request.headers_mut();
    headers.extend(metadata);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert("grpc-timeout", timeout(limits.total.as_millis()));
    *request.body_mut() = Some(body.freeze().into());
    let response = transport.http2(request, shown).await?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        return Err(error::communication(
            status.as_u16(),
            format!("{shown} answered {status}, which is no gRPC"),
        ));
    }
    let (head, mut body) = http::Response::from(response).into_parts();
    let (mut received, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = body.frame().await {
        match frame.map_err(|problem| failed(shown, problem))?.into_data() {
            Ok(data) => {
                if data.len() > (limits.response_bytes + PREFIX).saturating_sub(received.len()) {
                    let detail = format!("{shown} answered with more than {} bytes", limits.response_bytes);
                    return Err(error::communication(500, detail));
                }
                received.put(data);
            }
            Err(frame) => trailers = frame.into_trailers().ok().or(trailers),
        }
    }
    // An answer without a message may have its status in front.
    let ends = [trailers.as_ref(), Some(&head.headers)];
    let code = ends.into_iter().flatten().find_map(|headers| text(headers, "grpc-status")?.parse().ok());
    let Some(code) = code else {
        return Err(error::communication(500, format!("{shown} answered without a status")));
    };
    let said =
        ends.into_iter().flatten().find_map(|headers| text(headers, "grpc-message")).unwrap_or_default();
    let said = percent_decode_str(said).decode_utf8_lossy().into_owned();
    let message = if code == status::OK { unframed(received.freeze(), shown)? } else { Bytes::new() };
    Ok(Answer { code, text: said, message })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// At most eight digits, in milliseconds.
fn timeout(millis: u128) -> HeaderValue {
    let text = format!("{}m", millis.min(99_999_999));
    HeaderValue::from_str(&text).expect("digits and a letter can be a header")
}

/// The one message of `received`.
fn unframed(received: Bytes, shown: &str) -> Result<Bytes, WorkflowError> {
    let wrong = |what: &str| error::communication(500, format!("{shown} answered with {what}"));
    let Some((prefix, rest)) = received.split_at_checked(PREFIX) else { return Err(wrong("no message")) };
    if prefix[0] != 0 {
        return Err(wrong("a compressed message, which was not asked for"));
    }
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if rest.len() != length {
        return Err(wrong("half a message, or several"));
    }
    Ok(received.slice(PREFIX..))
}
