//! A service whose answer is what the path asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is said at these paths, whatever is asked.
const ANSWERS: [(&str, &str); 5] = [
    (
        "/hints",
        "HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ),
    ("/no-content", "HTTP/1.1 204 No Content\r\n\r\n"),
    (
        "/not-modified",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
    ),
    ("/length", "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"),
    ("/garbage", "garbage\r\n\r\n"),
];
/// The same, with the end of the connection behind.
const LAST_ANSWERS: [(&str, &str); 4] = [
    ("/until-close", "HTTP/1.1 200 OK\r\n\r\nuntil the end"),
    (
        "/cut-length",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
    ),
    (
        "/cut-chunks",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ncut\r\n",
    ),
    ("/cut-open", "HTTP/1.1 200 OK\r\n\r\ncut"),
];

pub(super) struct Service {
    pub(super) address: SocketAddr,
    pub(super) counts: Arc<Counts>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Connections that broke or ended while their request was hung on.
    pub(super) left: AtomicUsize,
    /// Requests of which the head was heard.
    pub(super) heads: AtomicUsize,
    /// Bytes of a flood that the gateway took.
    pub(super) flooded: AtomicU64,
}

impl Service {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        gateway_server::spawn("service", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection {
                    stream,
                    ahead: Vec::new(),
                    counts: Arc::clone(&shared),
                };
                gateway_server::spawn("service-connection", connection.serve());
            }
        });
        Self { address, counts }
    }

    /// Waits until so many heads were heard.
    pub(super) async fn heard(&self, heads: usize) {
        until(|| self.counts.heads.load(Ordering::Acquire) >= heads).await;
    }

    /// Waits until so many connections were left in the middle of an exchange.
    pub(super) async fn left(&self, count: usize) {
        until(|| self.counts.left.load(Ordering::Acquire) >= count).await;
    }
}

pub(super) async fn until(is_so: impl Fn() -> bool) {
    super::client::within(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

struct Connection {
    stream: TcpStream,
    ahead: Vec<u8>,
    counts: Arc<Counts>,
}

impl Connection {
    async fn serve(mut self) -> Option<()> {
        loop {
            let head = self.until(b"\r\n\r\n").await?;
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            self.counts.heads.fetch_add(1, Ordering::AcqRel);
            let path = head.split(' ').nth(1)?.to_owned();
            let body = match self.body(&head).await {
                Some(body) => body,
                None => {
                    self.counts.left.fetch_add(1, Ordering::AcqRel);
                    return None;
                }
            };
            self.answer(&path, &head, &body).await?;
        }
    }

    async fn answer(&mut self, path: &str, head: &str, body: &[u8]) -> Option<()> {
        if let Some((_, fixed)) = ANSWERS.iter().find(|(known, _)| *known == path) {
            return self.say(fixed).await;
        }
        if let Some((_, cut)) = LAST_ANSWERS.iter().find(|(known, _)| *known == path) {
            self.say(cut).await?;
            if path == "/cut-open" {
                self.stream.set_zero_linger().ok()?;
            }
            return None;
        }
        match path {
            "/echo" => self.say_body(body).await,
            "/id" => {
                let id = head.split("x-id: ").nth(1)?.split("\r\n").next()?;
                self.say_body(id.as_bytes()).await
            }
            "/head" => self.say_body(head.as_bytes()).await,
            "/chunks" => self.say_chunks(body).await,
            "/hang" => {
                let _ = self.stream.read(&mut [0]).await;
                self.counts.left.fetch_add(1, Ordering::AcqRel);
                None
            }
            "/flood" => self.flood().await,
            _ => self.say_body(b"fine").await,
        }
    }

    async fn say_body(&mut self, body: &[u8]) -> Option<()> {
        let length = body.len();
        self.say(&format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await?;
        self.stream.write_all(body).await.ok()
    }

    async fn say_chunks(&mut self, body: &[u8]) -> Option<()> {
        self.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await?;
        for part in body.chunks(1000) {
            self.say(&format!("{:x}\r\n", part.len())).await?;
            self.stream.write_all(part).await.ok()?;
            self.say("\r\n").await?;
        }
        self.say("0\r\n\r\n").await
    }

    /// A gigabyte, as fast as it is taken.
    async fn flood(&mut self) -> Option<()> {
        const PIECES: u64 = 16_384;
        let piece = vec![b'x'; 65_536];
        let length = PIECES * piece.len() as u64;
        self.say(&format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await?;
        for _ in 0..PIECES {
            if self.stream.write_all(&piece).await.is_err() {
                self.counts.left.fetch_add(1, Ordering::AcqRel);
                return None;
            }
            self.counts
                .flooded
                .fetch_add(piece.len() as u64, Ordering::AcqRel);
        }
        Some(())
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).await.ok()
    }

    async fn body(&mut self, head: &str) -> Option<Vec<u8>> {
        if head.contains("\r\nexpect: 100-continue\r\n") {
            self.say("HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            let mut body = Vec::new();
            loop {
                let line = self.until(b"\r\n").await?;
                let digits = std::str::from_utf8(&line).ok()?.trim();
                let size = usize::from_str_radix(digits, 16).ok()?;
                if size == 0 {
                    while self.until(b"\r\n").await? != b"\r\n" {}
                    return Some(body);
                }
                body.extend(self.take(size).await?);
                self.take(2).await?;
            }
        }
        let length = head.split("\r\ncontent-length: ").nth(1);
        let length = length.map_or(Some(0), |rest| rest.split("\r\n").next()?.parse().ok());
        self.take(length?).await
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            self.read().await?;
        }
        Some(self.ahead.drain(..count).collect())
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|here| here == end) {
                return Some(self.ahead.drain(..at + end.len()).collect());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Option<()> {
        let count = self.stream.read_buf(&mut self.ahead).await.ok()?;
        (count > 0).then_some(())
    }
}
