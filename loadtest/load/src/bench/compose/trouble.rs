//! Services that behave badly: one that never stops talking, and one that never begins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::super::BenchError;

/// What the first of them would say.
pub(super) const FLOOD_BYTES: u64 = 1 << 30;
const PIECE_BYTES: usize = 64 * 1024;
const CONNECTIONS_MAX: usize = 64;

pub(super) struct Trouble {
    pub(super) flooding: SocketAddr,
    pub(super) hanging: SocketAddr,
    /// Of the flood.
    pub(super) sent: Arc<AtomicU64>,
    _accepting: JoinSet<()>,
}

impl Trouble {
    pub(super) async fn start() -> Result<Self, BenchError> {
        let sent = Arc::new(AtomicU64::new(0));
        let mut accepting = JoinSet::new();
        let (flooding, hanging) = (bind().await?, bind().await?);
        let addresses = [&flooding, &hanging].map(TcpListener::local_addr);
        let [Ok(flooding_at), Ok(hanging_at)] = addresses else {
            return Err(BenchError::Unreadable {
                what: "the address of a listener",
                text: String::new(),
            });
        };
        accepting.spawn(accept(flooding, Some(Arc::clone(&sent))));
        accepting.spawn(accept(hanging, None));
        Ok(Self {
            flooding: flooding_at,
            hanging: hanging_at,
            sent,
            _accepting: accepting,
        })
    }
}

async fn bind() -> Result<TcpListener, BenchError> {
    let bound = TcpListener::bind("127.0.0.1:0").await;
    bound.map_err(BenchError::io("cannot start a service that misbehaves"))
}

async fn accept(listener: TcpListener, sent: Option<Arc<AtomicU64>>) {
    let mut open = JoinSet::new();
    loop {
        let has_room = open.len() < CONNECTIONS_MAX;
        tokio::select! {
            accepted = listener.accept(), if has_room => {
                let Ok((stream, _)) = accepted else { continue };
                open.spawn(misbehave(stream, sent.clone()));
            }
            Some(_) = open.join_next() => {}
        }
    }
}

async fn misbehave(mut stream: TcpStream, sent: Option<Arc<AtomicU64>>) {
    let mut head = [0; 4096];
    while matches!(stream.read(&mut head).await, Ok(count) if count > 0) {
        let Some(sent) = &sent else { continue };
        let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        if stream.write_all(begun).await.is_err() {
            return;
        }
        let piece = [&b"10000\r\n"[..], &vec![b'['; PIECE_BYTES], b"\r\n"].concat();
        let mut left = FLOOD_BYTES;
        while left > 0 && stream.write_all(&piece).await.is_ok() {
            left -= PIECE_BYTES as u64;
            sent.fetch_add(PIECE_BYTES as u64, Ordering::Relaxed);
        }
        return;
    }
}
