//! What is agreed on in a handshake, and how long one may take.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, AlertDescription, Error, HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::names::tls_error;
use super::{before, handshakes, metric};
use crate::client::Client;
use crate::edge::Edge;
use crate::site::{Site, Visit};
use crate::socket::{Socket, shake_hands};
use crate::upstream::{Upstream, ok};

/// Longer than anything that must happen here, shorter than the default deadline.
const PATIENCE: Duration = Duration::from_secs(5);

async fn edge(rest: &str) -> Edge {
    before(&Upstream::start([ok("fine")]).await, rest).await
}

#[tokio::test]
async fn http_is_agreed_on_and_nothing_else() {
    let edge = edge("").await;
    let site = edge.site.as_ref().unwrap();
    let offer = |protocols: &[&str]| {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        let protocols: Vec<_> = protocols.collect();
        site.visit_with(ALL_VERSIONS, Site::FIRST, |config| {
            config.alpn_protocols = protocols;
        })
    };
    let http: Option<&[u8]> = Some(b"http/1.1");
    for (offered, agreed) in [
        (vec![], None),
        (vec!["http/1.1"], http),
        (vec!["spdy/3", "http/1.1"], http),
        (vec!["http/1.1", "h2"], Some(b"h2")),
    ] {
        let stream = shake_hands(edge.address(), offer(&offered)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
    }
    let refused = shake_hands(edge.address(), offer(&["spdy/3"])).await;
    let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    assert_eq!(tls_error(&refused.unwrap_err()), Some(&alert));
}

/// How a client is met that was there before, and whether it may send before it is known again.
async fn come_back(edge: &Edge, visit: &Visit) -> (HandshakeKind, bool) {
    let mut stream = shake_hands(edge.address(), visit.clone()).await.unwrap();
    let session = stream.get_ref().1;
    let met = (
        session.handshake_kind().unwrap(),
        session.is_early_data_accepted(),
    );
    // What a session is resumed by comes behind the handshake.
    let request = b"GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    met
}

#[tokio::test]
async fn a_client_comes_back_by_the_shorter_handshake_even_after_a_reload() {
    for (version, protocol) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let service = Upstream::start([ok("fine")]).await;
        let edge = before(&service, "").await;
        let site = edge.site.as_ref().unwrap();
        let visit = site.visit_with(&[version], Site::FIRST, |config| {
            config.enable_early_data = true;
        });
        let stream = shake_hands(edge.address(), visit.clone()).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(protocol));

        let (kind, _) = come_back(&edge, &site.visit_with(&[version], Site::FIRST, |_| {})).await;
        assert_eq!(kind, HandshakeKind::Full);
        come_back(&edge, &visit).await;
        let resumed = (HandshakeKind::Resumed, false);
        assert_eq!(come_back(&edge, &visit).await, resumed, "{protocol:?}");
        let rest = crate::edge::everything_to(&[service.address]);
        edge.running.apply(&edge.compile(&rest));
        assert_eq!(come_back(&edge, &visit).await, resumed, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_not_begun_or_drips_ends_at_its_deadline() {
    let edge = edge("deadlines: { handshake: 200ms }").await;
    let mut silent = TcpStream::connect(edge.address()).await.unwrap();
    let mut slow = TcpStream::connect(edge.address()).await.unwrap();
    let silence = timeout(PATIENCE, silent.read(&mut [0])).await;
    assert!(matches!(silence, Ok(Ok(0))), "{silence:?}");

    // The head of a record of 512 bytes, which then come one by one.
    slow.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 252])
        .await
        .unwrap();
    let dripped = timeout(PATIENCE, async {
        while slow.write_all(&[3]).await.is_ok() {
            // sleeps: a slow client is slow
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    dripped.await.expect("a handshake that drips is ended");
    assert_eq!(handshakes(&edge, "timed_out").await, 2);
    assert_eq!(edge.get("/").await.status, 200);
}

#[tokio::test]
async fn a_connection_counts_before_its_handshake() {
    let edge = edge("limits: { connections: 1 }").await;
    let silent = TcpStream::connect(edge.address()).await.unwrap();
    while metric(&edge, "connections").await < 1 {}

    let mut second = TcpStream::connect(edge.address()).await.unwrap();
    let mut heard = Vec::new();
    let ended = timeout(PATIENCE, second.read_to_end(&mut heard)).await;
    ended.expect("an end at once").unwrap();
    assert_eq!(heard, b"", "nothing can be said before a handshake");
    let rejections = "rejections_total{code=\"too_many_connections\"}";
    assert_eq!(metric(&edge, rejections).await, 1);

    drop(silent);
    while metric(&edge, "connections").await > 0 {}
    assert_eq!(edge.get("/").await.status, 200);
}

#[tokio::test]
async fn plain_text_is_not_taken_for_a_handshake() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = before(&service, "").await;
    let mut client = Client::on(Socket::connect(edge.address()).await);
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let heard = client.read_to_end().await.unwrap_or_default();
    assert!(!heard.starts_with(b"HTTP"), "{}", heard.escape_ascii());
    assert!(service.heard().is_empty());
    while handshakes(&edge, "failed").await < 1 {}
}

#[tokio::test]
async fn a_handshake_that_does_not_end_holds_no_drain_up() {
    let edge = edge("").await;
    let silent = TcpStream::connect(edge.address()).await.unwrap();
    while metric(&edge, "connections").await < 1 {}
    let stopped = timeout(PATIENCE, edge.running.stop(Some(Duration::ZERO))).await;
    assert!(stopped.expect("a stop before the deadline of the handshake"));
    drop(silent);
}
