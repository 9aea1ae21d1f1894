//! Servers behind TLS and in HTTP/2, for the generator to be held against.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::Bytes;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

use super::ANSWER;

/// What it speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) requests: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

impl Site {
    /// On a thread of its own; it ends with the process.
    pub(super) fn start(speaks: Speaks, is_secure: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let acceptor = is_secure.then(|| acceptor(folder.path(), speaks));
        let requests = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&requests);
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let serve = async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                    spawn_local(async move {
                        let Some(acceptor) = acceptor else {
                            return serve(stream, speaks, &count).await;
                        };
                        // Who does not trust us goes away.
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, speaks, &count).await;
                        }
                    });
                }
            };
            LocalSet::new().block_on(&runtime.unwrap(), serve);
        });
        Self {
            address: told.recv().unwrap(),
            requests,
            folder,
        }
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

fn acceptor(folder: &Path, speaks: Speaks) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    std::fs::write(folder.join("ca.pem"), made.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    if speaks == Speaks::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Arc::new(config).into()
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, speaks: Speaks, count: &AtomicU64) {
    match speaks {
        Speaks::Http1 => serve_http1(stream, count).await,
        Speaks::Http2 => serve_http2(stream, count).await,
    }
}

async fn serve_http1(mut stream: impl AsyncRead + AsyncWrite + Unpin, count: &AtomicU64) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        count.fetch_add(1, Ordering::Relaxed);
        // In two parts, of which the first is no whole head.
        let (first, rest) = ANSWER.split_at(10);
        for part in [first, rest] {
            if stream.write_all(part).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

/// The body that was sent comes back.
async fn serve_http2(stream: impl AsyncRead + AsyncWrite + Unpin, count: &AtomicU64) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        count.fetch_add(1, Ordering::Relaxed);
        let mut body = request.into_body();
        let mut answer = respond
            .send_response(http::Response::new(()), false)
            .unwrap();
        spawn_local(async move {
            let mut said = b"ok ".to_vec();
            while let Some(Ok(part)) = body.data().await {
                said.extend_from_slice(&part);
                body.flow_control().release_capacity(part.len()).unwrap();
            }
            answer.reserve_capacity(said.len());
            let _ = poll_fn(|context| answer.poll_capacity(context)).await;
            // A client that has gone away does not mind.
            let _ = answer.send_data(Bytes::from(said), true);
        });
    }
}
