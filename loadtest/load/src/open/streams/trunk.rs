//! One connection in HTTP/2, opened when there is something to send, and anew after it broke.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

use crate::open::record::Failure;
use crate::open::scenario::Target;

/// Answers wait for no window: what is measured is the server.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Trunk {
    sender: RefCell<Option<SendRequest<Bytes>>>,
    /// Whoever opens it holds this; the others wait.
    opening: Mutex<()>,
}

/// A connection that may be sent on, and whether it was opened for this.
pub(super) struct Opened {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) is_new: bool,
}

impl Trunk {
    pub(super) async fn open(&self, target: &Target) -> Result<Opened, Failure> {
        let _held = self.opening.lock().await;
        if let Some(sender) = self.find().await {
            return Ok(Opened {
                sender,
                is_new: false,
            });
        }
        let sender = connect(target).await.map_err(|_| Failure::Connect)?;
        *self.sender.borrow_mut() = Some(sender.clone());
        Ok(Opened {
            sender,
            is_new: true,
        })
    }

    /// One that was not closed meanwhile.
    async fn find(&self) -> Option<SendRequest<Bytes>> {
        let sender = self.sender.borrow().clone()?;
        sender.ready().await.ok()
    }
}

async fn connect(target: &Target) -> io::Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let Some(secure) = &target.secure else {
        return shake_hands(stream).await;
    };
    let connector = TlsConnector::from(Arc::clone(&secure.config));
    let stream = connector.connect(secure.name.clone(), stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        let why = "the server did not agree on HTTP/2";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    shake_hands(stream).await
}

async fn shake_hands(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> io::Result<SendRequest<Bytes>> {
    let shaken = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false)
        .handshake(stream);
    let (sender, connection) = shaken.await.map_err(io::Error::other)?;
    // How it ends is told to each of its streams.
    spawn_local(async move { drop(connection.await) });
    Ok(sender)
}
