//! The accept loop of both listeners: a ceiling of connections, deadlines on heads and on whole
//! requests, and an orderly end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::desk::Desk;
use crate::protocol::{self, Left};
use crate::spawn::spawn;

mod prompt;

pub(crate) use prompt::Prompt;

const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEAD_FIELDS_MAX: usize = 64;
/// How long a head may take, and how long a kept connection may idle: longer than proxies keep one,
/// so that it is never closed under a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
const CONNECTIONS_MAX: u32 = 4096;
const WAITING_MAX: u32 = 1024;
/// How long accepting rests when the system has no more file descriptors.
const REST: Duration = Duration::from_millis(50);

/// How far the process has come in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// No new connections; open ones end after the answer that is under way.
    Draining,
    Stopped,
}

/// What requests are answered by.
pub(crate) trait Answers:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + Unpin>
    + Clone
    + Send
    + Unpin
    + 'static
{
}

impl<S> Answers for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + Unpin>
        + Clone
        + Send
        + Unpin
        + 'static
{
}

/// What is asked on connections of one address, and by what it is answered.
#[derive(Clone)]
struct Asked<A> {
    /// Who answers machines, if any come here.
    machines: Option<Arc<Desk>>,
    others: A,
    phase: watch::Receiver<Phase>,
}

/// A service behind one address.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
    connections: Arc<Semaphore>,
}

/// Binds an address and begins to listen.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of the process before may still linger on the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

impl Listening {
    pub(crate) fn start(
        listener: TcpListener,
        answers: impl Answers,
        machines: Option<Arc<Desk>>,
        phase: watch::Receiver<Phase>,
    ) -> io::Result<Self> {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let address = listener.local_addr()?;
        let asked = Asked {
            machines,
            others: answers,
            phase,
        };
        let accepting = accept(listener, asked, Arc::clone(&connections));
        Ok(Self {
            address,
            accepting: spawn("accept loop", accepting),
            connections,
        })
    }

    /// Returns once the last connection is gone; call it when the phase is no longer serving.
    pub(crate) async fn drained(self) {
        // The loop ends with the phase, and a panic in it has been reported by name.
        let _ = self.accepting.await;
        let _ = self.connections.acquire_many(CONNECTIONS_MAX).await;
    }
}

async fn accept(listener: TcpListener, asked: Asked<impl Answers>, connections: Arc<Semaphore>) {
    let mut watched = asked.phase.clone();
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
                spawn("connection", converse(stream, asked.clone(), permit));
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST).await;
            }
            None => return,
        }
    }
}

async fn converse(stream: TcpStream, asked: Asked<impl Answers>, _permit: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection broke before its first request");
        return;
    }
    let mut stream = Prompt::new(stream);
    if let Some(desk) = &asked.machines {
        let mut watched = asked.phase.clone();
        let left = tokio::select! {
            biased;
            left = protocol::converse(desk, &mut stream, asked.phase.clone()) => left,
            _ = watched.wait_for(|phase| *phase == Phase::Stopped) => Left::Over,
        };
        match left {
            Left::Over => return,
            Left::Other(ahead) => stream.put_back(ahead),
        }
    }
    let Asked {
        others, mut phase, ..
    } = asked;
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEAD_FIELDS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), others);
    // This is polled with every request: the connection first, which most often is what it is for.
    let ended = tokio::select! {
        biased;
        ended = poll_fn(|cx| Pin::new(&mut connection).poll_without_shutdown(cx)) => Some(ended),
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                _ = phase.wait_for(|phase| *phase == Phase::Stopped) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
