//! What does a client meet before HTTP begins, and how long may that take?
//!
//! The handshake is rustls', on the sockets that are accepted here. Which certificate a client is
//! shown is decided by the name it asks for (RFC 6066 section 3): an exact name before one with a
//! `*`, the first certificate where no name is asked for, and none for a name that nobody has. Early
//! data is not taken, since whoever records it can send it again (RFC 8446 section 8).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::ServerSessionMemoryCache;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tollgate_config::Tls;

use crate::exchange::Peer;
use crate::gateway::Gateway;
use crate::lifecycle::draining;
use crate::metrics::Handshake;

use certificates::Certificates;

mod certificates;

/// What may be spoken behind a handshake, most wanted first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
const HTTP2: &[u8] = b"h2";
/// Sessions of clients that keep no tickets; a session is a few hundred bytes.
const SESSIONS_MAX: usize = 4_096;
/// How long a handshake may still take once the drain has begun.
const LAST_HANDSHAKE: Duration = Duration::from_secs(1);

/// What all handshakes share, whatever the certificates. It outlives every reload, so that a client
/// that was here before can come back by the shorter handshake.
#[derive(Debug, Clone)]
pub(crate) struct Handshakes {
    shared: ServerConfig,
}

/// How a listener meets its clients, until the next reload.
#[derive(Debug, Clone)]
pub(crate) struct Secured {
    config: Arc<ServerConfig>,
    /// When the first of its certificates ceases to be valid.
    pub(crate) expires_unix_seconds: u64,
}

/// Whether the handshake agreed on HTTP/2.
pub(crate) fn agreed_on_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

impl Handshakes {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut shared = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Certificates::default()));
        shared.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // The keys of tickets are changed every six hours and forgotten after twelve.
        shared.ticketer = ring::Ticketer::new()?;
        shared.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
        Ok(Self { shared })
    }

    pub(crate) fn secure(&self, tls: &Tls) -> Secured {
        let mut config = self.shared.clone();
        config.cert_resolver = Arc::new(Certificates::new(&tls.certificates));
        let certificates = tls.certificates.iter();
        let expires = certificates.map(|certificate| certificate.expires_unix_seconds);
        Secured {
            config: Arc::new(config),
            expires_unix_seconds: expires.min().unwrap_or(u64::MAX),
        }
    }
}

impl Secured {
    /// `None` when there is no client to talk to in the end; why is logged and counted.
    pub(crate) async fn shake_hands(
        &self,
        gateway: &Gateway,
        stream: TcpStream,
        peer: &Peer,
    ) -> Option<TlsStream<TcpStream>> {
        let shaken = self.within_deadline(gateway, stream).await;
        let result = match &shaken {
            Some(Ok(_)) => Handshake::Ok,
            Some(Err(_)) => Handshake::Failed,
            None => Handshake::TimedOut,
        };
        gateway.metrics.tls.count(result);
        match shaken {
            Some(Ok(stream)) => return Some(stream),
            Some(Err(error)) => tracing::debug!(peer = peer.text, %error, "a handshake failed"),
            None => tracing::debug!(peer = peer.text, "a handshake took too long"),
        }
        None
    }

    async fn within_deadline(
        &self,
        gateway: &Gateway,
        stream: TcpStream,
    ) -> Option<io::Result<TlsStream<TcpStream>>> {
        let deadline = gateway.snapshot.load().deadlines.handshake;
        let mut phase = gateway.lifecycle.watch_phase();
        let too_late = async {
            draining(&mut phase).await;
            tokio::time::sleep(LAST_HANDSHAKE).await;
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let shaken = tokio::time::timeout(deadline, acceptor.accept(stream));
        tokio::select! {
            shaken = shaken => shaken.ok(),
            () = too_late => None,
        }
    }
}
