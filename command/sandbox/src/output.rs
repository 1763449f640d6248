//! Reading a stream to its end and keeping the beginning.

use tokio::io::{AsyncRead, AsyncReadExt};

/// What was kept of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    /// Whether there was more.
    pub(crate) cut: bool,
}

/// Reads `from` until its end or an error and keeps at most `limit` bytes. The rest is read too: a process whose pipe
/// is full would wait for ever.
pub(crate) async fn drain(mut from: impl AsyncRead + Unpin, limit: usize) -> Kept {
    let mut kept = Kept::default();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return kept,
            Ok(length) => {
                let room = limit - kept.bytes.len();
                kept.bytes.extend_from_slice(&buffer[..length.min(room)]);
                kept.cut |= length > room;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_beginning_is_kept_and_the_rest_is_read() {
        let stream = vec![b'x'; 100_000];
        assert_eq!(drain(stream.as_slice(), 70_000).await, Kept { bytes: vec![b'x'; 70_000], cut: true });
        assert_eq!(drain(stream.as_slice(), 100_000).await, Kept { bytes: stream.clone(), cut: false });
        assert_eq!(drain(stream.as_slice(), 0).await, Kept { bytes: vec![], cut: true });
    }
}
