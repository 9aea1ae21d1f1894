//! A pipe inside the process, for a client whose bytes come some other way than by a socket of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, DuplexStream, ReadBuf, ReadHalf, WriteHalf};

/// The end that is served like a socket.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(super) end: DuplexStream,
    breaks: Arc<Breaks>,
}

/// The end of whoever speaks for the client.
#[derive(Debug)]
pub(crate) struct FarEnd {
    pub(crate) reading: ReadHalf<DuplexStream>,
    pub(crate) writing: WriteHalf<DuplexStream>,
    pub(crate) breaks: Arc<Breaks>,
}

/// Whether the end of the far end is that of a client; an end in itself says nothing bad.
#[derive(Debug, Default)]
pub(crate) struct Breaks {
    client_left: AtomicBool,
}

impl Breaks {
    /// To be said before the far end is dropped.
    pub(crate) fn leave(&self) {
        self.client_left.store(true, Ordering::Release);
    }
}

impl Pipe {
    /// A pipe that holds up to so many bytes each way.
    pub(crate) fn new(bytes_max: usize) -> (Self, FarEnd) {
        let (near, far) = tokio::io::duplex(bytes_max);
        let breaks = Arc::new(Breaks::default());
        let (reading, writing) = tokio::io::split(far);
        let far = FarEnd {
            reading,
            writing,
            breaks: Arc::clone(&breaks),
        };
        (Self { end: near, breaks }, far)
    }

    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.end).poll_read(context, buffer))?;
        let is_end = buffer.filled().len() == before;
        // A client that reset its stream left; one that ended it is still waiting.
        if is_end && self.breaks.client_left.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}
