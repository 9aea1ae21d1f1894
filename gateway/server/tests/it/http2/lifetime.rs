//! How long a connection lives: from the first byte to the last goodbye.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gateway_server::Carriers;
use tokio::time::Instant;

use super::client::{Client, request, with, within};
use super::raw::{
    ACK, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, Raw, SETTINGS, frame, get, get_frame,
    header_frames, literal,
};
use super::service::Service;
use crate::edge::{Edge, everything_to};

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;

async fn edge_with(deadlines: &str) -> (Edge, Service) {
    let service = Service::start().await;
    let rest = everything_to(&[service.address]) + "deadlines: { " + deadlines + " }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    (edge, service)
}

async fn ended(edge: &Edge, end: &str) -> bool {
    let (_, metrics) = edge.admin("/metrics").await;
    metrics.contains(&format!(
        "tollgate_http2_connections_total{{end=\"{end}\"}} 1"
    ))
}

async fn until_ended(edge: &Edge, end: &str) {
    within(async { while !ended(edge, end).await {} }).await;
}

#[tokio::test]
async fn a_listener_speaks_what_the_client_begins_with() {
    let (edge, _service) = edge_with("head: 5s").await;
    assert_eq!(edge.get("/").await.text(), "fine");
    // However the preface is sliced.
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &get_frame(1)].concat();
    for size in [1, 10, 17, 18, 19, 24, 33, 1000] {
        let mut raw = Raw::silent(edge.address()).await;
        for piece in bytes.chunks(size) {
            raw.say(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(raw.verdict(1).await, "200", "{size}");
    }
    // A request that only begins like one, and one on a connection that spoke HTTP/1.1 before.
    let mut client = edge.connect().await;
    assert_eq!(
        client.ask("PRI / HTTP/1.1\r\nHost: h\r\n\r\n").await.status,
        200
    );
    assert_eq!(client.ask(PREFACE).await.status, 505);
}

#[tokio::test]
async fn a_listener_that_was_not_told_so_does_not_speak_it() {
    let service = Service::start().await;
    let edge = Edge::before(service.address).await;
    let answer = edge.connect().await.ask(PREFACE).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (505, "version_not_supported")
    );
}

#[tokio::test]
async fn a_client_that_goes_on_otherwise_is_told_so_and_left() {
    let (edge, _service) = edge_with("head: 5s").await;
    let broken: [Vec<u8>; 4] = [
        [b"PRI * HTTP/2.0\r\n\r\n", &b"GET / HTTP/1.1\r\n"[..]].concat(),
        [PREFACE, &frame(PING, 0, 0, b"pingping")].concat(),
        [PREFACE, &frame(SETTINGS, ACK, 0, &[])].concat(),
        [PREFACE, &frame(SETTINGS, 0, 1, &[])].concat(),
    ];
    for bytes in broken {
        let mut raw = Raw::silent(edge.address()).await;
        raw.say(&bytes).await;
        assert_eq!(
            raw.goodbye().await,
            Some(PROTOCOL_ERROR),
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[tokio::test]
async fn settings_are_due_within_the_deadline_of_a_head() {
    let (edge, _service) = edge_with("head: 200ms").await;
    for begun in [&PREFACE[..20], PREFACE] {
        let mut raw = Raw::silent(edge.address()).await;
        let began = Instant::now();
        raw.say(begun).await;
        assert_eq!(raw.goodbye().await, Some(PROTOCOL_ERROR));
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn streams_that_never_became_requests_are_counted() {
    let (edge, _service) = edge_with("head: 5s").await;
    let mut raw = Raw::connect(edge.address()).await;
    let odd = [get(), literal(&[(b"connection", b"close")])].concat();
    let huge = [get(), literal(&[(b"x", &[b'y'; 60_000])])].concat();
    raw.say(&get_frame(1)).await;
    assert_eq!(raw.verdict(1).await, "200");
    raw.say(&header_frames(END_STREAM, 3, &odd)).await;
    assert_eq!(raw.verdict(3).await, "reset 1");
    raw.say(&header_frames(END_STREAM, 5, &huge)).await;
    assert_eq!(raw.verdict(5).await, "431");
    drop(raw);
    until_ended(&edge, "client").await;
    let (_, metrics) = edge.admin("/metrics").await;
    let counted = metrics.contains("tollgate_http2_streams_unheard_total 2\n");
    assert!(counted, "{metrics}");
    let lines = edge.stop_and_read_log().await;
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_connection_without_requests_is_ended_whatever_else_it_says() {
    let (edge, _service) = edge_with("idle: 300ms").await;
    let mut silent = Raw::connect(edge.address()).await;
    assert_eq!(silent.goodbye().await, Some(NO_ERROR));
    until_ended(&edge, "idle").await;

    let mut busy = Raw::connect(edge.address()).await;
    busy.say(&get_frame(1)).await;
    assert_eq!(busy.verdict(1).await, "200");
    let pinging = async {
        while busy.say(&frame(PING, 0, 0, b"pingping")).await {
            // Only an answered ping is followed by another.
            if busy.hear_kind(PING).await.is_none() {
                return;
            }
        }
    };
    within(pinging).await;
}

#[tokio::test]
async fn a_connection_with_a_request_is_not_idle() {
    let (edge, service) = edge_with("idle: 100ms").await;
    let client = Client::connect(edge.address()).await;
    let (response, _) = client.begin(request("GET", "/hang"), true).await.unwrap();
    service.heard(1).await;
    // The service has two seconds, twenty times what a connection may be idle.
    let answer = within(response).await.unwrap();
    assert_eq!(answer.status().as_u16(), 504);
}

#[tokio::test]
async fn a_stop_tells_clients_to_go_and_serves_what_is_under_way() {
    let (edge, service) = edge_with("drain: 10s, lame_duck: 0s").await;
    let mut idle = Raw::connect(edge.address()).await;
    idle.say(&get_frame(1)).await;
    assert_eq!(idle.verdict(1).await, "200");
    let client = Client::connect(edge.address()).await;
    let (response, _) = client.begin(request("GET", "/hang"), true).await.unwrap();
    service.heard(2).await;

    let running = Arc::clone(&edge.running);
    let began = Instant::now();
    let stopping = gateway_server::spawn("stop", async move {
        running.stop(Some(Duration::from_secs(1))).await
    });
    assert_eq!(idle.hear_kind(GOAWAY).await.unwrap().code(), NO_ERROR);
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "only once the lame duck was over"
    );
    // The one that hangs gets its answer, the process waits for it, and all is closed.
    assert_eq!(within(response).await.unwrap().status().as_u16(), 504);
    assert!(within(stopping).await.unwrap());
    assert!(within(client.driver).await.unwrap().is_ok());
}

#[tokio::test]
async fn who_comes_while_the_process_stops_gets_an_answer_first() {
    let (edge, _service) = edge_with("drain: 10s").await;
    let running = Arc::clone(&edge.running);
    let stopping = gateway_server::spawn("stop", async move {
        running.stop(Some(Duration::from_secs(1))).await
    });
    while edge.admin("/readyz").await.0 == 200 {}
    let mut late = Raw::connect(edge.address()).await;
    late.say(&frame(PING, 0, 0, b"pingping")).await;
    let mut heard = Vec::new();
    while !heard.contains(&PING) {
        heard.push(late.hear().await.expect("an answered ping").kind);
    }
    assert!(!heard.contains(&GOAWAY), "{heard:?}");
    late.say(&get_frame(1)).await;
    while !(heard.contains(&HEADERS) && heard.contains(&GOAWAY)) {
        heard.push(late.hear().await.expect("an answer and a goodbye").kind);
    }
    drop(late);
    assert!(within(stopping).await.unwrap());
}

/// Clients that reconnect when they are told to go lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_no_request() {
    let (edge, _service) = edge_with("drain: 10s").await;
    let address = edge.address();
    let is_over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for name in 0..8 {
        let (is_over, served) = (Arc::clone(&is_over), Arc::clone(&served));
        clients.spawn(async move {
            let mut nth = 0;
            while !is_over.load(Ordering::Acquire) {
                let Some(client) = Client::try_connect(address).await else {
                    return;
                };
                while ask_four(&client, name, &mut nth).await {
                    served.fetch_add(4, Ordering::AcqRel);
                }
            }
        });
    }
    super::service::until(|| served.load(Ordering::Acquire) > 400).await;
    let before = served.load(Ordering::Acquire);
    assert!(edge.running.stop(Some(Duration::from_millis(500))).await);
    is_over.store(true, Ordering::Release);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(served.load(Ordering::Acquire) > before);
}

/// Four requests at once; `false` once the client was told to go. A request that was taken and not
/// answered is a failure.
async fn ask_four(client: &Client, name: usize, nth: &mut usize) -> bool {
    let mut asked = Vec::new();
    for _ in 0..4 {
        *nth += 1;
        let id = format!("{name}-{nth}");
        match client
            .begin(with(request("GET", "/id"), "x-id", &id), true)
            .await
        {
            Ok((response, _)) => asked.push((id, response)),
            Err(_) => break,
        }
    }
    let mut goes_on = asked.len() == 4;
    for (id, response) in asked {
        let answer = match within(response).await {
            Ok(response) => super::client::read(response).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => assert_eq!(answer.text(), id),
            // Not taken: the goodbye named an earlier request as the last one.
            Err(error) if error.is_go_away() && error.is_remote() => goes_on = false,
            Err(error) => panic!("a request was lost: {error:?}"),
        }
    }
    goes_on
}
