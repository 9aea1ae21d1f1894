//! The service behind the gateways: it answers every `GET` with the same few bytes, and looks at who
//! is said to ask.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const CONNECTIONS_MAX: usize = 4096;
const HEAD_BYTES_MAX: usize = 64 * 1024;
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";

#[derive(Debug)]
pub struct Service {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    _accepting: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    vouched: AtomicU64,
    leaks: AtomicU64,
    last_value: Mutex<Option<String>>,
}

/// What reached it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub requests: u64,
    /// Requests with a value token.
    pub vouched: u64,
    /// Requests with a credential of a client in them, wherever.
    pub leaks: u64,
}

impl Service {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&counts)));
        Ok(Self {
            address,
            counts,
            _accepting: accepting,
        })
    }

    /// The value token of the last request that had one.
    #[must_use]
    pub fn last_value(&self) -> Option<String> {
        self.counts.last_value().clone()
    }

    #[must_use]
    pub fn seen(&self) -> Seen {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Seen {
            requests: read(&self.counts.requests),
            vouched: read(&self.counts.vouched),
            leaks: read(&self.counts.leaks),
        }
    }
}

async fn accept(listener: TcpListener, counts: Arc<Counts>) {
    let mut open = JoinSet::new();
    loop {
        let has_room = open.len() < CONNECTIONS_MAX;
        tokio::select! {
            accepted = listener.accept(), if has_room => {
                // A connection that is gone before it is accepted carried nothing.
                let Ok((stream, _)) = accepted else { continue };
                let counts = Arc::clone(&counts);
                // Whichever way the gateway ends a connection, the service has no more to do with it.
                open.spawn(async move { let _ = serve(stream, &counts).await; });
            }
            Some(_) = open.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, counts: &Counts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut ahead = Vec::new();
    loop {
        while let Some(end) = find(&ahead, b"\r\n\r\n") {
            let head: Vec<u8> = ahead.drain(..end + 4).collect();
            counts.note(&head);
            stream.write_all(ANSWER).await?;
        }
        let is_over = stream.read_buf(&mut ahead).await? == 0;
        if is_over || ahead.len() > HEAD_BYTES_MAX {
            return Ok(());
        }
    }
}

impl Counts {
    fn note(&self, head: &[u8]) {
        let has = |text: &[u8]| find(head, text).is_some();
        let value = value_token(head);
        self.requests.fetch_add(1, Ordering::Relaxed);
        if value.is_some() {
            self.vouched.fetch_add(1, Ordering::Relaxed);
            *self.last_value() = value;
        }
        if has(b"tg_at_") || has(b"tg_rt_") {
            self.leaks.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn last_value(&self) -> MutexGuard<'_, Option<String>> {
        self.last_value
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn value_token(head: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b"authorization: Bearer ";
    let start = find(head, BEFORE)? + BEFORE.len();
    let token = head.get(start..)?.split(|byte| *byte == b'\r').next()?;
    let token = String::from_utf8_lossy(token).into_owned();
    token.starts_with("eyJ").then_some(token)
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_what_comes_and_counts_who_asks() {
        let service = Service::start().await.unwrap();
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        let heads: [&[u8]; 3] = [
            b"GET / HTTP/1.1\r\nauthorization: Bearer eyJ0\r\n\r\n",
            b"GET / HTTP/1.1\r\nauthorization: Bearer tg_at_x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        ];
        stream.write_all(&heads.concat()).await.unwrap();
        let mut answers = vec![0; 3 * ANSWER.len()];
        stream.read_exact(&mut answers).await.unwrap();
        assert_eq!(answers, ANSWER.repeat(3));
        let expected = Seen {
            requests: 3,
            vouched: 1,
            leaks: 1,
        };
        assert_eq!(service.seen(), expected);
        assert_eq!(service.last_value().as_deref(), Some("eyJ0"));
    }
}
