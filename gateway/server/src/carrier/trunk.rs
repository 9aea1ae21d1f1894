//! Connections in HTTP/2 to one endpoint, each shared by many exchanges.
//!
//! A connection is opened when an exchange finds no room on those there are; one opens, the others
//! wait. It is left to itself once it is idle for long, once the endpoint announced its end (GOAWAY),
//! or when it gives no sign of life. A task of its own drives each connection.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::clock;
use crate::spawn::spawn;

use drive::{Signs, drive};
use open::open;
pub(crate) use open::{AskError, status};

mod drive;
mod open;

/// Exchanges on one connection at once, if the endpoint takes as many.
const STREAMS_MAX: usize = 128;
/// Connections to one endpoint.
const TRUNKS_MAX: usize = 64;
/// A connection that is at its end when it is used is replaced so often.
const TURNS_MAX: usize = 3;

/// The connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Trunks {
    address: SocketAddr,
    /// For a connection to be there, the settings of the endpoint included.
    connect: Duration,
    state: Mutex<State>,
    /// A connection came, or did not, or has room again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: Vec<Arc<Trunk>>,
    is_opening: bool,
    is_closed: bool,
    /// Connections that did not come about.
    failures: u64,
}

/// One connection.
#[derive(Debug)]
struct Trunk {
    requests: SendRequest<Bytes>,
    /// Exchanges that are on it now.
    taken: AtomicUsize,
    was_used: AtomicBool,
    /// Counts what came of answers: a connection on which something comes is alive.
    heard: AtomicU64,
    idle_since: Mutex<Instant>,
}

/// Room for one exchange on a connection.
#[derive(Debug)]
pub(super) struct Lane {
    trunk: Arc<Trunk>,
    trunks: Arc<Trunks>,
    /// Whether no exchange was carried on the connection before.
    pub(super) is_first: bool,
    /// Whether the connection was kept with nobody using it.
    pub(super) was_idle: bool,
}

/// Why there is no room for an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoLane {
    /// No connection came about.
    Unreachable,
    /// As many connections as allowed are open, and all are full.
    Full,
}

/// A request that was sent, with its body still to come, and the answer that will be.
pub(super) type Asked = (ResponseFuture, SendStream<Bytes>);

impl Trunks {
    pub(crate) fn new(address: SocketAddr, connect: Duration) -> Arc<Self> {
        Arc::new(Self {
            address,
            connect,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Sends the head of a request on a connection with room for it. Where this fails, nothing was
    /// sent.
    pub(super) async fn ask(
        self: &Arc<Self>,
        request: &Request<()>,
        is_whole: bool,
    ) -> Result<(Lane, Asked), NoLane> {
        for _ in 0..TURNS_MAX {
            let lane = self.lane().await?;
            match lane.ask(request.clone(), is_whole) {
                Ok(asked) => return Ok((lane, asked)),
                Err(error) => {
                    tracing::debug!(endpoint = %self.address, %error, "a connection was at its end");
                    self.retire(&lane.trunk);
                }
            }
        }
        Err(NoLane::Unreachable)
    }

    async fn lane(self: &Arc<Self>) -> Result<Lane, NoLane> {
        let mut failures = None;
        let found = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                let (lane, failed) = self.find();
                if let Some(lane) = lane {
                    return Ok(lane);
                }
                if failed > *failures.get_or_insert(failed) {
                    return Err(NoLane::Unreachable);
                }
                changed.await;
            }
        };
        let waited = timeout(self.connect, found).await;
        waited.unwrap_or_else(|_| Err(self.lack()))
    }

    /// Finds room, or sees to it that there will be some; and how often that failed before.
    fn find(self: &Arc<Self>) -> (Option<Lane>, u64) {
        let mut state = self.state();
        state.open.retain(|trunk| trunk.takes_requests());
        let with_room = state.open.iter().find(|trunk| trunk.has_room());
        if let Some(trunk) = with_room {
            let lane = Lane {
                is_first: !trunk.was_used.swap(true, Ordering::Relaxed),
                was_idle: trunk.taken.fetch_add(1, Ordering::Relaxed) == 0,
                trunk: Arc::clone(trunk),
                trunks: Arc::clone(self),
            };
            return (Some(lane), state.failures);
        }
        if !state.is_opening && !state.is_closed && state.open.len() < TRUNKS_MAX {
            state.is_opening = true;
            spawn("trunk", run(Opening::of(self), self.address, self.connect));
        }
        (None, state.failures)
    }

    /// What is missing when no room was found in time.
    fn lack(&self) -> NoLane {
        match self.state().open.is_empty() {
            true => NoLane::Unreachable,
            false => NoLane::Full,
        }
    }

    fn note_opened(&self, trunk: &Arc<Trunk>) {
        let mut state = self.state();
        state.is_opening = false;
        if !state.is_closed {
            state.open.push(Arc::clone(trunk));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn note_failed(&self) {
        let mut state = self.state();
        state.is_opening = false;
        state.failures += 1;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Sends no more exchanges down a connection; those under way go on.
    fn retire(&self, gone: &Arc<Trunk>) {
        self.state().open.retain(|trunk| !Arc::ptr_eq(trunk, gone));
    }

    /// Lets go of connections that were idle for `idle`, and of those the endpoint ends.
    pub(crate) fn sweep(&self, idle: Duration, now: Instant) {
        let is_of_use = |trunk: &Arc<Trunk>| trunk.takes_requests() && !trunk.is_idle(idle, now);
        self.state().open.retain(is_of_use);
    }

    /// Lets go of all connections for good; exchanges under way go on.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.open.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.state().open.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is being opened. Unless it ends with one, whatever the reason, those who wait are
/// told that none came about.
struct Opening {
    trunks: Weak<Trunks>,
}

impl Opening {
    fn of(trunks: &Arc<Trunks>) -> Self {
        Self {
            trunks: Arc::downgrade(trunks),
        }
    }

    fn end_with(mut self, trunk: &Arc<Trunk>) -> Weak<Trunks> {
        let trunks = std::mem::take(&mut self.trunks);
        if let Some(known) = trunks.upgrade() {
            known.note_opened(trunk);
        }
        trunks
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(known) = self.trunks.upgrade() {
            known.note_failed();
        }
    }
}

/// Opens a connection and drives it to its end.
async fn run(opening: Opening, address: SocketAddr, connect: Duration) {
    let opened = timeout(connect, open(address)).await;
    let opened = opened.unwrap_or(Err(AskError::Late));
    let (requests, connection) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(endpoint = %address, error, "cannot connect");
            return;
        }
    };
    let trunk = Arc::new(Trunk {
        requests,
        taken: AtomicUsize::new(0),
        was_used: AtomicBool::new(false),
        heard: AtomicU64::new(0),
        idle_since: Mutex::new(clock::now()),
    });
    let trunks = opening.end_with(&trunk);
    // The connection ends by itself once nobody can send requests on it.
    let trunk_seen = Arc::downgrade(&trunk);
    drop(trunk);
    let signs = Signs::new(connect, clock::now());
    let end = drive(connection, &trunk_seen, signs).await;
    tracing::debug!(endpoint = %address, ?end, "a connection ended");
    if let (Some(trunks), Some(trunk)) = (trunks.upgrade(), trunk_seen.upgrade()) {
        trunks.retire(&trunk);
        trunks.changed.notify_waiters();
    }
}

impl Trunk {
    /// Whether the endpoint did not end the connection, as far as is known.
    fn takes_requests(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let ready = self.requests.clone().poll_ready(&mut context);
        !matches!(ready, Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        let most = self.requests.current_max_send_streams().min(STREAMS_MAX);
        self.taken.load(Ordering::Relaxed) < most
    }

    fn is_used(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > 0
    }

    fn is_idle(&self, idle: Duration, now: Instant) -> bool {
        let since = *self
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        !self.is_used() && now.saturating_duration_since(since) >= idle
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Lane {
    fn ask(&self, request: Request<()>, is_whole: bool) -> Result<Asked, h2::Error> {
        self.trunk.requests.clone().send_request(request, is_whole)
    }

    /// Notes that something of an answer came.
    pub(super) fn note_heard(&self) {
        self.trunk.heard.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let since = &self.trunk.idle_since;
        *since.lock().unwrap_or_else(PoisonError::into_inner) = clock::now();
        self.trunk.taken.fetch_sub(1, Ordering::Relaxed);
        self.trunks.changed.notify_one();
    }
}

/// Waits until a stream may send something, and tells how much. `None`: the service wants no more.
pub(super) async fn room(sink: &mut SendStream<Bytes>, wanted: usize) -> Option<usize> {
    sink.reserve_capacity(wanted);
    poll_fn(|context| {
        loop {
            let capacity = sink.capacity();
            if capacity > 0 {
                return Poll::Ready(Some(capacity));
            }
            match sink.poll_capacity(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
