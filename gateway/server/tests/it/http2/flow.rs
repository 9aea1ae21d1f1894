//! Many streams at once, and windows that hold everybody back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gateway_server::Carriers;
use h2::Reason;
use tokio::task::JoinSet;

use super::client::{Client, read, request, with, within};
use super::raw::{
    DATA, END_STREAM, HEADERS, RESET, Raw, WINDOW_UPDATE, frame, get_frame, header_frames, literal,
};
use super::service::{Service, until};
use crate::edge::{Edge, everything_to};
use crate::upstream::{Upstream, ok};

fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_connection_get_their_own_answers() {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let client = Client::connect(edge.address()).await;
    for round in 0..10 {
        let mut asked = JoinSet::new();
        for nth in 0..64 {
            let id = format!("{round}-{nth}");
            let request = with(request("GET", "/id"), "x-id", &id);
            let (response, _) = client.begin(request, true).await.unwrap();
            asked.spawn(async move { (id, read(within(response).await.unwrap()).await.unwrap()) });
        }
        while let Some(answered) = asked.join_next().await {
            let (id, answer) = answered.unwrap();
            assert_eq!(answer.text(), id);
        }
    }
}

#[tokio::test]
async fn one_stream_more_than_allowed_is_refused_and_may_be_tried_again() {
    let service = Service::start().await;
    let rest = everything_to(&[service.address]) + "limits: { streams: 2 }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let hang = literal(&[
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/hang"),
        (b":authority", b"h"),
    ]);
    let mut raw = Raw::connect(edge.address()).await;
    for stream in [1, 3] {
        raw.say(&header_frames(END_STREAM, stream, &hang)).await;
    }
    raw.say(&get_frame(5)).await;
    let refused = u32::from(Reason::REFUSED_STREAM);
    assert_eq!(raw.verdict(5).await, format!("reset {refused}"));
}

/// A gigabyte is on offer; no more of it may be taken than the windows and buffers on the way hold.
#[tokio::test]
async fn a_client_that_does_not_read_holds_its_service_back() {
    let service = Service::start().await;
    let rest = everything_to(&[service.address]).replace("timeout: 2s", "timeout: 60s");
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let client = Client::connect(edge.address()).await;
    let (response, _) = client.begin(request("GET", "/flood"), true).await.unwrap();
    let response = within(response).await.unwrap();
    let mut body = response.into_body();
    let first = within(body.data()).await.unwrap().unwrap();
    assert!(!first.is_empty());

    let flooded = || service.counts.flooded.load(Ordering::Acquire);
    let mut before = flooded();
    loop {
        // sleeps: that nothing moves any more shows only over time
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = flooded();
        if now == before {
            break;
        }
        before = now;
    }
    // Most of it lies in the buffers of the kernel, between the service and the gateway.
    assert!(before < 16 * 1024 * 1024, "{before} bytes were taken");

    // It is not stuck: what is read is made up for.
    let mut read = first.len();
    body.flow_control().release_capacity(first.len()).unwrap();
    while read < 20 * 1024 * 1024 {
        let data = within(body.data()).await.unwrap().unwrap();
        read += data.len();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    // Other streams were never in the way of it, nor it in theirs.
    assert_eq!(client.get("/").await.unwrap().text(), "fine");
    drop(body);
    service.left(1).await;
}

#[tokio::test]
async fn a_service_that_does_not_read_holds_its_client_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rest = everything_to(&[address]).replace("timeout: 2s", "timeout: 30s");
    let rest = rest + "limits: { body: 1GiB }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let client = Client::connect(edge.address()).await;
    let (_response, mut sending) = client.begin(request("POST", "/"), false).await.unwrap();
    let _held = within(listener.accept()).await.unwrap();

    let mut sent = 0_usize;
    loop {
        sending.reserve_capacity(16_384);
        let room = std::future::poll_fn(|context| sending.poll_capacity(context));
        let Ok(room) = tokio::time::timeout(Duration::from_millis(500), room).await else {
            break;
        };
        let room = room.unwrap().unwrap().min(16_384);
        sending.send_data(vec![b'x'; room].into(), false).unwrap();
        sent += room;
        assert!(sent < 64 * 1024 * 1024, "the window never shuts");
    }
    assert!(sent >= 128 * 1024, "{sent}");
}

#[tokio::test]
async fn a_window_that_stays_shut_is_a_stalled_write() {
    let service = Service::start().await;
    let rest = everything_to(&[service.address]) + "deadlines: { stall: 300ms }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0, and no window is ever opened.
    let mut raw = Raw::connect_with(edge.address(), &[0, 4, 0, 0, 0, 0]).await;
    raw.say(&get_frame(1)).await;
    let verdict = raw.verdict(1).await;
    assert_eq!(verdict, format!("200 reset {}", u32::from(Reason::CANCEL)));

    // The client may go on, and everything it took is freed.
    let (_, metrics) = edge.admin("/metrics").await;
    assert!(metrics.contains("tollgate_http2_streams 0"), "{metrics}");
}

/// The gateway has the whole answer; only the client is left to wait for.
#[tokio::test]
async fn a_window_that_opens_by_a_byte_now_and_then_is_as_good_as_shut() {
    let service = Upstream::start([ok(&"x".repeat(20_000))]).await;
    let rest = everything_to(&[service.address]) + "deadlines: { stall: 400ms }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let mut raw = Raw::connect_with(edge.address(), &[0, 4, 0, 0, 0, 0]).await;
    raw.say(&get_frame(1)).await;
    let trickle = async {
        let mut taken = 0;
        loop {
            let frame = raw.hear().await.expect("an end of the stream");
            match frame.kind {
                RESET => return (taken, frame.code()),
                HEADERS | DATA => {
                    taken += 1;
                    // sleeps: the pace is the misbehaviour
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    raw.say(&window_update(1, 1)).await;
                }
                _ => {}
            }
        }
    };
    let (taken, code) = within(trickle).await;
    assert_eq!(code, u32::from(Reason::CANCEL));
    assert!((2..=6).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_client_that_takes_an_answer_slowly_but_steadily_gets_all_of_it() {
    let service = Upstream::start([ok(&"x".repeat(20_000))]).await;
    let rest = everything_to(&[service.address]) + "deadlines: { stall: 400ms }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let mut raw = Raw::connect_with(edge.address(), &[0, 4, 0, 0, 0, 0]).await;
    raw.say(&get_frame(1)).await;
    let steadily = async {
        loop {
            let frame = raw.hear().await.expect("an end of the stream");
            assert_ne!(frame.kind, RESET, "{frame:?}");
            if frame.stream == 1 && frame.flags & END_STREAM != 0 {
                return;
            }
            if [HEADERS, DATA].contains(&frame.kind) {
                // sleeps: a pause of the client, within the deadline
                tokio::time::sleep(Duration::from_millis(50)).await;
                raw.say(&window_update(1, 1000)).await;
            }
        }
    };
    within(steadily).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_at_all_loses_its_connection() {
    let service = Service::start().await;
    let rest = everything_to(&[service.address]) + "deadlines: { stall: 300ms, idle: 20s }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    // The largest windows there are, and not a byte is read.
    let mut raw = Raw::connect_with(edge.address(), &[0, 4, 0x7f, 0xff, 0xff, 0xff]).await;
    let more = [0x7f, 0xff, 0, 0];
    raw.say(&frame(WINDOW_UPDATE, 0, 0, &more)).await;
    let flood = literal(&[
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/flood"),
        (b":authority", b"h"),
    ]);
    raw.say(&header_frames(END_STREAM, 1, &flood)).await;
    service.left(1).await;
    until_async(async || {
        let (_, metrics) = edge.admin("/metrics").await;
        metrics.contains("tollgate_http2_connections_total{end=\"stall\"} 1")
    })
    .await;
}

async fn until_async(is_so: impl AsyncFn() -> bool) {
    within(async { while !is_so().await {} }).await;
}

#[tokio::test]
async fn open_streams_are_counted() {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let client = Client::connect(edge.address()).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(client.begin(request("GET", "/hang"), true).await.unwrap());
    }
    service.heard(3).await;
    let (_, metrics) = edge.admin("/metrics").await;
    assert!(metrics.contains("tollgate_http2_streams 3"), "{metrics}");
    drop(waiting);
    service.left(3).await;
    until(|| service.counts.left.load(Ordering::Acquire) == 3).await;
    until_async(async || {
        edge.admin("/metrics")
            .await
            .1
            .contains("tollgate_http2_streams 0")
    })
    .await;
}
