//! The bytes of a connection of HTTP/2: what was read ahead, how long a write may take, and an end that
//! does not swallow what was written last.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::frames::Frames;
use super::tally::Tally;
use crate::clock;
use crate::wire::{Stream, Wire};

/// How long a client that was told to go may take to do so, and how much it may still send.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES_MAX: usize = 256 * 1024;

pub(super) struct Line {
    stream: Stream,
    /// Read before; the first bytes of the connection.
    ahead: BytesMut,
    frames: Frames,
    tally: Arc<Tally>,
    stall: Duration,
    /// Runs while the client takes nothing of what is written.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Runs once our side has ended.
    farewell: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Line {
    pub(super) fn new(wire: Wire, tally: Arc<Tally>, stall: Duration) -> Self {
        let (stream, ahead) = wire.into_parts();
        Self {
            stream,
            ahead,
            frames: Frames::new(clock::now()),
            tally,
            stall,
            stuck: None,
            farewell: None,
        }
    }

    /// Minds a write: nothing taken for too long is an error.
    fn mind(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = written else {
            let stall = self.stall;
            let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(stall)));
            ready!(stuck.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        };
        self.stuck = None;
        let count = written?;
        self.frames.sent(count);
        Poll::Ready(Ok(count))
    }

    /// A close with unread bytes would be a reset, which can overtake the last answers.
    fn poll_farewell(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((over, budget)) = &mut self.farewell else {
            return Poll::Ready(Ok(()));
        };
        while over.as_mut().poll(context).is_pending() {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            let count = buffer.filled().len();
            *budget = budget.saturating_sub(count);
            if read.is_err() || count == 0 || *budget == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.ahead.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        } else {
            let count = this.ahead.len().min(buffer.remaining());
            buffer.put_slice(this.ahead.get(..count).unwrap_or_default());
            this.ahead.advance(count);
        }
        let heard = buffer.filled().get(before..).unwrap_or_default();
        let may_go_on = this.frames.hear(heard, clock::now());
        this.tally.note_opened(this.frames.take_opened());
        if may_go_on {
            return Poll::Ready(Ok(()));
        }
        // Not another byte is read; whoever accepts the streams says goodbye.
        buffer.set_filled(before);
        this.tally.abuse();
        Poll::Pending
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.mind(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.mind(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.mind(flushed.map_ok(|()| 0), context).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_none() {
            let ended = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.mind(ended.map_ok(|()| 0), context))?;
            this.farewell = Some((Box::pin(sleep(FAREWELL)), FAREWELL_BYTES_MAX));
        }
        this.poll_farewell(context)
    }
}
