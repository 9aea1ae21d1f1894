//! Clients that make work for nothing: each is told to calm down, and others are served meanwhile.

use gateway_server::Carriers;
use h2::Reason;

use super::client::Client;
use super::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RESET, Raw, SETTINGS,
    WINDOW_UPDATE, frame, get, get_frame, literal,
};
use super::service::Service;
use crate::edge::{Edge, everything_to};

const CALM: u32 = 11;

/// What a connection is told in the end, after so many of these at most.
async fn flood(begin: &[u8], times: u32, piece: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let mut raw = Raw::connect(edge.address()).await;
    raw.say(begin).await;
    for nth in 0..times {
        if !raw.say(&piece(nth)).await {
            break;
        }
    }
    let told = raw.goodbye().await;
    let other = Client::connect(edge.address()).await;
    assert_eq!(other.get("/").await.unwrap().text(), "fine");
    told
}

fn cancel(stream: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &u32::from(Reason::CANCEL).to_be_bytes())
}

fn nth_stream(nth: u32) -> u32 {
    2 * nth + 1
}

#[tokio::test]
async fn requests_that_are_called_off_at_once_have_a_budget() {
    // CVE-2023-44487, all at once and one after the other.
    let piece = |nth| [get_frame(nth_stream(nth)), cancel(nth_stream(nth))].concat();
    assert_eq!(flood(b"", 20_000, piece).await, Some(CALM));
}

/// Fewer than may be called off in haste: what counts here is that nobody looked at them yet.
#[tokio::test]
async fn requests_that_are_called_off_before_they_are_begun_have_a_smaller_budget() {
    let pair = |nth| [get_frame(nth_stream(nth)), cancel(nth_stream(nth))].concat();
    let at_once: Vec<u8> = (0..60).flat_map(pair).collect();
    assert_eq!(flood(&at_once, 0, |_| Vec::new()).await, Some(CALM));
}

#[tokio::test]
async fn requests_that_are_called_off_once_they_were_begun_have_a_budget() {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let mut raw = Raw::connect(edge.address()).await;
    let hang = literal(&[
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/hang"),
        (b":authority", b"h"),
    ]);
    let mut called_off = 0;
    for nth in 0..1000 {
        let stream = nth_stream(nth);
        let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &hang);
        if !raw.say(&head).await {
            break;
        }
        let heard = usize::try_from(nth).unwrap() + 1;
        if tokio::time::timeout(std::time::Duration::from_secs(1), service.heard(heard))
            .await
            .is_err()
        {
            break;
        }
        called_off += 1;
        raw.say(&cancel(stream)).await;
    }
    assert_eq!(raw.goodbye().await, Some(CALM));
    assert!((100..=110).contains(&called_off), "{called_off}");
}

#[tokio::test]
async fn answers_make_up_for_requests_that_were_called_off() {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let client = Client::connect(edge.address()).await;
    for _ in 0..300 {
        let hanging = client
            .begin(super::client::request("GET", "/hang"), true)
            .await;
        drop(hanging.unwrap());
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
}

fn literal_head(path: &[u8], more: &[(&[u8], &[u8])]) -> Vec<u8> {
    let usual: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"h"),
    ];
    literal(&[&usual, more].concat())
}

/// Frames on a stream of this number.
type Provocation<'a> = &'a dyn Fn(u32) -> Vec<u8>;

/// CVE-2025-8671. Hardly more of each than the budget, so that no other budget can be what ends it.
#[tokio::test]
async fn resets_that_a_client_provokes_have_a_budget() {
    let open = |stream, more: &[(&[u8], &[u8])]| {
        frame(HEADERS, END_HEADERS, stream, &literal_head(b"/hang", more))
    };
    let provocations: [(&str, Provocation<'_>); 4] = [
        ("a window that overflows", &|stream| {
            let update = frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
            [open(stream, &[]), update].concat()
        }),
        ("a body past its length", &|stream| {
            let data = frame(DATA, 0, stream, b"five!");
            [open(stream, &[(b"content-length", b"4")]), data].concat()
        }),
        ("a second head that ends nothing", &|stream| {
            [open(stream, &[]), open(stream, &[])].concat()
        }),
        ("a head that is none", &|stream| {
            open(stream, &[(b"connection", b"close")])
        }),
    ];
    for (what, provocation) in provocations {
        let told = flood(b"", 110, |nth| provocation(nth_stream(nth))).await;
        assert_eq!(told, Some(CALM), "{what}");
    }
}

#[tokio::test]
async fn streams_past_the_limit_have_a_budget() {
    let service = Service::start().await;
    let rest = everything_to(&[service.address]) + "limits: { streams: 1 }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let mut raw = Raw::connect(edge.address()).await;
    let hang = literal_head(b"/hang", &[]);
    for nth in 0..110 {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, nth_stream(nth), &hang);
        raw.say(&head).await;
    }
    assert_eq!(raw.goodbye().await, Some(CALM));
}

/// Those that were called off count until they have ended here, or a client could have any number.
#[tokio::test]
async fn streams_that_are_ending_count_as_well() {
    let service = Service::start().await;
    let rest = everything_to(&[service.address]) + "limits: { streams: 2 }\n";
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let mut raw = Raw::connect(edge.address()).await;
    let hang = literal_head(b"/hang", &[]);
    let begin = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &hang);
    raw.say(&[begin(1), begin(3)].concat()).await;
    service.heard(2).await;
    // Heard at once, so that none of them has ended when the last one comes.
    let both = |first, second| [cancel(first), cancel(second)].concat();
    let more = |first, second| [begin(first), begin(second)].concat();
    raw.say(&[both(1, 3), more(5, 7), both(5, 7), begin(9)].concat())
        .await;
    let refused = u32::from(Reason::REFUSED_STREAM);
    assert_eq!(raw.verdict(9).await, format!("reset {refused}"));
}

#[tokio::test]
async fn frames_that_nothing_comes_of_have_a_budget() {
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]);
    let update = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    let unknown = frame(0xee, 0, 0, b"what?");
    for piece in [
        frame(PING, 0, 0, b"pingping"),
        settings,
        priority,
        update,
        unknown,
    ] {
        assert_eq!(
            flood(b"", 50_000, |_| piece.clone()).await,
            Some(CALM),
            "{piece:?}"
        );
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let begin = frame(HEADERS, END_STREAM, 1, &get());
    let field = literal(&[(b"x", b"y")]);
    let piece = |_| frame(CONTINUATION, 0, 1, &field);
    assert_eq!(flood(&begin, 50_000, piece).await, Some(CALM));

    // Empty frames never fill a head.
    let piece = |_| frame(CONTINUATION, 0, 1, &[]);
    assert_eq!(flood(&begin, 50_000, piece).await, Some(CALM));
}

#[tokio::test]
async fn a_small_block_that_unpacks_to_a_large_head_is_cut_off() {
    // One entry of 4 KB in the table, and a thousand references to it.
    let value = vec![b'x'; 4000];
    let mut block = get();
    block.push(0x40);
    block.extend(&literal(&[(b"x", &value)])[1..]);
    block.extend([0xbe; 1000]);
    let begin = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    assert_eq!(flood(&begin, 0, |_| Vec::new()).await, Some(CALM));
}

#[tokio::test]
async fn empty_pieces_of_a_body_have_a_budget() {
    let post = literal(&[
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/echo"),
        (b":authority", b"h"),
    ]);
    let begin = frame(HEADERS, END_HEADERS, 1, &post);
    let piece = |_| frame(DATA, 0, 1, &[]);
    assert_eq!(flood(&begin, 50_000, piece).await, Some(CALM));
}

/// A piece costs far more to keep than the byte that is in it; a service that does not read makes them
/// pile up.
#[tokio::test]
async fn tiny_pieces_of_a_body_that_nobody_reads_are_bounded() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rest = everything_to(&[listener.local_addr().unwrap()]);
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let mut raw = Raw::connect(edge.address()).await;
    let post = literal(&[
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/echo"),
        (b":authority", b"h"),
        (b"content-length", b"1000000"),
    ]);
    raw.say(&frame(HEADERS, END_HEADERS, 1, &post)).await;
    let pieces = frame(DATA, 0, 1, b"x").repeat(1000);
    for _ in 0..128 {
        if !raw.say(&pieces).await {
            break;
        }
    }
    // The window of the stream is overrun, or the budget for small frames is.
    let told = raw.verdict(1).await;
    assert!(["goaway 11", "reset 3"].contains(&told.as_str()), "{told}");
}
