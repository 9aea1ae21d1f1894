//! Connections to the endpoints of a service, kept for the next call.
//!
//! A connection has no task of its own: whoever waits for an answer drives it, so that an answer wakes
//! nobody else. One that nobody uses is looked at when it is taken, and again when its time is over.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_upstream::Timeouts;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::spawn::spawn;

const IDLE_PER_ENDPOINT_MAX: usize = 256;
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEAD_FIELDS_MAX: usize = 100;

/// Those that nobody uses.
#[derive(Debug)]
pub(super) struct Lines {
    idle: Mutex<Idle>,
    /// Tells somebody who waits for a new one that there is one that was used before.
    returned: Notify,
    timeouts: Timeouts,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one that was used last stands last.
    lines: Vec<Parked>,
    is_swept: bool,
}

#[derive(Debug)]
struct Parked {
    line: Box<Line>,
    since: Instant,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    sender: SendRequest<Empty<Bytes>>,
    connection: Connection<TokioIo<TcpStream>, Empty<Bytes>>,
    endpoint: SocketAddr,
    /// Whether it carried a call before, so that its end may be older than this one.
    pub(super) was_used: bool,
    is_over: bool,
}

impl Lines {
    pub(super) fn new(timeouts: Timeouts, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            idle: Mutex::default(),
            returned: Notify::new(),
            timeouts,
            clock,
        })
    }

    /// Whichever can be had first: a new one, or one that others are done with. Nothing where no
    /// connection comes about in time.
    pub(super) async fn get(&self, endpoint: SocketAddr) -> Option<Box<Line>> {
        if let Some(line) = self.take(endpoint) {
            return Some(line);
        }
        let mut opening = pin!(self.open(endpoint));
        loop {
            tokio::select! {
                biased;
                opened = &mut opening => return opened,
                () = self.returned.notified() => {
                    if let Some(line) = self.take(endpoint) {
                        return Some(line);
                    }
                }
            }
        }
    }

    /// One that is open and used by nobody.
    fn take(&self, endpoint: SocketAddr) -> Option<Box<Line>> {
        loop {
            let mut parked = self.lock().take(endpoint)?;
            let age = self.clock.now().saturating_duration_since(parked.since);
            if age < self.timeouts.idle && parked.line.is_open() {
                return Some(parked.line);
            }
        }
    }

    /// A new one; nothing where no connection comes about in time.
    pub(super) async fn open(&self, endpoint: SocketAddr) -> Option<Box<Line>> {
        let connecting = timeout(self.timeouts.connect, TcpStream::connect(endpoint));
        let stream = connecting.await.ok()?.ok()?;
        stream.set_nodelay(true).ok()?;
        let handshake = Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEAD_FIELDS_MAX)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.ok()?;
        Some(Box::new(Line {
            sender,
            connection,
            endpoint,
            was_used: false,
            is_over: false,
        }))
    }

    /// Takes one back whose answer was read to its end.
    pub(super) fn put(self: &Arc<Self>, mut line: Box<Line>) {
        line.was_used = true;
        if !line.is_open() {
            return;
        }
        let mut idle = self.lock();
        let endpoint = line.endpoint;
        let is_there = |parked: &&Parked| parked.line.endpoint == endpoint;
        if idle.lines.iter().filter(is_there).count() >= IDLE_PER_ENDPOINT_MAX {
            return;
        }
        let since = self.clock.now();
        idle.lines.push(Parked { line, since });
        self.returned.notify_one();
        if !std::mem::replace(&mut idle.is_swept, true) {
            let lines = Arc::downgrade(self);
            spawn(
                "composer idle connections",
                sweep(lines, self.timeouts.idle),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes those whose time is over. Whether there are others.
    fn close_old(&self) -> bool {
        let now = self.clock.now();
        let mut idle = self.lock();
        let (idle_max, lines) = (self.timeouts.idle, &mut idle.lines);
        lines.retain_mut(|parked| {
            now.saturating_duration_since(parked.since) < idle_max && parked.line.is_open()
        });
        idle.is_swept = !idle.lines.is_empty();
        idle.is_swept
    }
}

/// Goes on as long as there is something to be closed.
async fn sweep(lines: Weak<Lines>, every: Duration) {
    loop {
        sleep(every).await;
        if !lines.upgrade().is_some_and(|lines| lines.close_old()) {
            return;
        }
    }
}

impl Idle {
    fn take(&mut self, endpoint: SocketAddr) -> Option<Parked> {
        let is_there = |parked: &Parked| parked.line.endpoint == endpoint;
        let place = self.lines.iter().rposition(is_there)?;
        Some(self.lines.remove(place))
    }
}

impl Line {
    /// Sends a request; the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        let Self {
            sender,
            connection,
            is_over,
            ..
        } = self;
        drive(connection, is_over, sender.send_request(request)).await
    }

    /// Waits for something that comes over this connection.
    pub(super) async fn wait<F: Future>(&mut self, awaited: F) -> F::Output {
        drive(&mut self.connection, &mut self.is_over, awaited).await
    }

    /// Whether another request can be sent. Nobody waits for what happens to it from here on.
    fn is_open(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        if !self.is_over {
            self.is_over = Pin::new(&mut self.connection).poll(&mut nobody).is_ready();
        }
        !self.is_over && self.sender.is_ready()
    }
}

/// Waits for something that comes about by nothing but what this connection does. So it need not wake
/// anybody by itself: it is looked at whenever the connection did something.
async fn drive<F: Future>(
    connection: &mut Connection<TokioIo<TcpStream>, Empty<Bytes>>,
    is_over: &mut bool,
    awaited: F,
) -> F::Output {
    let mut awaited = pin!(awaited);
    poll_fn(|context| {
        let mut nobody = Context::from_waker(Waker::noop());
        if let Poll::Ready(output) = awaited.as_mut().poll(&mut nobody) {
            return Poll::Ready(output);
        }
        if !*is_over {
            *is_over = Pin::new(&mut *connection).poll(context).is_ready();
        }
        awaited.as_mut().poll(&mut nobody)
    })
    .await
}

#[cfg(test)]
mod tests;
