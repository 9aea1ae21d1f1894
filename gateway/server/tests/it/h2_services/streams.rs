//! Both directions at once: streams that are spoken and answered piece by piece.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frames::*;
use super::service::{Act, Behaviour, Service, config, until};
use super::sound::Sound;
use crate::edge::Edge;

/// What may be taken of an answer for a client that reads none of it.
const FLOODED_BYTES_MAX: usize = 6 * 1024 * 1024;

/// A client that hears the bytes of an answer as they come.
struct Talk {
    stream: TcpStream,
    heard: String,
}

impl Talk {
    async fn begin(edge: &Edge, path: &str) -> Self {
        let stream = TcpStream::connect(edge.address()).await.unwrap();
        let mut talk = Self {
            stream,
            heard: String::new(),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        talk.say(&head).await;
        talk
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn piece(&mut self, text: &str) {
        self.say(&format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// Reads until this came, and not a byte more is there; drops what was read.
    async fn hear(&mut self, end: &str) -> String {
        let read = async {
            while !self.heard.ends_with(end) {
                let mut buffer = [0; 1024];
                let count = self.stream.read(&mut buffer).await.unwrap();
                assert!(count > 0, "ended: {}", self.heard);
                self.heard
                    .push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .is_err()
        {
            panic!("heard only {:?}", self.heard);
        }
        std::mem::take(&mut self.heard)
    }
}

#[tokio::test]
async fn pieces_of_both_directions_pass_as_they_come() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 30s")).await;
    let mut talk = Talk::begin(&edge, "/echo").await;
    // The head of the answer is there before a byte of the body was sent.
    let head = talk.hear("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for piece in ["one", "two", "three"] {
        talk.piece(piece).await;
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        assert_eq!(talk.hear(&chunk).await, chunk);
    }
    talk.say("0\r\n\r\n").await;
    let end = talk.hear("\r\n\r\n").await;
    assert_eq!(end, "0\r\ngrpc-status: 0\r\ngrpc-message: \r\n\r\n");
    assert!(service.heard()[0].is_whole);
}

fn with_stall(service: &Sound, stall: &str) -> String {
    format!(
        "{}deadlines: {{ stall: {stall} }}\n",
        config(&[service.address], "timeout: 30s")
    )
}

#[tokio::test]
async fn a_stream_lives_as_long_as_something_moves_and_is_cut_when_nothing_does() {
    let service = Sound::start().await;
    let edge = Edge::start(&with_stall(&service, "400ms")).await;
    let mut talk = Talk::begin(&edge, "/echo").await;
    talk.hear("\r\n\r\n").await;
    for _ in 0..6 {
        // sleeps: a pause of the client, within the deadline
        tokio::time::sleep(Duration::from_millis(150)).await;
        talk.piece("x").await;
        talk.hear("1\r\nx\r\n").await;
    }
    let mut rest = Vec::new();
    let ended = talk.stream.read_to_end(&mut rest).await;
    assert!(ended.is_err() && rest.is_empty(), "{rest:?}");
    assert!(!service.heard()[0].is_whole);
    let lines = edge.stop_and_read_log().await;
    assert_eq!(lines[0]["code"], "body_timeout");
    assert_eq!(lines[0]["answer_cut"], true);
}

#[tokio::test]
async fn a_service_may_be_silent_for_longer_than_a_client_once_it_has_the_request() {
    let service = Sound::start().await;
    let keys = "timeout: 900ms";
    let stall = "deadlines: { stall: 100ms }\n";
    let edge = Edge::start(&(config(&[service.address], keys) + stall)).await;
    let mut talk = Talk::begin(&edge, "/never").await;
    talk.say("0\r\n\r\n").await;
    let answer = talk.hear("}\n").await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_stream_for_the_service() {
    let service = Service::start(Behaviour::new(|asked| {
        let head = fields(asked.stream, &[(":status", "200")], 0);
        Act::Say([head, data(asked.stream, "one", 0)].concat())
    }))
    .await;
    let edge = Edge::start(&config(&[service.address], "timeout: 30s")).await;
    let mut talk = Talk::begin(&edge, "/").await;
    talk.hear("3\r\none\r\n").await;
    talk.stream.set_zero_linger().unwrap();
    drop(talk);
    until("the stream is reset", || async {
        service.seen().resets == [(1, CANCEL)]
    })
    .await;
    let lines = edge.stop_and_read_log().await;
    assert_eq!(lines[0]["client_left"], true);
    assert_eq!(service.seen().requests.len(), 1);
}

#[tokio::test]
async fn a_client_that_reads_nothing_fills_its_own_window_and_holds_up_nobody() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 30s")).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut talk = Talk::begin(&edge, "/flood").await;
        talk.say("0\r\n\r\n").await;
        slow.push(talk);
    }
    // More than one window of a connection, in all.
    until("every stream is full", || async {
        let before = service.flooded();
        // sleeps: time for more to come, if there were room
        tokio::time::sleep(Duration::from_millis(300)).await;
        before > 0 && before == service.flooded()
    })
    .await;
    for _ in 0..10 {
        assert_eq!(edge.get("/x").await.text(), "got 0");
    }
    // Most of it lies in the buffers of the kernel, between the gateway and its clients.
    let flooded = service.flooded();
    assert!(flooded < 20 * FLOODED_BYTES_MAX, "{flooded} bytes");

    // Whoever reads on is served on.
    let mut talk = slow.pop().unwrap();
    let mut read = 0;
    while read < 2 * FLOODED_BYTES_MAX {
        let mut buffer = [0; 65_536];
        let count = talk.stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "ended after {read} bytes");
        read += count;
    }
}

#[tokio::test]
async fn an_answer_that_its_client_does_not_take_is_a_stalled_write() {
    let service = Sound::start().await;
    let edge = Edge::start(&with_stall(&service, "300ms")).await;
    let mut talk = Talk::begin(&edge, "/flood").await;
    talk.say("0\r\n\r\n").await;
    until("the request is given up", || async {
        let (_, metrics) = edge.admin("/metrics").await;
        service.flooded() > 0 && metrics.contains("tollgate_requests_in_flight 0\n")
    })
    .await;
    let lines = edge.stop_and_read_log().await;
    assert_eq!(lines[0]["client_left"], true, "{lines:?}");
    assert_eq!(lines[0]["answer_cut"], true, "{lines:?}");
}

#[tokio::test]
async fn a_body_is_not_late_while_the_answer_goes_on() {
    let service = Sound::start().await;
    let edge = Edge::start(&with_stall(&service, "400ms")).await;
    let mut talk = Talk::begin(&edge, "/ticks").await;
    let heard = talk.hear("0\r\n\r\n").await;
    assert!(
        heard.ends_with(&("4\r\ntick\r\n".repeat(6) + "0\r\n\r\n")),
        "{heard}"
    );
}

#[tokio::test]
async fn a_whole_answer_counts_though_the_service_declines_the_rest_of_the_request() {
    // RFC 9113 §8.1: whoever answered whole may decline what is left with a reset that is no error.
    for more in [&[][..], &[("content-length", "4")]] {
        let service = Service::start(Behaviour::new(move |asked| {
            let head = fields(asked.stream, &[&[(":status", "200")], more].concat(), 0);
            let answer = data(asked.stream, "four", END_STREAM);
            Act::Say([head, answer, reset(asked.stream, NO_ERROR)].concat())
        }))
        .await;
        let edge = Edge::start(&config(&[service.address], "timeout: 30s")).await;
        let mut talk = Talk::begin(&edge, "/").await;
        talk.piece("x").await;
        let mut heard = String::new();
        talk.stream.read_to_string(&mut heard).await.unwrap();
        assert!(heard.contains("four"), "{heard}");
        let lines = edge.stop_and_read_log().await;
        assert_eq!(lines[0]["status"], 200, "{more:?}");
        assert_eq!(lines[0]["answer_cut"], serde_json::Value::Null, "{more:?}");
    }
}
