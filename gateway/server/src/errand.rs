//! A small request of our own, and the status of its answer: for probes and for traces.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use gateway_core::answer::{AnswerError, AnswerHead};
use gateway_core::head::{HeadError, find_end};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer is read no further.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Miscarried {
    #[error("it cannot be reached, or broke the connection")]
    Connection(#[from] io::Error),
    #[error("its answer has no sound end")]
    Head(#[from] HeadError),
    #[error("its answer is not sound")]
    Answer(#[from] AnswerError),
    #[error("its answer is too large")]
    TooLarge,
}

/// Sends a request on a connection of its own. The answer is judged as strictly as one to a client.
pub(crate) async fn status(address: SocketAddr, request: &[u8]) -> Result<u16, Miscarried> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut heard = BytesMut::with_capacity(1024);
    loop {
        if let Some(end) = find_end(&heard, 0)? {
            let head = heard.split_to(end);
            let answer = AnswerHead::parse(&head, &Method::GET)?;
            if !answer.is_informational() {
                return Ok(answer.status);
            }
        } else if heard.len() > HEAD_BYTES_MAX {
            return Err(Miscarried::TooLarge);
        } else if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}
