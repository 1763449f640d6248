//! The reader of what the server and its helper say to each other, for the fuzz targets in `tests/fuzz`. No part of the
//! surface.

use crate::protocol::Request;

/// Reads a request.
///
/// # Panics
/// When a request that was read is not written as one that is read again.
pub fn request(bytes: &[u8]) {
    if let Ok(request) = Request::read(bytes) {
        let again = request.encode().expect("what was read can be written");
        let again = Request::read(again.as_slice()).expect("what was written can be read");
        assert_eq!((again.stdin, again.filter), (request.stdin, request.filter));
    }
}
