//! Sockets that accept, bound by us so that a taken port is an error at start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::level::Level;
use gateway_core::rejection::Rejection;
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::answer::Answer;
use crate::clock;
use crate::connection;
use crate::exchange::{Peer, Request};
use crate::gateway::Gateway;
use crate::lifecycle::draining;
use crate::spawn::spawn;
use crate::streams;
use crate::tls::{self, Secured};
use crate::wire::{Stream, Wire};

/// How long accepting rests when the system has no more file descriptors.
const REST: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted, where the system allows as many (`somaxconn`). Past them the
/// kernel resets clients, so that the usual thousand is too few for all to come back at once.
const WAITING_MAX: u16 = 4096;
/// How long a handshake of TCP may still take once the drain has begun.
const LAST_HANDSHAKES: Duration = Duration::from_millis(100);

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

/// By which listener a connection comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrance {
    /// Among the listeners of the snapshot.
    pub(crate) place: usize,
    pub(crate) level: Level,
    /// Whether a client may begin with HTTP/2.
    pub(crate) h2c: bool,
}

/// Accepts until the drain begins. Every connection has the level of its listener.
pub(crate) async fn accept(gateway: Arc<Gateway>, listener: TcpListener, entrance: Entrance) {
    let mut phase = gateway.lifecycle.watch_phase();
    loop {
        tokio::select! {
            accepted = listener.accept() => take(&gateway, accepted, entrance).await,
            () = draining(&mut phase) => break,
        }
        // One at a time: a crowd at the door does not hold up those who are inside.
        tokio::task::yield_now().await;
    }
    // Whoever is told that a connection is there is served, not reset when the socket closes. So from
    // here on none begins, and those that began before may become connections.
    if let Err(error) = begin_no_more(&listener) {
        tracing::warn!(%error, "connections that begin just now may be reset");
    }
    let begun = async {
        loop {
            take(&gateway, listener.accept().await, entrance).await;
        }
    };
    // It ends by the deadline and in no other way.
    let _: Result<(), _> = tokio::time::timeout(LAST_HANDSHAKES, begun).await;
    match listener.into_std() {
        Ok(listener) => accept_waiting(&gateway, &listener, entrance),
        Err(error) => tracing::warn!(%error, "connections that wait to be accepted are reset"),
    }
}

/// Lets the kernel drop what would begin a connection; the client tries again in a second, when the
/// socket is closed, or another process listens.
#[cfg(target_os = "linux")]
fn begin_no_more(listener: &TcpListener) -> io::Result<()> {
    /// Of the header of TCP, the byte with the flags, and the flag that begins a connection.
    const FLAGS: u32 = 13;
    const SYN: u32 = 2;
    let filter = [
        SockFilter::new(0x30, 0, 0, FLAGS), // load that byte
        SockFilter::new(0x45, 0, 1, SYN),   // is the flag set?
        SockFilter::new(0x06, 0, 0, 0),     // then drop the packet
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&filter)
}

#[cfg(not(target_os = "linux"))]
fn begin_no_more(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks the kernel itself: the runtime may not have heard yet of what arrived last.
fn accept_waiting(gateway: &Arc<Gateway>, listener: &std::net::TcpListener, entrance: Entrance) {
    let waiting = std::iter::repeat_with(|| listener.accept()).map_while(Result::ok);
    // Whoever keeps coming after that must not keep the process.
    for (stream, peer) in waiting.take(WAITING_MAX.into()) {
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(stream));
        match stream {
            Ok(stream) => greet(gateway, stream, peer, entrance),
            Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
        }
    }
}

async fn take(
    gateway: &Arc<Gateway>,
    accepted: io::Result<(TcpStream, SocketAddr)>,
    entrance: Entrance,
) {
    match accepted {
        Ok((stream, peer)) => greet(gateway, stream, peer, entrance),
        // The client is already gone; that is its business.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(REST).await;
        }
    }
}

fn greet(gateway: &Arc<Gateway>, stream: TcpStream, peer: SocketAddr, entrance: Entrance) {
    let snapshot = gateway.snapshot.load();
    let secured = snapshot.secured(entrance.place).cloned();
    let scheme = if secured.is_some() { "https" } else { "http" };
    let peer = Peer::new(peer, entrance, scheme);
    let Some(open) = gateway.lifecycle.open(snapshot.limits.connections_max) else {
        turn_away(gateway, &stream, &peer, secured.is_some());
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is gone already");
        return;
    }
    let gateway = Arc::clone(gateway);
    spawn("connection", async move {
        converse(&gateway, stream, peer, secured).await;
        drop(open);
    });
}

async fn converse(
    gateway: &Arc<Gateway>,
    stream: TcpStream,
    peer: Arc<Peer>,
    secured: Option<Secured>,
) {
    let Some(secured) = secured else {
        return connection::serve(gateway, Stream::Plain(stream), peer).await;
    };
    let Some(stream) = secured.shake_hands(gateway, stream, &peer).await else {
        return;
    };
    let is_http2 = tls::agreed_on_http2(&stream);
    let stream = Stream::Tls(Box::new(stream));
    if is_http2 {
        return streams::serve(gateway, Wire::new(stream), &peer).await;
    }
    connection::serve(gateway, stream, peer).await;
}

/// Over the ceiling there is one answer and no waiting for anything. Under TLS that would take a
/// handshake, so there the close has to say it.
fn turn_away(gateway: &Gateway, stream: &TcpStream, peer: &Arc<Peer>, is_secured: bool) {
    let request = Request::unread(peer, clock::now(), b"");
    let answer = Answer::new(&Rejection::TooManyConnections, &request, true);
    let mut body_bytes = 0;
    // A fresh socket has room for an answer; if not, the close says it all.
    if !is_secured && stream.try_write(&answer.bytes).is_ok() {
        body_bytes = answer.body_bytes;
    }
    gateway.account_refused(&request, &Rejection::TooManyConnections, body_bytes);
}
