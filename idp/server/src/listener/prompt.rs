//! A connection whose other side must take what it is sent.
//!
//! An answer that nobody takes lies in memory. So whoever takes nothing for a while is cut off;
//! a gateway comes again, and asks from where it stands.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Much longer than a network is ever in the way.
pub(super) const STALL_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Prompt {
    stream: TcpStream,
    /// What was read and put back, from where on it is to be read again.
    ahead: Cursor<Vec<u8>>,
    /// When it is enough; none while everything is taken.
    stalled: Option<Pin<Box<Sleep>>>,
    is_stalled: bool,
}

impl Prompt {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            ahead: Cursor::new(Vec::new()),
            stalled: None,
            is_stalled: false,
        }
    }

    /// Is read again before all that follows.
    pub(super) fn put_back(&mut self, ahead: Vec<u8>) {
        self.ahead = Cursor::new(ahead);
    }

    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.is_stalled = false;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
        if !self.is_stalled {
            stalled.as_mut().reset(Instant::now() + STALL_MAX);
            self.is_stalled = true;
        }
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ahead = self.ahead.get_ref().len() as u64;
        if self.ahead.position() < ahead {
            return Pin::new(&mut self.ahead).poll_read(cx, buffer);
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
