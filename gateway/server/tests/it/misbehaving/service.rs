//! A service that does one thing wrong and everything after that right.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What follows the one wrong thing.
pub(super) const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(super) bytes: Vec<u8>,
    pub(super) when: When,
    pub(super) then: Then,
    /// Whether every byte is a write of its own.
    pub(super) is_slow: bool,
}

/// When the bytes are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Nobody asked yet.
    Connected,
    /// Before the request's body is read.
    HeadRead,
    RequestRead,
    /// Behind a good answer, once the test says so.
    Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Stay,
    Close,
    Reset,
    /// Repeats these bytes, with a little time between, until the gateway leaves.
    Drip(&'static str),
}

/// Of every request: its line, and the number of the connection it came on.
pub(super) type Seen = Vec<(String, usize)>;

pub(super) struct Service {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    act: Mutex<Option<Act>>,
    seen: Mutex<Seen>,
    word: Notify,
    done: Notify,
}

impl Service {
    pub(super) async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            act: Mutex::new(Some(act)),
            seen: Mutex::default(),
            word: Notify::new(),
            done: Notify::new(),
        });
        let for_connections = Arc::clone(&state);
        gateway_server::spawn("service", async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let connection = Connection {
                    stream,
                    number,
                    state: Arc::clone(&for_connections),
                };
                gateway_server::spawn("service-connection", connection.serve());
                number += 1;
            }
        });
        Self { address, state }
    }

    pub(super) fn seen(&self) -> Seen {
        self.state.seen.lock().unwrap().clone()
    }

    /// Lets an act that waits for it go on, and waits until it did.
    pub(super) async fn tell(&self) {
        self.state.word.notify_one();
        self.state.done.notified().await;
    }
}

struct Connection {
    stream: TcpStream,
    number: usize,
    state: Arc<State>,
}

impl Connection {
    async fn serve(mut self) {
        if let Some(act) = self.act_at(When::Connected)
            && !self.perform(act).await
        {
            return;
        }
        let mut ahead = Vec::new();
        while let Some(length) = self.read_head(&mut ahead).await {
            let head: Vec<u8> = ahead.drain(..length).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let line = head.lines().next().unwrap_or_default().to_owned();
            self.state.seen.lock().unwrap().push((line, self.number));
            let acts = [When::HeadRead, When::RequestRead, When::Told];
            let mut is_answered = false;
            for when in acts {
                if when == When::RequestRead && !self.read_body(&head, &mut ahead).await {
                    return;
                }
                let Some(act) = self.act_at(when) else {
                    continue;
                };
                if when == When::Told {
                    let _ = self.stream.write_all(GOOD).await;
                    self.state.word.notified().await;
                }
                is_answered = true;
                if !self.perform(act).await {
                    return;
                }
            }
            if !is_answered && self.stream.write_all(GOOD).await.is_err() {
                return;
            }
        }
    }

    fn act_at(&self, when: When) -> Option<Act> {
        let mut act = self.state.act.lock().unwrap();
        act.take_if(|act| act.when == when)
    }

    /// Whether the connection goes on.
    async fn perform(&mut self, act: Act) -> bool {
        let bytes_at_once = if act.is_slow { 1 } else { act.bytes.len() };
        for slice in act.bytes.chunks(bytes_at_once.max(1)) {
            // The gateway may have left; what the client sees then is what counts.
            let _ = self.stream.write_all(slice).await;
            tokio::task::yield_now().await;
        }
        match act.then {
            Then::Stay => {}
            Then::Close => {
                let _ = self.stream.shutdown().await;
            }
            Then::Reset => self.stream.set_zero_linger().unwrap(),
            Then::Drip(drop) => {
                while self.stream.write_all(drop.as_bytes()).await.is_ok() {
                    // sleeps: the pace is the misbehaviour
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        if act.when == When::Told {
            self.state.done.notify_one();
        }
        act.then == Then::Stay
    }

    async fn read_head(&mut self, ahead: &mut Vec<u8>) -> Option<usize> {
        loop {
            if let Some(at) = ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                return Some(at + 4);
            }
            self.read(ahead).await?;
        }
    }

    async fn read_body(&mut self, head: &str, ahead: &mut Vec<u8>) -> bool {
        if !head.to_ascii_lowercase().contains("\r\ntransfer-encoding:") {
            return true;
        }
        loop {
            if let Some(at) = ahead.windows(5).position(|end| end == b"0\r\n\r\n") {
                ahead.drain(..at + 5);
                return true;
            }
            if self.read(ahead).await.is_none() {
                return false;
            }
        }
    }

    async fn read(&mut self, ahead: &mut Vec<u8>) -> Option<()> {
        let count = self.stream.read_buf(ahead).await.ok()?;
        (count > 0).then_some(())
    }
}

pub(crate) fn says(bytes: impl AsRef<[u8]>) -> Act {
    Act {
        bytes: bytes.as_ref().to_vec(),
        when: When::RequestRead,
        then: Then::Stay,
        is_slow: false,
    }
}

pub(crate) fn closes(bytes: impl AsRef<[u8]>) -> Act {
    Act {
        then: Then::Close,
        ..says(bytes)
    }
}

pub(crate) fn resets(bytes: impl AsRef<[u8]>) -> Act {
    Act {
        then: Then::Reset,
        ..says(bytes)
    }
}

pub(crate) fn drips(bytes: impl AsRef<[u8]>, drop: &'static str) -> Act {
    Act {
        then: Then::Drip(drop),
        ..says(bytes)
    }
}

impl Act {
    pub(crate) fn at(self, when: When) -> Self {
        Self { when, ..self }
    }
}
