//! A client's connection: the socket, what was read ahead and what is not sent yet.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};

pub(crate) use pipe::{FarEnd, Pipe};
pub(crate) use stream::Stream;

mod pipe;
mod stream;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 8 * 1024;
/// Answers up to this size leave in one piece, head and body together.
const HELD_BACK_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    /// Read from the socket, not yet taken.
    pub(crate) ahead: BytesMut,
    /// Written, but not yet given to the socket.
    held_back: BytesMut,
    /// Whether the client was seen to end its side.
    has_ended: bool,
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            ahead: BytesMut::new(),
            held_back: BytesMut::new(),
            has_ended: false,
        }
    }

    /// Gives the stream, and what was read from it ahead, to whoever speaks another protocol on it.
    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.ahead)
    }

    /// Waits for bytes without holding memory for them. `Ok(false)`: the client closed.
    pub(crate) async fn read_more(&mut self) -> io::Result<bool> {
        self.stream.readable().await?;
        self.ahead.reserve(READ_BYTES);
        Ok(self.stream.read_buf(&mut self.ahead).await? > 0)
    }

    /// Reads until something is ahead. `Ok(false)`: the client closed.
    pub(crate) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.ahead.reserve(READ_BYTES);
        let read = ready!(pin!(self.stream.read_buf(&mut self.ahead)).poll(context))?;
        Poll::Ready(Ok(read > 0))
    }

    /// Ready once the client broke the connection; takes no byte of its next request. A client that only
    /// ended its side still gets its answer.
    pub(crate) fn poll_break(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.has_ended || !self.ahead.is_empty() {
            return Poll::Pending;
        }
        match self.poll_fill(context) {
            Poll::Ready(Ok(is_open)) => {
                self.has_ended = !is_open;
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Gives memory back that an idle connection does not need.
    pub(crate) fn release_memory(&mut self) {
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        self.held_back = BytesMut::new();
    }

    /// Accepts bytes for sending, holding small pieces back until the next flush.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held_back.len() + bytes.len() > HELD_BACK_BYTES_MAX {
            ready!(self.poll_send(context))?;
        }
        if bytes.len() > HELD_BACK_BYTES_MAX {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        self.held_back.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Sends all that is held back.
    pub(crate) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held_back.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let count = ready!(stream.poll_write(context, &self.held_back))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held_back.advance(count);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Takes a piece to be sent later, if it is small enough to be held back.
    pub(crate) fn hold(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.held_back.len() + bytes.len() <= HELD_BACK_BYTES_MAX;
        if has_room {
            self.held_back.extend_from_slice(bytes);
        }
        has_room
    }

    /// Writes all of `bytes`; what is small may still be held back afterwards.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = std::future::poll_fn(|context| self.poll_write(context, bytes)).await?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes and sends all of `bytes`.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes).await?;
        std::future::poll_fn(|context| self.poll_send(context)).await
    }

    /// Ends our side of the conversation; what the client still sends can be read.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_finish(context)).await
    }

    pub(crate) fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    /// Says that nothing follows, where what carries the bytes has a word for it. Elsewhere the
    /// coming close says as much.
    pub(crate) async fn say_farewell(&mut self) -> io::Result<()> {
        if self.stream.has_farewell() {
            self.finish().await?;
        }
        Ok(())
    }

    /// Makes the coming close a reset, which a client cannot mistake for the end of an answer.
    pub(crate) fn make_close_abrupt(&self) {
        if let Err(error) = self.stream.make_close_abrupt() {
            tracing::debug!(%error, "a connection could not be set to reset");
        }
    }
}
