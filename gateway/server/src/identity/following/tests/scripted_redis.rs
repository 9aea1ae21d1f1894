//! A Redis that beats by itself and says of itself what a test tells it to say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idp_token::epoch::Seq;
use idp_token::log::{Beat, Entry};
use idp_token::projection::LOG_KEY;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::interval;

use crate::spawn::spawn;

const BEAT_EVERY: Duration = Duration::from_millis(50);

pub(super) struct ScriptedRedis {
    pub(super) address: SocketAddr,
    pub(super) role: Arc<Mutex<&'static str>>,
    serving: JoinHandle<()>,
}

impl ScriptedRedis {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let role = Arc::new(Mutex::new("master"));
        let serving = spawn("scripted-redis", serve(listener, Arc::clone(&role)));
        Self {
            address,
            role,
            serving,
        }
    }
}

impl Drop for ScriptedRedis {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, role: Arc<Mutex<&'static str>>) {
    let mut connections = JoinSet::new();
    let number = Arc::default();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = BufReader::new(stream);
        connections.spawn(converse(stream, Arc::clone(&role), Arc::clone(&number)));
    }
}

async fn converse(
    mut stream: BufReader<TcpStream>,
    role: Arc<Mutex<&'static str>>,
    number: Arc<AtomicU64>,
) {
    let mut beats = interval(BEAT_EVERY);
    while let Some(command) = command(&mut stream).await {
        let role = *role.lock().unwrap();
        let reply = match command.as_str() {
            "INFO" => bulk(&format!(
                "run_id:1\r\nrole:{role}\r\nmaster_replid:{role}\r\n"
            )),
            "XREVRANGE" => format!("*1\r\n{}", entry(&number)),
            "XREAD" => {
                beats.tick().await;
                format!("*1\r\n*2\r\n{}*1\r\n{}", bulk(LOG_KEY), entry(&number))
            }
            _ => "+OK\r\n".to_owned(),
        };
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next beat.
fn entry(number: &AtomicU64) -> String {
    let number = number.fetch_add(1, Ordering::Relaxed);
    let seq = Seq::NONE;
    let beat = Entry::Beat(Beat { number, seq }).write();
    let id = bulk(&format!("0-{number}"));
    format!("*2\r\n{id}*2\r\n{}{}", bulk("e"), bulk(&beat))
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The first word of the next command.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let parts = count(stream).await?;
    let mut first = None;
    for _ in 0..parts {
        let mut part = vec![0; count(stream).await? + 2];
        stream.read_exact(&mut part).await.ok()?;
        part.truncate(part.len() - 2);
        first = first.or(String::from_utf8(part).ok());
    }
    first
}

async fn count(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}
