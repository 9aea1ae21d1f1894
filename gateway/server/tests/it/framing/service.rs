//! A service that reads requests by the letter and keeps a line of each.
//!
//! It is the second reader that smuggling needs: whatever bytes reach it are split into requests by
//! their framing fields alone, knowing nothing of what the gateway meant.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(4);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Fields the gateway adds to every request; all others are told.
const ADDED: [&str; 5] = [
    "traceparent",
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    lines: Mutex<Vec<String>>,
    changed: Notify,
}

impl Seen {
    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
        self.changed.notify_one();
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let for_connections = Arc::clone(&seen);
        gateway_server::spawn("service", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection {
                    stream,
                    ahead: Vec::new(),
                };
                let serving = connection.serve(Arc::clone(&for_connections));
                gateway_server::spawn("service-connection", serving);
            }
        });
        Self { address, seen }
    }

    /// Everything seen since the last call, once it is at least `count` requests.
    pub(crate) async fn take(&self, count: usize) -> Vec<String> {
        let enough = async {
            while self.seen.lines.lock().unwrap().len() < count {
                self.seen.changed.notified().await;
            }
        };
        // Too few are the caller's to find fault with.
        let _ = timeout(PATIENCE, enough).await;
        std::mem::take(&mut self.seen.lines.lock().unwrap())
    }
}

struct Connection {
    stream: TcpStream,
    ahead: Vec<u8>,
}

/// What keeps a request from being whole.
enum Fault {
    Cut,
    NotChunked,
}

impl Connection {
    async fn serve(mut self, seen: Arc<Seen>) {
        while let Ok(head) = self.until(b"\r\n\r\n").await {
            let mut line = head_line(&head);
            let mut body = Vec::new();
            let read = self.read_body(&line, &mut body).await;
            if !body.is_empty() {
                line = format!("{line} => {}", excerpt(&body));
            }
            match read {
                Ok(()) => seen.note(line),
                Err(Fault::Cut) => return seen.note(format!("{line} (cut)")),
                Err(Fault::NotChunked) => return seen.note(format!("{line} (not chunked)")),
            }
            if self.stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
        if !self.ahead.is_empty() {
            seen.note(format!("{} (no head)", self.ahead.escape_ascii()));
        }
    }

    async fn read_body(&mut self, line: &str, body: &mut Vec<u8>) -> Result<(), Fault> {
        if line.contains(" | transfer-encoding: chunked") {
            return self.read_chunks(body).await;
        }
        let length = line.split(" | content-length: ").nth(1);
        let length = length.map(|rest| rest.split(' ').next().unwrap_or(rest));
        let length = length.map_or(0, |digits| digits.parse().unwrap());
        self.take(length, body).await
    }

    async fn read_chunks(&mut self, body: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let line = self.until(b"\r\n").await?;
            let digits = line.strip_suffix(b"\r\n").unwrap_or(&line);
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            let size = usize::from_str_radix(digits, 16).map_err(|_| Fault::NotChunked)?;
            self.take(size, body).await?;
            let mut end = Vec::new();
            self.take(2, &mut end).await?;
            if end != b"\r\n" {
                // Also a trailer: the gateway passes none on.
                return Err(Fault::NotChunked);
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, mut count: usize, body: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let here = count.min(self.ahead.len());
            body.extend(self.ahead.drain(..here));
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.read().await?;
        }
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, Fault> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|here| here == end) {
                return Ok(self.ahead.drain(..at + end.len()).collect());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Fault> {
        let count = self.stream.read_buf(&mut self.ahead).await;
        match count {
            Ok(0) | Err(_) => Err(Fault::Cut),
            Ok(_) => Ok(()),
        }
    }
}

/// The request line and every field that the gateway does not add to all requests.
fn head_line(head: &[u8]) -> String {
    let head = head.escape_ascii().to_string();
    let mut lines = head.trim_end_matches("\\r\\n").split("\\r\\n");
    let request_line = lines.next().unwrap_or_default().to_owned();
    let fields = lines.filter_map(|field| {
        let (name, value) = field.split_once(':')?;
        let field = format!("{}:{value}", name.to_ascii_lowercase());
        let is_added = ADDED.iter().any(|added| field.starts_with(added));
        (!is_added || field.starts_with("x-forwarded-for: 127.0.0.1,")).then_some(field)
    });
    let words: Vec<_> = [request_line].into_iter().chain(fields).collect();
    words.join(" | ")
}

fn excerpt(body: &[u8]) -> String {
    if body.len() > 60 {
        format!("{} bytes", body.len())
    } else {
        body.escape_ascii().to_string()
    }
}
