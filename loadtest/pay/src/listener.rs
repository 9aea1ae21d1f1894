//! The accept loop: connections with a ceiling, deadlines on heads, an orderly end, and the raw
//! bytes of spoiled answers.
//!
//! It is ours because two things are out of a router's reach: how many connections there may be,
//! and a broken answer. To break one, hyper is told that the service failed, upon which it gives
//! the socket back without having written anything.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tower::Service as _;

use crate::desk::Endpoint;
use crate::faults::Spoil;
use crate::spoiled::{self, Spoiled};
use crate::tasks::spawn;

const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEAD_FIELDS_MAX: usize = 100;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener lets clients do.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Open connections per listener; more wait in the backlog.
    pub connections_max: u32,
    /// How long a head may take, and also how long a kept connection may idle. It is longer than
    /// the minute for which proxies keep idle connections, so that the proxy closes first and
    /// never sends a request into a connection that is being closed.
    pub head_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            head_timeout: Duration::from_secs(75),
        }
    }
}

/// How far a server has come in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// No new connections; those that are open end after their current answer.
    Draining,
    Stopped,
}

/// A server behind one address.
#[derive(Debug)]
pub(crate) struct Listening {
    accepting: JoinHandle<()>,
    connections: Arc<Semaphore>,
    connections_max: u32,
}

#[derive(Clone)]
struct Served {
    router: Router,
    endpoint: Endpoint,
    limits: ConnectionLimits,
    phase: watch::Receiver<Phase>,
}

impl Listening {
    pub(crate) fn start(
        listener: TcpListener,
        (router, endpoint): (Router, usize),
        limits: ConnectionLimits,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let connections_max = limits.connections_max;
        let connections = Arc::new(Semaphore::new(connections_max as usize));
        let served = Served {
            router,
            endpoint: Endpoint(endpoint),
            limits,
            phase,
        };
        let accepting = spawn(
            "pay accept loop",
            accept(listener, served, Arc::clone(&connections)),
        );
        Self {
            accepting,
            connections,
            connections_max,
        }
    }

    /// Returns once the last connection is gone; call it when the phase is no longer serving.
    pub(crate) async fn drained(&mut self) {
        if !self.accepting.is_finished() {
            // The loop ends with the phase, and a panic in it has been reported by name.
            let _ = (&mut self.accepting).await;
        }
        let _ = self.connections.acquire_many(self.connections_max).await;
    }
}

async fn accept(listener: TcpListener, served: Served, connections: Arc<Semaphore>) {
    let mut phase = served.phase.clone();
    let mut ended = pin!(phase.wait_for(|phase| *phase != Phase::Serving));
    loop {
        let next = async {
            let permit = Arc::clone(&connections).acquire_owned().await.ok()?;
            Some((permit, listener.accept().await))
        };
        let accepted = tokio::select! {
            _ = &mut ended => return,
            accepted = next => accepted,
        };
        match accepted {
            Some((permit, Ok((stream, _)))) => {
                spawn("pay connection", converse(stream, served.clone(), permit));
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => return,
        }
    }
}

async fn converse(stream: TcpStream, served: Served, _permit: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection broke before its first request");
        return;
    }
    let mut phase = served.phase.clone();
    tokio::select! {
        () = serve(stream, &served) => {}
        _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {}
    }
}

async fn serve(stream: TcpStream, served: &Served) {
    let slot = Slot::default();
    let service = {
        let (router, endpoint, slot) = (served.router.clone(), served.endpoint, Arc::clone(&slot));
        service_fn(move |request| answer(router.clone(), endpoint, Arc::clone(&slot), request))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(served.limits.head_timeout)
        .max_headers(HEAD_FIELDS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);

    let mut phase = served.phase.clone();
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(ended),
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }

    let mut stream = connection.into_parts().io.into_inner();
    let spoiled = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let closed = match spoiled {
        Some(spoiled) => spoiled::play(stream, spoiled).await,
        None => stream.shutdown().await,
    };
    if let Err(error) = closed {
        tracing::debug!(%error, "a client was gone before its connection was closed");
    }
}

/// Tells hyper to let go of the connection.
#[derive(Debug, thiserror::Error)]
#[error("the answer is given in raw bytes")]
struct LetGo;

/// The spoiled answer that a connection is to end with.
type Slot = Arc<Mutex<Option<Spoiled>>>;

type Answer = Pin<Box<dyn Future<Output = Result<Response, LetGo>> + Send>>;

fn answer(
    mut router: Router,
    endpoint: Endpoint,
    slot: Slot,
    request: Request<Incoming>,
) -> Answer {
    Box::pin(async move {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(endpoint);
        let answered: Result<Response, Infallible> = router.call(request).await;
        let Ok(mut response) = answered;
        let Some(spoil) = response.extensions_mut().remove::<Spoil>() else {
            return Ok(response);
        };
        let spoiled = Spoiled::render(spoil, response).await;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(spoiled);
        Err(LetGo)
    })
}
