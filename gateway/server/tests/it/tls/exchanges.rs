//! Requests and answers that come by TLS.

use std::time::Duration;

use gateway_server::Carriers;

use super::before;
use crate::edge::{Edge, everything_to};
use crate::site::Site;
use crate::upstream::{Upstream, ok};

/// Several times what any buffer on the way holds.
const LARGE_BYTES: usize = 600 * 1024;

#[tokio::test]
async fn a_service_is_told_that_the_client_came_by_tls() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = before(&service, "").await;
    assert_eq!(edge.get("/").await.status, 200);
    let seen = service.last().to_ascii_lowercase();
    assert!(seen.contains("\r\nx-forwarded-proto: https\r\n"), "{seen}");
}

#[tokio::test]
async fn large_bodies_go_both_ways_and_the_connection_goes_on() {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let answer = "abc".repeat(LARGE_BYTES / 3);
        let service = Upstream::start([ok(&answer)]).await;
        let config = everything_to(&[service.address]);
        let edge = Edge::secure_with(carriers, Site::new(), &["first"], &config).await;
        let mut client = edge.connect().await;
        let body = "xyz".repeat(LARGE_BYTES / 3);
        for head in [
            format!("Content-Length: {LARGE_BYTES}\r\n\r\n{body}"),
            format!("Transfer-Encoding: chunked\r\n\r\n{LARGE_BYTES:x}\r\n{body}\r\n0\r\n\r\n"),
        ] {
            let request = format!("POST / HTTP/1.1\r\nHost: edge.test\r\n{head}");
            let heard = client.ask(request).await;
            assert_eq!(heard.status, 200);
            assert!(
                heard.body == answer.as_bytes(),
                "{} bytes",
                heard.body.len()
            );
            assert!(body_of(&service.last()) == body, "{carriers:?}");
        }
        let heard = client.get("/again").await;
        assert!(
            heard.body == answer.as_bytes(),
            "{} bytes",
            heard.body.len()
        );
    }
}

/// What a service heard of a body of these letters, however it was cut into chunks.
fn body_of(request: &str) -> String {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let letters = body.chars().filter(|letter| ('x'..='z').contains(letter));
    letters.collect()
}

#[tokio::test]
async fn requests_that_come_in_one_record_are_all_answered() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = before(&service, "").await;
    let mut client = edge.connect().await;
    // More than is read at once, so that some of it waits decrypted while the socket has no more.
    let request = format!(
        "GET / HTTP/1.1\r\nHost: edge.test\r\nX: {}\r\n\r\n",
        "x".repeat(900)
    );
    client.say(request.repeat(16)).await;
    for _ in 0..16 {
        assert_eq!(client.hear().await.text(), "fine");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_so_many_words() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = before(&service, "deadlines: { idle: 100ms }").await;
    let mut client = edge.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    // Without the word it would be an error here: anybody can close a socket.
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_closes_what_is_idle() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = before(&service, "").await;
    let mut idle = edge.connect().await;
    let mut used = edge.connect().await;
    for client in [&mut idle, &mut used] {
        assert_eq!(
            client.get("/").await.field("connection"),
            Some("keep-alive")
        );
    }
    let (stopped, ()) = tokio::join!(edge.running.stop(Some(Duration::ZERO)), async {
        while !edge.admin("/readyz").await.1.contains("under way") {}
        let answer = used.get("/").await;
        assert_eq!(
            (answer.status, answer.field("connection")),
            (200, Some("close"))
        );
        assert!(used.is_closed().await && idle.is_closed().await);
    });
    assert!(stopped);
}
