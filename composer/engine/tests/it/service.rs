//! A service that answers as a function of what it is asked, and counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use composer_engine::spawn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) target: String,
    /// By their names in small letters.
    pub(crate) fields: BTreeMap<String, String>,
}

/// What is said, and what becomes of the connection.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Json {
        status: u16,
        /// Whole lines, each with its end.
        fields: String,
        body: String,
    },
    /// These very bytes, then the end.
    Raw(Vec<u8>),
    /// These very bytes, and nothing else.
    Kept(&'static str),
    /// The first bytes once, the second so many times.
    Flood(Vec<u8>, Vec<u8>, usize),
    /// The end of the connection.
    Silence,
    /// Nothing, for as long as the client stays.
    Hang,
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Serving = Arc<dyn Fn(Asked) -> Answering + Send + Sync>;

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) heard: Arc<Mutex<Vec<Asked>>>,
    /// Bytes that went out in floods.
    pub(crate) flooded: Arc<AtomicUsize>,
    /// Connections that were accepted.
    pub(crate) opened: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Asked {
    /// The values of a list in the query, decoded as far as these tests need it.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let value = self.query(name).unwrap_or_default();
        let items = value.split(',').filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(known, _)| *known == name);
        found.next().map(|(_, value)| decode(value))
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// An ordinary answer.
pub(crate) fn json(body: impl Into<String>) -> Reply {
    with(200, "", body)
}

/// An answer with this status and these lines in its head, each of them with its end.
pub(crate) fn with(status: u16, fields: &str, body: impl Into<String>) -> Reply {
    Reply::Json {
        status,
        fields: fields.to_owned(),
        body: body.into(),
    }
}

impl Service {
    /// A service that answers at once.
    pub(crate) async fn start(answer: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_slow(move |asked| {
            let reply = answer(asked);
            Box::pin(async move { reply })
        })
        .await
    }

    /// A service that takes its time.
    pub(crate) async fn start_slow(
        answer: impl Fn(Asked) -> Answering + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answer).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        answer: impl Fn(Asked) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let flooded = Arc::new(AtomicUsize::new(0));
        let opened = Arc::new(AtomicUsize::new(0));
        let handler: Serving = Arc::new(answer);
        let (of_loop, floods) = (Arc::clone(&heard), Arc::clone(&flooded));
        let accepted = Arc::clone(&opened);
        let accepting = spawn("service", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, heard) = (Arc::clone(&handler), Arc::clone(&of_loop));
                let floods = Arc::clone(&floods);
                accepted.fetch_add(1, Ordering::Relaxed);
                spawn("service connection", async move {
                    // A client that leaves is no news.
                    let _ = converse(stream, &handler, &heard, &floods).await;
                });
            }
        });
        Self {
            address,
            heard,
            flooded,
            opened,
            accepting,
        }
    }

    /// A service at an address where nobody listens.
    pub(crate) async fn nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    pub(crate) fn calls(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// What was asked since the last time this was asked.
    pub(crate) fn take_heard(&self) -> Vec<Asked> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn converse(
    mut stream: TcpStream,
    handler: &Serving,
    heard: &Mutex<Vec<Asked>>,
    flooded: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut ahead = Vec::new();
    while let Some(asked) = read(&mut stream, &mut ahead).await? {
        heard.lock().unwrap().push(asked.clone());
        match handler(asked).await {
            Reply::Json {
                status,
                fields,
                body,
            } => {
                let head = format!(
                    "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n",
                    body.len()
                );
                // A 304 has no body, whatever it says.
                let body = if status == 304 { "" } else { &body };
                stream.write_all((head + body).as_bytes()).await?;
            }
            Reply::Raw(bytes) => return stream.write_all(&bytes).await,
            Reply::Kept(bytes) => stream.write_all(bytes.as_bytes()).await?,
            Reply::Flood(first, bytes, times) => {
                stream.write_all(&first).await?;
                for _ in 0..times {
                    stream.write_all(&bytes).await?;
                    flooded.fetch_add(bytes.len(), Ordering::Relaxed);
                }
                return Ok(());
            }
            Reply::Silence => return Ok(()),
            Reply::Hang => {
                let _ = stream.read(&mut [0]).await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn read(stream: &mut TcpStream, ahead: &mut Vec<u8>) -> std::io::Result<Option<Asked>> {
    loop {
        if let Some(end) = ahead.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = ahead.drain(..end + 4).collect();
            let head = String::from_utf8(head).expect("heads are text");
            let mut lines = head.lines();
            let target = lines.next().and_then(|line| line.split(' ').nth(1));
            let fields = lines.filter_map(|line| line.split_once(": "));
            return Ok(Some(Asked {
                target: target.expect("a request has a target").to_owned(),
                fields: fields
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                    .collect(),
            }));
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(None);
        }
        ahead.extend_from_slice(&buffer[..count]);
    }
}
