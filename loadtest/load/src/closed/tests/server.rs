//! A server that does what the test's script says, request by request.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What became of a request that was read.
pub(super) enum Act {
    Send(String),
    SendAndClose(String),
    /// Close without a byte of answer.
    Close,
    Reset,
    /// Never answer.
    Hold,
}

/// Which request it is: of which connection, which one on it (both from 0), and its bytes.
pub(super) struct Asked {
    pub(super) connection: usize,
    pub(super) turn: usize,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<dyn Fn(&Asked) -> Act + Send + Sync> = Arc::new(script);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, connection, Arc::clone(&script)));
            }
        });
        Self {
            address,
            _serving: serving,
        }
    }
}

/// Takes one connection and answers its first head without reading the body it announces.
pub(super) async fn refuse_body(listener: TcpListener, answer: &str) {
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream, &mut Vec::new()).await.unwrap();
    stream.write_all(answer.as_bytes()).await.unwrap();
    // Closing now would reset the connection, and the answer could be lost on the way.
    std::future::pending().await
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    script: Arc<dyn Fn(&Asked) -> Act + Send + Sync>,
) {
    let mut buffer = Vec::new();
    for turn in 0.. {
        let Some(head) = read_head(&mut stream, &mut buffer).await else {
            return;
        };
        let mut asked = Asked {
            connection,
            turn,
            head,
            body: Vec::new(),
        };
        let length = asked
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let Some(body) = read_body(&mut stream, &mut buffer, length).await else {
            return;
        };
        asked.body = body;
        match script(&asked) {
            Act::Send(answer) => {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::SendAndClose(answer) => {
                let _ = stream.write_all(answer.as_bytes()).await;
                return;
            }
            Act::Close => return,
            Act::Reset => return stream.set_zero_linger().unwrap(),
            Act::Hold => return std::future::pending().await,
        }
    }
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = buffer.drain(..end + 4).collect();
            return Some(String::from_utf8(head).unwrap());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn read_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    Some(buffer.drain(..length).collect())
}

pub(super) fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
