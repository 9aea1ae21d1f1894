//! Sockets that accept, bound by us so that a taken port is an error at start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::level::Level;
use gateway_core::rejection::Rejection;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::answer::Answer;
use crate::clock;
use crate::connection;
use crate::exchange::{Peer, Request};
use crate::gateway::Gateway;
use crate::lifecycle::draining;
use crate::spawn::spawn;
use crate::wire::Stream;

/// How long accepting rests when the system has no more file descriptors.
const REST: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted, where the system allows as many (`somaxconn`). Past them the
/// kernel resets clients, so that the usual thousand is too few for all to come back at once.
const WAITING_MAX: u16 = 4096;

/// Binds an address and begins to listen.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of the process before may still linger on the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX.into())
}

/// Accepts until the drain begins. Every connection has the level of its listener.
pub(crate) async fn accept(gateway: Arc<Gateway>, listener: TcpListener, level: Level) {
    let mut phase = gateway.lifecycle.watch_phase();
    loop {
        tokio::select! {
            accepted = listener.accept() => take(&gateway, accepted, level).await,
            () = draining(&mut phase) => break,
        }
    }
    // What the kernel accepted for us before the socket closes is served, not reset.
    match listener.into_std() {
        Ok(listener) => accept_waiting(&gateway, &listener, level),
        Err(error) => tracing::warn!(%error, "connections that wait to be accepted are reset"),
    }
}

/// Asks the kernel itself: the runtime may not have heard yet of what arrived last.
fn accept_waiting(gateway: &Arc<Gateway>, listener: &std::net::TcpListener, level: Level) {
    let waiting = std::iter::repeat_with(|| listener.accept()).map_while(Result::ok);
    // Whoever keeps coming after that must not keep the process.
    for (stream, peer) in waiting.take(WAITING_MAX.into()) {
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(stream));
        match stream {
            Ok(stream) => greet(gateway, stream, Peer::new(peer, level)),
            Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
        }
    }
}

async fn take(gateway: &Arc<Gateway>, accepted: io::Result<(TcpStream, SocketAddr)>, level: Level) {
    match accepted {
        Ok((stream, peer)) => greet(gateway, stream, Peer::new(peer, level)),
        // The client is already gone; that is its business.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(REST).await;
        }
    }
}

fn greet(gateway: &Arc<Gateway>, stream: TcpStream, peer: Arc<Peer>) {
    let connections_max = gateway.snapshot.load().limits.connections_max;
    let Some(open) = gateway.lifecycle.open(connections_max) else {
        turn_away(gateway, &stream, &peer);
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is gone already");
        return;
    }
    let gateway = Arc::clone(gateway);
    spawn("connection", async move {
        connection::serve(&gateway, Stream::Plain(stream), peer).await;
        drop(open);
    });
}

/// Over the ceiling there is one answer and no waiting for anything.
fn turn_away(gateway: &Gateway, stream: &TcpStream, peer: &Arc<Peer>) {
    let request = Request::unread(peer, clock::now(), b"");
    let answer = Answer::new(&Rejection::TooManyConnections, &request, true);
    // A fresh socket has room for an answer; if not, the close says it all.
    let _ = stream.try_write(&answer.bytes);
    gateway.account_refused(&request, &Rejection::TooManyConnections, answer.body_bytes);
}
