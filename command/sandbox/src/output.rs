//! Reading a stream to its end and keeping the beginning.

use tokio::io::{AsyncRead, AsyncReadExt};

/// What was kept of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    /// Whether there was more.
    pub(crate) cut: bool,
}

/// Reads `from` until its end or an error and keeps at most `limit` bytes, which `seen` gets as they come. The rest is
/// read too, after `cut` has been told once: a process whose pipe is full would wait for ever.
pub(crate) async fn drain(
    mut from: impl AsyncRead + Unpin,
    limit: usize,
    mut seen: impl FnMut(&[u8]),
    mut cut: impl FnMut(),
) -> Kept {
    let mut kept = Kept::default();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return kept,
            Ok(length) => {
                let room = limit - kept.bytes.len();
                let new = &buffer[..length.min(room)];
                kept.bytes.extend_from_slice(new);
                if length > room && !kept.cut {
                    kept.cut = true;
                    cut();
                }
                if !new.is_empty() {
                    seen(new);
                }
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
        for (limit, cut) in [(0, true), (70_000, true), (100_000, false)] {
            let (mut seen, mut cuts) = (Vec::new(), 0);
            let kept =
                drain(stream.as_slice(), limit, |bytes| seen.extend_from_slice(bytes), || cuts += 1).await;
            assert_eq!(kept, Kept { bytes: vec![b'x'; limit], cut });
            assert_eq!(seen, kept.bytes);
            assert_eq!(cuts, u32::from(cut));
        }
    }
}
