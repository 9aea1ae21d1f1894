//! A service that says what its script has, frame by frame, and keeps what it was told.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::frames::{ACK, DATA, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS};
use super::frames::{frame, settings};

/// A request that the service is to do something about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The number of the connection.
    pub(super) connection: usize,
    /// How many requests the service had before, on all connections.
    pub(super) before: usize,
    pub(super) stream: u32,
    /// Whether the request is whole, or just its head.
    pub(super) is_whole: bool,
}

/// What is done about it.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Say(Vec<u8>),
    SayAndClose(Vec<u8>),
    Nothing,
}

type Script = Arc<dyn Fn(Asked) -> Act + Send + Sync>;

/// What the gateway told a service.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// Connections of requests.
    pub(super) requests: Vec<usize>,
    /// Streams that were reset, and why.
    pub(super) resets: Vec<(u32, u32)>,
    pub(super) pings: usize,
    pub(super) connections: usize,
    /// Connections that ended.
    pub(super) ended: usize,
    pub(super) body: String,
}

#[derive(Clone)]
pub(super) struct Service {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone)]
pub(super) struct Behaviour {
    /// What every connection begins with.
    pub(super) greeting: Vec<u8>,
    pub(super) script: Script,
    /// Whether a sign of life is given when asked for.
    pub(super) answers_pings: bool,
}

impl Behaviour {
    pub(super) fn new(script: impl Fn(Asked) -> Act + Send + Sync + 'static) -> Self {
        Self {
            greeting: settings(&[]),
            script: Arc::new(script),
            answers_pings: true,
        }
    }

    pub(super) fn greet(self, greeting: Vec<u8>) -> Self {
        Self { greeting, ..self }
    }
}

/// Does this about whole requests, and nothing before they are whole.
pub(super) fn once_whole(
    act: impl Fn(Asked) -> Act + Send + Sync + 'static,
) -> impl Fn(Asked) -> Act + Send + Sync + 'static {
    move |asked| match asked.is_whole {
        true => act(asked),
        false => Act::Nothing,
    }
}

impl Service {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        gateway_server::spawn("service", async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let number = {
                    let mut seen = noted.lock().unwrap();
                    seen.connections += 1;
                    seen.connections - 1
                };
                let connection = Connection {
                    stream,
                    number,
                    behaviour: behaviour.clone(),
                    seen: Arc::clone(&noted),
                    ahead: Vec::new(),
                };
                gateway_server::spawn("service-connection", connection.serve());
            }
        });
        Self { address, seen }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

struct Connection {
    stream: TcpStream,
    number: usize,
    behaviour: Behaviour,
    seen: Arc<Mutex<Seen>>,
    ahead: Vec<u8>,
}

impl Connection {
    async fn serve(mut self) {
        self.converse().await;
        self.seen.lock().unwrap().ended += 1;
    }

    async fn converse(&mut self) -> Option<()> {
        let greeting = std::mem::take(&mut self.behaviour.greeting);
        self.say(&greeting).await?;
        let preface = self.take(PREFACE.len()).await?;
        assert_eq!(preface, PREFACE);
        loop {
            let head = self.take(9).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
            let payload = self.take(usize::try_from(length).unwrap()).await?;
            self.hear(head[3], head[4], stream, &payload).await?;
        }
    }

    /// `None` when the script ends the connection.
    async fn hear(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<()> {
        match kind {
            SETTINGS if flags & ACK == 0 => self.say(&frame(SETTINGS, ACK, 0, &[])).await?,
            PING if flags & ACK == 0 => {
                self.seen.lock().unwrap().pings += 1;
                if self.behaviour.answers_pings {
                    self.say(&frame(PING, ACK, 0, payload)).await?;
                }
            }
            RST_STREAM => {
                let code = u32::from_be_bytes(payload.try_into().unwrap());
                self.seen.lock().unwrap().resets.push((stream, code));
            }
            HEADERS | DATA => self.act(kind, flags, stream, payload).await?,
            _ => {}
        }
        Some(())
    }

    async fn act(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<()> {
        let before = {
            let mut seen = self.seen.lock().unwrap();
            if kind == HEADERS {
                seen.requests.push(self.number);
            } else {
                seen.body.push_str(&String::from_utf8_lossy(payload));
            }
            seen.requests.len() - 1
        };
        let is_whole = flags & END_STREAM != 0;
        let asked = |is_whole| Asked {
            connection: self.number,
            before,
            stream,
            is_whole,
        };
        let mut acts = Vec::new();
        if kind == HEADERS {
            acts.push((self.behaviour.script)(asked(false)));
        }
        if is_whole {
            acts.push((self.behaviour.script)(asked(true)));
        }
        for act in acts {
            match act {
                Act::Say(bytes) => self.say(&bytes).await?,
                Act::SayAndClose(bytes) => {
                    self.say(&bytes).await?;
                    self.stream.shutdown().await.ok()?;
                    return None;
                }
                Act::Nothing => {}
            }
        }
        Some(())
    }

    async fn say(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            let read = self.stream.read_buf(&mut self.ahead).await;
            read.ok().filter(|count| *count > 0)?;
        }
        Some(self.ahead.drain(..count).collect())
    }
}

/// A gateway's configuration with these endpoints, in HTTP/2.
pub(super) fn config(endpoints: &[SocketAddr], keys: &str) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|at| format!("\"{at}\"")).collect();
    format!(
        "services: {{ s: {{ endpoints: [{}], protocol: h2, {keys} }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, name: all }}]\n",
        endpoints.join(", ")
    )
}

/// Waits for something that happens by itself.
#[expect(clippy::disallowed_methods, reason = "a deadline for a test")]
pub(super) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(10), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await; // sleeps: between two looks
    }
}
