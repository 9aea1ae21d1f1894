//! One connection: open, look whether it is still there, exchange one request for one answer.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::timeout;

use crate::http1::Malformed;
use crate::http1::answer::{Answer, Decoder};

use super::Limits;

const READ_BYTES: usize = 16 * 1024;

#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// `None` when the connection was closed in good order.
    #[error("closed before a byte of answer ({0:?})")]
    Unanswered(Option<io::ErrorKind>),
    #[error("no whole answer in time")]
    Timeout,
    #[error("malformed answer: {0}")]
    Malformed(#[from] Malformed),
    #[error("closed in the middle of the answer ({0:?})")]
    Truncated(Option<io::ErrorKind>),
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// At least one answer came over it.
    pub(crate) is_used: bool,
}

impl Connection {
    pub(crate) async fn open(target: SocketAddr, limits: &Limits) -> Result<Self, Failure> {
        let connecting = timeout(limits.connect, TcpStream::connect(target)).await;
        let stream = connecting
            .map_err(|_| Failure::Connect(io::ErrorKind::TimedOut))?
            .map_err(|error| Failure::Connect(error.kind()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| Failure::Connect(error.kind()))?;
        Ok(Self {
            stream,
            is_used: false,
        })
    }

    /// Whether an idle connection may carry a request; bytes nobody asked for are an error.
    pub(crate) fn is_open(&self) -> Result<bool, Failure> {
        let mut byte = [0];
        match self.stream.try_read(&mut byte) {
            Ok(0) => Ok(false),
            Ok(_) => Err(Malformed::Surplus.into()),
            Err(error) => Ok(error.kind() == io::ErrorKind::WouldBlock),
        }
    }

    pub(crate) async fn exchange(
        &mut self,
        wire: &[u8],
        is_head: bool,
        limits: &Limits,
    ) -> Result<Answer, Failure> {
        let answer = timeout(limits.answer, self.send_and_receive(wire, is_head, limits)).await;
        let answer = answer.map_err(|_| Failure::Timeout)??;
        self.is_used = true;
        Ok(answer)
    }

    /// Reads while it still writes: a server may refuse a body before it has taken all of it.
    async fn send_and_receive(
        &mut self,
        wire: &[u8],
        is_head: bool,
        limits: &Limits,
    ) -> Result<Answer, Failure> {
        let (reader, mut writer) = self.stream.split();
        let receiving = receive(reader, Decoder::new(is_head, limits.body_bytes_max));
        tokio::pin!(receiving);
        let sent = tokio::select! {
            early = &mut receiving => {
                let mut answer = early?;
                answer.keeps_alive = false;
                return Ok(answer);
            }
            sent = writer.write_all(wire) => sent,
        };
        let mut answer = receiving.await?;
        // The answer may have been sent before the server gave up on the rest of the request.
        answer.keeps_alive &= sent.is_ok();
        Ok(answer)
    }
}

async fn receive(mut reader: ReadHalf<'_>, mut decoder: Decoder) -> Result<Answer, Failure> {
    let mut buffer = vec![0; READ_BYTES];
    let mut is_started = false;
    loop {
        let (count, fault) = match reader.read(&mut buffer).await {
            Ok(count) => (count, None),
            Err(error) => (0, Some(error.kind())),
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            let ended = if fault.is_none() { decoder.end() } else { None };
            return ended.ok_or(if is_started {
                Failure::Truncated(fault)
            } else {
                Failure::Unanswered(fault)
            });
        };
        is_started = true;
        if let Some(answer) = decoder.feed(bytes)? {
            return Ok(answer);
        }
    }
}
