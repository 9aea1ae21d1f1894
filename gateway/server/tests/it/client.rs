//! A client that says exactly these bytes and reads exactly one answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::socket::Socket;

/// Nothing in these tests takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    stream: Socket,
    ahead: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::on(Socket::connect(address).await)
    }

    pub(crate) fn on(stream: Socket) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\n\r\n"))
            .await
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        let is_head = bytes.as_ref().starts_with(b"HEAD ");
        self.say(bytes).await;
        self.answer(is_head).await
    }

    /// Reads one answer that is not to `HEAD`.
    pub(crate) async fn hear(&mut self) -> Answer {
        self.answer(false).await
    }

    /// Reads one answer, unless the connection ends or breaks before it is whole.
    pub(crate) async fn try_hear(&mut self, is_head: bool) -> Option<Answer> {
        let end = self
            .until(|ahead| ahead.windows(4).position(|four| four == b"\r\n\r\n"))
            .await?
            + 4;
        let head = String::from_utf8(self.ahead.drain(..end).collect()).unwrap();
        let status = head.get(9..12).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        if is_head || matches!(status, 100..=199 | 204 | 304) {
            return Some(answer);
        }
        answer.body = match answer.field("content-length") {
            Some(length) => self.take(length.parse().unwrap()).await?,
            None => self.chunks().await?,
        };
        Some(answer)
    }

    async fn answer(&mut self, is_head: bool) -> Answer {
        let answer = self.try_hear(is_head).await;
        answer.unwrap_or_else(|| panic!("no whole answer: {:?}", self.heard()))
    }

    /// The next bytes, whatever they mean.
    pub(crate) async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        self.until(|ahead| (ahead.len() >= count).then_some(()))
            .await?;
        Some(self.ahead.drain(..count).collect())
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self
                .until(|ahead| ahead.windows(2).position(|two| two == b"\r\n"))
                .await?;
            let line = self.take(line + 2).await?;
            let size = std::str::from_utf8(&line).unwrap().trim();
            let size = usize::from_str_radix(size, 16).unwrap();
            let mut data = self.take(size + 2).await?;
            data.truncate(size);
            if size == 0 {
                return Some(body);
            }
            body.extend(data);
        }
    }

    /// Reads until `find` finds something; `None` when the connection ends or breaks before.
    async fn until<T>(&mut self, find: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = find(&self.ahead) {
                return Some(found);
            }
            let mut buffer = [0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let count = read
                .expect("no bytes and no end in time")
                .ok()
                .filter(|count| *count > 0)?;
            self.ahead.extend_from_slice(&buffer[..count]);
        }
    }

    /// Reads to the end of the connection: `Ok` at a clean end, `Err` at a reset.
    pub(crate) async fn read_to_end(&mut self) -> std::io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.ahead);
        timeout(PATIENCE, self.stream.read_to_end(&mut rest))
            .await
            .expect("no end in time")?;
        Ok(rest)
    }

    /// Whether the gateway closed without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.read_to_end().await.as_deref(), Ok([]))
    }

    /// Leaves without a word.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger();
    }

    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.ahead).into_owned()
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The stable code of an answer of the gateway's own.
    pub(crate) fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(self.field("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"].as_str(), self.field("x-request-id"));
        problem["code"].as_str().unwrap().to_owned()
    }
}
