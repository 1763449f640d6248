//! Bytes: counted, and bounded.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes that a job may still move.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// An error once there is nothing left.
    fn check(&self) -> io::Result<()> {
        if self.used.load(Ordering::Relaxed) < self.limit {
            return Ok(());
        }
        Err(io::Error::other(format!("the job has moved its {} bytes", self.limit)))
    }
}

/// What has gone over one connection.
#[derive(Debug, Default)]
pub(super) struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counts {
    /// Bytes that were written, and bytes that were read.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

/// Returns when nothing has moved for `limit`.
pub(super) async fn idle(counts: &Counts, limit: Duration) {
    let mut before = counts.read();
    loop {
        tokio::time::sleep(limit).await;
        let now = counts.read();
        if now == before {
            return;
        }
        before = now;
    }
}

/// A stream that is counted. `guard` lives as long as it.
pub(super) struct Counted<S, G = ()> {
    stream: S,
    counts: Arc<Counts>,
    budget: Option<Arc<Budget>>,
    _guard: G,
}

impl<S, G> Counted<S, G> {
    /// Takes what it moves from `budget`, if there is one.
    pub(super) fn new(stream: S, counts: Arc<Counts>, budget: Option<Arc<Budget>>, guard: G) -> Self {
        Self { stream, counts, budget, _guard: guard }
    }

    fn check(&self) -> io::Result<()> {
        self.budget.as_ref().map_or(Ok(()), |budget| budget.check())
    }

    fn spend(&self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin, G: Unpin> AsyncRead for Counted<S, G> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        this.counts.received.fetch_add(read as u64, Ordering::Relaxed);
        this.spend(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, G: Unpin> AsyncWrite for Counted<S, G> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.counts.sent.fetch_add(written as u64, Ordering::Relaxed);
        this.spend(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
