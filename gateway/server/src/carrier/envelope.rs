//! One request, and not a byte more, as a stream that a carrier can read.
//!
//! The carrier gets the head that was written for the next hop and then exactly the body that the
//! client's framing announces. What a client sends behind it stays with the connection for the next
//! head to be judged. When the carrier lets go of the stream, however it ends, the connection
//! returns to the loop it came from.

use std::fmt;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Buf;
use gateway_core::head::Framing;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Returned;
use crate::clock;
use crate::unread::{Pace, Unread};
use crate::wire::Wire;

/// Something handed to the carrier's side of an exchange and given back when that side lets go.
#[derive(Debug)]
pub(crate) struct HandBack<T>(Arc<Mutex<Option<T>>>);

impl<T> HandBack<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    pub(crate) fn give(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> Clone for HandBack<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(crate) struct Envelope {
    head: bytes::Bytes,
    unread: Unread,
    pace: Pace,
    /// Present until the stream is dropped.
    wire: Option<Wire>,
    patience: Duration,
    /// Runs once the request was read to its end.
    overdue: Option<Pin<Box<Sleep>>>,
    home: HandBack<Returned>,
}

/// The service has had its time; a carrier's own deadline begins anew with every byte that drips.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the exchange is overdue")]
pub(super) struct Overdue;

impl Envelope {
    /// `patience` is how long a service may take from the end of the request to that of its answer.
    pub(crate) fn new(
        wire: Wire,
        head: Vec<u8>,
        framing: Framing,
        patience: Duration,
        home: HandBack<Returned>,
    ) -> Self {
        Self {
            head: head.into(),
            unread: Unread::new(framing),
            pace: Pace::default(),
            wire: Some(wire),
            patience,
            overdue: None,
            home,
        }
    }

    fn wire(&mut self) -> io::Result<&mut Wire> {
        self.wire
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn poll_read_body(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.wire.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let Poll::Ready(filled) = wire.poll_fill(context) else {
            self.pace.wait(clock::now());
            return Poll::Pending;
        };
        if !filled? {
            return Poll::Ready(Ok(()));
        }
        let room = wire.ahead.len().min(buffer.remaining());
        let offered = wire.ahead.get(..room).unwrap_or_default();
        let count = self.unread.advance(offered)?;
        if self.pace.is_too_slow(count, clock::now()) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        buffer.put_slice(offered.get(..count).unwrap_or_default());
        wire.ahead.advance(count);
        Poll::Ready(Ok(()))
    }

    /// Behind the request there is nothing to read; only that the client broke the connection or that
    /// the service took too long can still be learned. A client that ended its side is waited for as
    /// if it had not.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patience = self.patience;
        let overdue = self
            .overdue
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if overdue.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Overdue)));
        }
        let wire = self.wire()?;
        if wire.ahead.is_empty() {
            ready!(wire.poll_fill(context))?;
        }
        Poll::Pending
    }
}

impl AsyncRead for Envelope {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.head.is_empty() {
            let count = this.head.len().min(buffer.remaining());
            buffer.put_slice(&this.head.split_to(count));
            return Poll::Ready(Ok(()));
        }
        if this.unread.is_nothing() {
            return this.poll_wait(context);
        }
        this.poll_read_body(context, buffer)
    }
}

impl AsyncWrite for Envelope {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().wire()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().wire()?.poll_send(context)
    }

    /// Whether the connection ends is for the loop to say; here it means "send what is written".
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        if let Some(wire) = self.wire.take() {
            self.home
                .give((wire, std::mem::replace(&mut self.unread, Unread::Nothing)));
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Envelope {
    async fn shutdown(&mut self) {
        if let Some(wire) = &mut self.wire {
            // A client that left cannot be sent anything; the loop learns of it at its next read.
            let _ = wire.send(&[]).await;
        }
    }
}

impl UniqueID for Envelope {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl Ssl for Envelope {}

impl GetTimingDigest for Envelope {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Envelope {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Envelope {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Envelope {}
