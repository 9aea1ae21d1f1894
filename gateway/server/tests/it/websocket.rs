//! Connections that stop speaking HTTP, and those that must not.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;
use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

const WISH: &str = "GET /live HTTP/1.1\r\nHost: edge.test\r\nConnection: keep-alive, Upgrade\r\n\
                    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const GRANT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(10);

/// A service of which the test itself is the other end.
struct Service(TcpListener);

impl Service {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection, and the head that came on it.
    async fn hear(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap())
    }
}

fn config(service: SocketAddr) -> String {
    format!(
        "services: {{ s: {{ endpoints: [\"{service}\"], timeout: 2s }} }}\n\
         routes:\n  - {{ match: GET /live, to: s, upgrade: websocket, name: live }}\n  \
         - {{ match: \"/{{rest*}}\", to: s, name: all }}\n"
    )
}

/// Both ends of a WebSocket through the gateway.
async fn open(edge: &Edge, service: &Service) -> (Client, TcpStream) {
    let mut client = edge.connect().await;
    client.say(WISH).await;
    let (mut stream, _) = service.hear().await;
    stream.write_all(GRANT.as_bytes()).await.unwrap();
    assert_eq!(client.hear().await.status, 101);
    (client, stream)
}

async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut bytes)).await;
    read.expect("no bytes in time").unwrap();
    bytes
}

/// How the connection ends: `Ok` with what came before, `Err` where it broke.
async fn read_to_end(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    read.expect("no end in time").map(|_| rest)
}

#[tokio::test]
async fn bytes_go_both_ways_once_both_sides_agreed() {
    let service = Service::start().await;
    let edge = Edge::start(&config(service.address())).await;
    let mut client = edge.connect().await;
    // What is said right behind a head belongs to the WebSocket already.
    client.say(format!("{WISH}early")).await;
    let (mut stream, head) = service.hear().await;
    assert!(
        head.contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        "{head}"
    );

    stream
        .write_all(format!("{GRANT}first").as_bytes())
        .await
        .unwrap();
    let answer = client.hear().await;
    assert_eq!(
        (answer.status, answer.field("upgrade")),
        (101, Some("websocket"))
    );
    assert!(answer.field("x-request-id").is_some(), "{}", answer.head);
    assert_eq!(client.take(5).await.unwrap(), b"first");
    assert_eq!(read(&mut stream, 5).await, b"early");

    client.say("\x00GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(read(&mut stream, 19).await, b"\x00GET / HTTP/1.1\r\n\r\n");
    stream.write_all(b"HTTP/9 nonsense").await.unwrap();
    assert_eq!(client.take(15).await.unwrap(), b"HTTP/9 nonsense");

    drop(stream);
    assert!(client.is_closed().await);
    drop(client);
    let lines = edge.stop_and_read_log().await;
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let counted = [&line["status"], &line["bytes_in"], &line["bytes_out"]];
    assert_eq!(counted, [101, 24, 20]);
    assert!(line["code"].is_null(), "{line}");
}

#[tokio::test]
async fn a_side_that_ended_still_hears_the_other() {
    let service = Service::start().await;
    let edge = Edge::start(&config(service.address())).await;
    let (mut client, mut stream) = open(&edge, &service).await;
    client.say("last word").await;
    client.finish().await;
    assert_eq!(read_to_end(&mut stream).await.unwrap(), b"last word");
    stream.write_all(b"and an answer").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(client.read_to_end().await.unwrap(), b"and an answer");
}

#[tokio::test]
async fn a_side_that_broke_breaks_the_other() {
    let service = Service::start().await;
    let edge = Edge::start(&config(service.address())).await;
    let (mut client, stream) = open(&edge, &service).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    assert!(client.read_to_end().await.is_err());

    let (client, mut stream) = open(&edge, &service).await;
    client.reset();
    assert!(matches!(
        read_to_end(&mut stream).await.as_deref(),
        Ok([]) | Err(_)
    ));

    let lines = edge.stop_and_read_log().await;
    assert_eq!(lines[0]["code"], "upstream_broken", "{lines:?}");
    assert_eq!(lines[1]["client_left"], true, "{lines:?}");
}

#[tokio::test]
async fn a_silent_websocket_is_closed_and_one_that_speaks_is_not() {
    let service = Service::start().await;
    let rest = config(service.address());
    let edge = Edge::start(&format!("deadlines: {{ websocket: 1s }}\n{rest}")).await;
    let (mut client, mut stream) = open(&edge, &service).await;
    let began = tokio::time::Instant::now();
    // Three times the deadline, with a word from one side only.
    while began.elapsed() < Duration::from_secs(3) {
        // sleeps: what is tested is the passing of time
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(b"x").await.unwrap();
        assert_eq!(client.take(1).await.unwrap(), b"x");
    }
    let silent = tokio::time::Instant::now();
    assert!(client.is_closed().await);
    assert!(read_to_end(&mut stream).await.unwrap().is_empty());
    assert!(
        silent.elapsed() > Duration::from_millis(900),
        "{:?}",
        silent.elapsed()
    );
}

#[tokio::test]
async fn what_nobody_reads_is_not_taken_in() {
    let service = Service::start().await;
    let edge = Edge::start(&config(service.address())).await;
    let (mut client, mut stream) = open(&edge, &service).await;
    let piece = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(500), stream.write(&piece)).await
    {
        taken += written.unwrap();
        assert!(
            taken < 64 * 1024 * 1024,
            "the gateway takes in what nobody reads"
        );
    }
    stream.shutdown().await.unwrap();
    client.finish().await;
    assert_eq!(client.read_to_end().await.unwrap().len(), taken);
}

/// The trick of request smuggling by upgrade: whoever believes in a switch that was none passes the
/// client's next bytes on unjudged.
#[tokio::test]
async fn without_a_switch_the_next_bytes_are_a_request_like_any() {
    let refusals = [
        "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    ];
    for refusal in refusals {
        let service = Upstream::start([Step::Say(refusal.to_owned()), ok("second")]).await;
        let edge = Edge::start(&config(service.address)).await;
        let mut client = edge.connect().await;
        client
            .say(format!("{WISH}GET /a//b HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        assert_ne!(client.hear().await.status, 101);
        assert_eq!(client.hear().await.code(), "bad_target");
        assert_eq!(service.heard().len(), 1, "{:?}", service.heard());

        let mut client = edge.connect().await;
        client
            .say(format!("{WISH}GET /next HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        client.hear().await;
        client.hear().await;
        assert!(
            service.last().starts_with("GET /next"),
            "{}",
            service.last()
        );
    }
}

#[tokio::test]
async fn a_switch_that_is_not_the_answer_to_the_wish_is_502() {
    let grants = [
        GRANT.replace("s3pP", "s3pQ"),
        GRANT.replace("Upgrade: websocket\r\n", ""),
        GRANT.replace("Connection: Upgrade\r\n", ""),
        GRANT.replace("Upgrade: websocket", "Upgrade: h2c"),
        GRANT.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n"),
    ];
    for grant in grants {
        let service = Upstream::start([Step::Say(grant.clone())]).await;
        let edge = Edge::start(&config(service.address)).await;
        let mut client = edge.connect().await;
        let answer = client.ask(WISH).await;
        assert_eq!(
            (answer.status, answer.code()),
            (502, "upstream_broken".into()),
            "{grant}"
        );
    }
}

#[tokio::test]
async fn only_a_route_that_says_so_lets_a_wish_through() {
    let service = Upstream::start([Step::Say(GRANT.to_owned())]).await;
    let edge = Edge::start(&config(service.address)).await;
    let mut client = edge.connect().await;
    let answer = client.ask(WISH.replace("/live", "/other")).await;
    assert_eq!(answer.status, 502, "a switch nobody asked for");
    let heard = service.last().to_ascii_lowercase();
    assert!(
        !heard.contains("\r\nupgrade:") && !heard.contains("\r\nconnection:"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_malformed_wish_is_refused_before_the_service_is_asked() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::start(&config(service.address)).await;
    let wishes = [
        WISH.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        WISH.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="),
        WISH.replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx"),
    ];
    for wish in wishes {
        let answer = edge.connect().await.ask(&wish).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "bad_upgrade".into()),
            "{wish}"
        );
    }
    assert!(service.heard().is_empty());
}

#[tokio::test]
async fn a_websocket_may_go_on_until_the_drain_deadline() {
    let service = Service::start().await;
    let rest = config(service.address());
    let edge = Edge::start(&format!("deadlines: {{ drain: 500ms }}\n{rest}")).await;
    let (mut client, mut stream) = open(&edge, &service).await;
    let talk = async {
        client.say("still here").await;
        assert_eq!(read(&mut stream, 10).await, b"still here");
    };
    let (has_emptied, ()) = tokio::join!(edge.running.stop(Some(Duration::ZERO)), talk);
    assert!(!has_emptied, "the process waits, and no longer than it may");
}
