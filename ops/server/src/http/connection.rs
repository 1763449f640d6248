//! A client's socket, with its place among the connections and a limit on how long it may refuse to read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::places::Place;
use crate::metrics;

/// A socket. The place lives as long as the socket does, through an upgrade to WebSocket as well.
pub(super) struct Connection {
    socket: TcpStream,
    write_time: Duration,
    stalled: Pin<Box<Sleep>>,
    stalling: bool,
    _place: Place,
    _counted: metrics::Connection,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, write_time: Duration, place: Place) -> Self {
        Self {
            socket,
            write_time,
            stalled: Box::pin(sleep(write_time)),
            stalling: false,
            _place: place,
            _counted: metrics::Connection::open(),
        }
    }

    /// Passes on what a write came to, unless nothing could be written for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalling = false;
            return written;
        }
        if !self.stalling {
            self.stalling = true;
            let deadline = Instant::now() + self.write_time;
            self.stalled.as_mut().reset(deadline);
        }
        match self.stalled.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
