//! Connections to one endpoint, and the spare ones among them.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 8 * 1024;
/// Spare connections kept per endpoint.
const SPARE_MAX: usize = 512;
/// A larger buffer is not kept with a spare connection.
const KEPT_BUFFER_BYTES_MAX: usize = 16 * 1024;

/// A connection to a service.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) stream: TcpStream,
    /// Read from the service, not yet passed on.
    pub(super) buffer: BytesMut,
    /// Whether an exchange was carried here before.
    pub(super) was_used: bool,
    /// Whether a byte of the answer to the present request came.
    pub(super) has_spoken: bool,
}

impl Link {
    pub(super) async fn connect(address: SocketAddr, deadline: Duration) -> io::Result<Self> {
        let connecting = TcpStream::connect(address);
        let stream = tokio::time::timeout(deadline, connecting)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
            was_used: false,
            has_spoken: false,
        })
    }

    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(READ_BYTES);
        let count = ready!(pin!(self.stream.read_buf(&mut self.buffer)).poll(context))?;
        self.has_spoken |= count > 0;
        Poll::Ready(Ok(count))
    }

    /// Whether nothing came while nobody asked: neither the end nor bytes that belong to no request.
    /// The socket itself is asked; what the runtime knows of it may be a moment old, and a stray byte
    /// would become the beginning of somebody's answer.
    fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The spare connections of one endpoint, the last used on top.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<Spare>>);

#[derive(Debug)]
struct Spare {
    link: Link,
    since: Instant,
}

impl Spares {
    /// Takes a connection that is still good; those found dead on the way are dropped.
    pub(super) fn take(&self) -> Option<Link> {
        loop {
            let spare = self.lock().pop()?;
            if spare.link.is_quiet() {
                return Some(spare.link);
            }
        }
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn keep(&self, mut link: Link, now: Instant) {
        link.was_used = true;
        link.has_spoken = false;
        if link.buffer.capacity() > KEPT_BUFFER_BYTES_MAX {
            link.buffer = BytesMut::new();
        }
        let mut spares = self.lock();
        if spares.len() < SPARE_MAX {
            spares.push(Spare { link, since: now });
        }
    }

    /// Drops connections that were not used for `idle`, and those the service closed.
    pub(crate) fn sweep(&self, idle: Duration, now: Instant) {
        let is_fresh = |spare: &Spare| now.saturating_duration_since(spare.since) < idle;
        let gone: Vec<_> = {
            let mut spares = self.lock();
            let is_gone = |spare: &mut Spare| !is_fresh(spare) || !spare.link.is_quiet();
            spares.extract_if(.., is_gone).collect()
        };
        // Closing costs system calls, and nobody has to wait for them.
        drop(gone);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
