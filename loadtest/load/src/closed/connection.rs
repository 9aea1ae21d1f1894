//! One connection: open, look whether it is still there, exchange one request for one answer.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::ReadHalf;
use tokio::net::{TcpSocket, TcpStream};
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
        Self::new(TcpStream::connect(target), limits).await
    }

    /// The same from an address of this machine that is named.
    pub(crate) async fn open_from(
        source: IpAddr,
        target: SocketAddr,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let connecting = async {
            let socket = match source {
                IpAddr::V4(_) => TcpSocket::new_v4(),
                IpAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            socket.bind(SocketAddr::new(source, 0))?;
            socket.connect(target).await
        };
        Self::new(connecting, limits).await
    }

    async fn new(
        connecting: impl Future<Output = io::Result<TcpStream>>,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let stream = timeout(limits.connect, connecting)
            .await
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

    /// Sends one request and takes its answer.
    pub(crate) async fn exchange(
        &mut self,
        wire: &[u8],
        is_head: bool,
        limits: &Limits,
    ) -> Result<Answer, Failure> {
        let decoder = Decoder::new(is_head, limits.body_bytes_max);
        let (mut answers, failure) = self.pipeline((wire, 1), decoder, limits).await;
        match failure {
            Some(failure) => Err(failure),
            None => answers.pop().ok_or(Failure::Unanswered(None)),
        }
    }

    /// Sends so many requests at once and takes their answers; if some are missing, why.
    pub(crate) async fn pipeline(
        &mut self,
        (wire, count): (&[u8], usize),
        decoder: Decoder,
        limits: &Limits,
    ) -> (Vec<Answer>, Option<Failure>) {
        let mut answers = Vec::new();
        let exchange = self.send_and_receive(wire, decoder, (count, &mut answers));
        let ended = timeout(limits.answer, exchange).await;
        self.is_used |= !answers.is_empty();
        let failure = ended.unwrap_or(Err(Failure::Timeout)).err();
        (answers, failure)
    }

    /// Reads while it still writes: a server may refuse a body before it has taken all of it.
    async fn send_and_receive(
        &mut self,
        wire: &[u8],
        decoder: Decoder,
        (count, answers): (usize, &mut Vec<Answer>),
    ) -> Result<(), Failure> {
        let (reader, mut writer) = self.stream.split();
        let (was_sent, received) = {
            let receiving = receive(reader, decoder, (count, &mut *answers));
            tokio::pin!(receiving);
            tokio::select! {
                early = &mut receiving => (false, early),
                sent = writer.write_all(wire) => (sent.is_ok(), receiving.await),
            }
        };
        // The answer may have been sent before the server gave up on the rest of the request.
        if let Some(last) = answers.last_mut() {
            last.keeps_alive &= was_sent;
        }
        received
    }
}

/// Takes answers until they are as many as asked for, and nothing lies behind them.
async fn receive(
    mut reader: ReadHalf<'_>,
    mut decoder: Decoder,
    (count, answers): (usize, &mut Vec<Answer>),
) -> Result<(), Failure> {
    let mut buffer = vec![0; READ_BYTES];
    let mut is_started = false;
    loop {
        while let Some(answer) = decoder.advance()? {
            let goes_on = answer.keeps_alive;
            is_started = decoder.has_surplus();
            if is_started && (!goes_on || answers.len() + 1 == count) {
                return Err(Malformed::Surplus.into());
            }
            answers.push(answer);
            if answers.len() == count {
                return Ok(());
            }
            if !goes_on {
                return Err(Failure::Unanswered(None));
            }
        }
        let (bytes_read, fault) = match reader.read(&mut buffer).await {
            Ok(bytes_read) => (bytes_read, None),
            Err(error) => (0, Some(error.kind())),
        };
        if bytes_read == 0 {
            let last = if fault.is_none() { decoder.end() } else { None };
            is_started &= last.is_none();
            answers.extend(last);
            return match (answers.len() == count, is_started) {
                (true, _) => Ok(()),
                (false, true) => Err(Failure::Truncated(fault)),
                (false, false) => Err(Failure::Unanswered(fault)),
            };
        }
        is_started = true;
        decoder.feed(buffer.get(..bytes_read).unwrap_or_default());
    }
}
