//! The accept loop of both listeners: a ceiling of connections, a deadline on heads, an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::spawn::spawn;

const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEAD_FIELDS_MAX: usize = 100;
/// How long a head may take, and how long a kept connection may idle: longer than proxies keep one,
/// so that it is never closed under a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
const CONNECTIONS_MAX: u32 = 4096;
const WAITING_MAX: u32 = 1024;
/// How long accepting rests when the system has no more file descriptors.
const REST: Duration = Duration::from_millis(50);

/// How far the process has come in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// No new connections; open ones end after the answer that is under way.
    Draining,
    Stopped,
}

/// What stands behind a listener.
pub(super) trait Answering: Send + Sync + 'static {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    accepting: JoinHandle<()>,
    connections: Arc<Semaphore>,
}

/// Binds an address and begins to listen.
pub(super) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of the process before may still linger on the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(WAITING_MAX)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Listening {
    pub(super) fn start<A: Answering>(
        (listener, address): (TcpListener, SocketAddr),
        answering: Arc<A>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let places = Arc::clone(&connections);
        let accepting = accept(listener, answering, phase, places);
        Self {
            address,
            accepting: spawn("composer accept loop", accepting),
            connections,
        }
    }

    /// Returns once the last connection is gone; call it when the phase is no longer serving.
    pub(super) async fn drained(self) {
        // The loop ends with the phase, and a panic in it has been reported by name.
        let _ = self.accepting.await;
        let _ = self.connections.acquire_many(CONNECTIONS_MAX).await;
    }
}

async fn accept<A: Answering>(
    listener: TcpListener,
    answering: Arc<A>,
    phase: watch::Receiver<Phase>,
    connections: Arc<Semaphore>,
) {
    let mut watched = phase.clone();
    let mut ended = pin!(watched.wait_for(|phase| *phase != Phase::Serving));
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
                let (answering, phase) = (Arc::clone(&answering), phase.clone());
                spawn(
                    "composer connection",
                    converse(stream, answering, phase, permit),
                );
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST).await;
            }
            None => return,
        }
    }
}

async fn converse<A: Answering>(
    stream: TcpStream,
    answering: Arc<A>,
    mut phase: watch::Receiver<Phase>,
    _permit: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection broke before its first request");
        return;
    }
    let mut stopped = phase.clone();
    let service = service_fn(move |request| {
        let answering = Arc::clone(&answering);
        async move { Ok::<_, Infallible>(answering.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEAD_FIELDS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let serving = async {
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
        };
        match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.as_mut().await
            }
        }
    };
    let ended = tokio::select! {
        ended = serving => ended,
        _ = stopped.wait_for(|phase| *phase == Phase::Stopped) => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
