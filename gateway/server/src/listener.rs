//! Sockets that accept, bound by us so that a taken port is an error at start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::rejection::Rejection;
use tokio::net::{TcpListener, TcpStream};

use crate::answer::Answer;
use crate::clock;
use crate::connection;
use crate::exchange::{Peer, Request};
use crate::gateway::Gateway;
use crate::lifecycle::draining;
use crate::spawn::spawn;

/// How long accepting rests when the system has no more file descriptors.
const REST: Duration = Duration::from_millis(50);

/// Accepts until the drain begins.
pub(crate) async fn accept(gateway: Arc<Gateway>, listener: TcpListener) {
    let mut phase = gateway.lifecycle.watch_phase();
    loop {
        tokio::select! {
            accepted = listener.accept() => take(&gateway, accepted).await,
            () = draining(&mut phase) => break,
        }
    }
    // What the kernel accepted for us before the socket closes is served, not reset.
    while let Some(accepted) = accept_waiting(&listener).await {
        take(&gateway, Ok(accepted)).await;
    }
}

async fn accept_waiting(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    tokio::time::timeout(Duration::ZERO, listener.accept())
        .await
        .ok()?
        .ok()
}

async fn take(gateway: &Arc<Gateway>, accepted: io::Result<(TcpStream, SocketAddr)>) {
    match accepted {
        Ok((stream, peer)) => greet(gateway, stream, peer),
        // The client is already gone; that is its business.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(REST).await;
        }
    }
}

fn greet(gateway: &Arc<Gateway>, stream: TcpStream, peer: SocketAddr) {
    let connections_max = gateway.snapshot.load().limits.connections_max;
    let Some(open) = gateway.lifecycle.open(connections_max) else {
        turn_away(gateway, &stream, peer);
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is gone already");
        return;
    }
    let gateway = Arc::clone(gateway);
    spawn("connection", async move {
        gateway.metrics.connections.inc();
        connection::serve(&gateway, stream, peer).await;
        gateway.metrics.connections.dec();
        drop(open);
    });
}

/// Over the ceiling there is one answer and no waiting for anything.
fn turn_away(gateway: &Gateway, stream: &TcpStream, peer: SocketAddr) {
    let request = Request::unread(&Peer::new(peer), clock::now());
    let answer = Answer::new(&Rejection::TooManyConnections, &request, true);
    // A fresh socket has room for an answer; if not, the close says it all.
    let _ = stream.try_write(&answer.bytes);
    gateway.account_refused(&request, &Rejection::TooManyConnections, answer.body_bytes);
}
