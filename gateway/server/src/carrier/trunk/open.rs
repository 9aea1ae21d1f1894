//! How a connection begins, and a single question on one of its own.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use http::Request;
use tokio::net::TcpStream;

use super::STREAMS_MAX;

/// What may come of one answer before its client took what came before.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Room for all exchanges of a connection: clients that read slowly hold up nobody but themselves.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
const _: () =
    assert!(CONNECTION_WINDOW_BYTES as usize == STREAM_WINDOW_BYTES as usize * STREAMS_MAX);
/// What waits to be sent of one request body.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// No head is larger, whatever the configuration allows.
const HEAD_BYTES_CEILING: u32 = 64 * 1024;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("it cannot be reached")]
    Connection(#[from] io::Error),
    #[error("it does not speak HTTP/2, or broke the connection")]
    Protocol(#[from] h2::Error),
    #[error("it ended the connection before it sent its settings")]
    Ended,
    #[error("it did not send its settings in time")]
    Late,
    #[error("the question cannot be asked")]
    Question(#[from] http::Error),
}

pub(super) type Opened = (SendRequest<Bytes>, Connection<TcpStream, Bytes>);

/// Connects and waits for the settings of the endpoint: who says nothing does not speak HTTP/2, and
/// until then nobody knows how many requests it takes.
pub(super) async fn open(address: SocketAddr) -> Result<Opened, AskError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (requests, mut connection) = Builder::new()
        .enable_push(false)
        .initial_max_send_streams(0)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(HEAD_BYTES_CEILING)
        .handshake(stream)
        .await?;
    poll_fn(|context| {
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
            return Poll::Ready(ended.map_err(AskError::from).and(Err(AskError::Ended)));
        }
        // No stream may be opened before the settings say how many.
        match requests.current_max_send_streams() {
            0 => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    })
    .await?;
    Ok((requests, connection))
}

/// Asks one `GET` on a connection of its own; the status of the answer.
pub(crate) async fn status(address: SocketAddr, path: &str) -> Result<u16, AskError> {
    let (mut requests, mut connection) = open(address).await?;
    let request = Request::get(format!("http://{address}{path}"))
        .header("user-agent", "tollgate-probe")
        .body(())?;
    let (mut answer, _) = requests.send_request(request, true)?;
    let answered = tokio::select! {
        answered = &mut answer => answered?,
        ended = &mut connection => {
            ended?;
            // What came last may have been the answer.
            answer.await?
        }
    };
    Ok(answered.status().as_u16())
}
