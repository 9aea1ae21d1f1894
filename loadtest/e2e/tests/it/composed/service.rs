//! A service that writes into everything it says for whom it says it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Before the name of a caller.
pub(crate) const MARK: &str = "own:";
/// In place of one, where nobody is asked.
const EVERYBODY: &str = "everybody";
const ITEMS: u64 = 5;
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What may be kept, and for how long: each of these now and then.
const CONTROLS: [&str; 6] = [
    "",
    "private, max-age=1",
    "max-age=60",
    "no-store",
    "no-cache",
    "public, max-age=2",
];

pub(crate) struct Service {
    pub(crate) own: SocketAddr,
    pub(crate) open: SocketAddr,
    pub(crate) heard: Arc<Heard>,
    _accepting: JoinSet<()>,
}

#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) calls: AtomicU64,
    /// Credentials that came where nobody's are wanted.
    pub(crate) shown_to_open: AtomicU64,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let heard = Arc::<Heard>::default();
        let mut accepting = JoinSet::new();
        let mut listen = async |is_open| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            accepting.spawn(accept(listener, Arc::clone(&heard), is_open));
            address
        };
        let (own, open) = (listen(false).await, listen(true).await);
        Self {
            own,
            open,
            heard,
            _accepting: accepting,
        }
    }
}

async fn accept(listener: TcpListener, heard: Arc<Heard>, is_open: bool) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(converse(stream, Arc::clone(&heard), is_open));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(mut stream: TcpStream, heard: Arc<Heard>, is_open: bool) {
    let mut bytes = Vec::new();
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            let number = heard.calls.fetch_add(1, Ordering::Relaxed);
            if is_open && field(&head, "authorization").is_some() {
                heard.shown_to_open.fetch_add(1, Ordering::Relaxed);
            }
            // sleeps: so that calls for several callers are under way at once
            tokio::time::sleep(Duration::from_micros(mix(number) % 2_000)).await;
            let reply = reply(&head, number);
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
        let room = HEAD_BYTES_MAX - bytes.len();
        let read = (&mut stream).take(room as u64).read_buf(&mut bytes).await;
        if !matches!(read, Ok(count) if count > 0) {
            return;
        }
    }
}

fn reply(head: &str, number: u64) -> String {
    let target = head.split(' ').nth(1).unwrap();
    let owner = match field(head, "authorization") {
        Some(shown) => format!("{MARK}{}", name_of(shown)),
        None => EVERYBODY.to_owned(),
    };
    let chance = mix(number ^ 0x5eed);
    if chance.is_multiple_of(40) {
        return "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    let control = CONTROLS[usize::try_from(chance / 40 % CONTROLS.len() as u64).unwrap()];
    // It differs for every caller, as it must where the answer does.
    let tag = format!(
        "\"{:x}\"",
        mix(owner
            .bytes()
            .fold(7, |sum, byte| mix(sum ^ u64::from(byte))))
    );
    if field(head, "if-none-match") == Some(&tag) {
        return format!("HTTP/1.1 304 No\r\nETag: {tag}\r\nCache-Control: {control}\r\n\r\n");
    }
    let body = body(target, &owner).to_string();
    format!(
        "HTTP/1.1 200 OK\r\nETag: {tag}\r\nCache-Control: {control}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn body(target: &str, owner: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let list = |name: &str| -> Vec<&str> {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(known, _)| *known == name);
        found.map_or(Vec::new(), |(_, value)| value.split(',').collect())
    };
    match path {
        "/table" => (0..100)
            .map(|id| json!({ "id": id.to_string(), "owner": owner }))
            .collect(),
        "/records" => {
            let versions = list("versions");
            let ids = list("ids").into_iter().enumerate();
            ids.map(|(place, id)| match versions.get(place) {
                Some(&"3") => json!({ "id": id, "version": "3", "unchanged": true }),
                Some(_) | None => json!({ "id": id, "version": "3", "owner": owner }),
            })
            .collect()
        }
        _ => {
            let id: u64 = path.rsplit('/').next().unwrap().parse().unwrap_or(0);
            let items = (0..ITEMS)
                .map(|item| json!({ "ref": mix(id * ITEMS + item) % 12, "owner": owner }));
            json!({ "owner": owner, "next": id + 1, "items": items.collect::<Value>() })
        }
    }
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let mut found = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value)
}

/// Whose value token this is: the subject, with the session and the scopes.
fn name_of(shown: &str) -> String {
    let payload = shown.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&decode(payload)).unwrap();
    let told = ["sub", "client_id", "sid", "scope"].map(|name| claims[name].as_str().unwrap_or(""));
    told.join("/")
}

/// Base64 for URLs, without padding.
fn decode(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let bits = four
            .iter()
            .fold(0_u32, |bits, byte| bits << 6 | u32::from(value(*byte)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

/// A number that looks drawn, the same for the same one.
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
