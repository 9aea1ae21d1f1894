//! At most once: what a service may have acted on is not sent again, unless it only asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::frames::*;
use super::service::{Act, Asked, Behaviour, Service, config, once_whole};
use crate::edge::Edge;

/// What the first request anywhere meets.
#[derive(Debug, Clone, Copy)]
enum Meets {
    Refusal,
    EndBelow,
    AngryEndBelow,
    EndAbove,
    RefusalOnceItSpoke,
    OtherReset,
    Close,
}

fn act(meets: Meets, asked: Asked) -> Act {
    let stream = asked.stream;
    let early = fields(stream, &[(":status", "103")], 0);
    match meets {
        Meets::Refusal => Act::Say(reset(stream, REFUSED_STREAM)),
        Meets::EndBelow => Act::SayAndClose(goaway(stream.saturating_sub(2), NO_ERROR)),
        Meets::AngryEndBelow => Act::SayAndClose(goaway(0, CALM)),
        Meets::EndAbove => Act::SayAndClose(goaway(stream, INTERNAL_ERROR)),
        Meets::RefusalOnceItSpoke => Act::Say([early, reset(stream, REFUSED_STREAM)].concat()),
        Meets::OtherReset => Act::Say(reset(stream, INTERNAL_ERROR)),
        Meets::Close => Act::SayAndClose(Vec::new()),
    }
}

/// Services that share one count of requests, of which the first goes wrong.
async fn services(meets: Meets, count: usize) -> Vec<Service> {
    let before = Arc::new(AtomicUsize::new(0));
    let mut services = Vec::new();
    for _ in 0..count {
        let before = Arc::clone(&before);
        let behaviour = Behaviour::new(once_whole(move |asked| {
            match before.fetch_add(1, Ordering::Relaxed) {
                0 => act(meets, asked),
                _ => Act::Say(good(asked.stream)),
            }
        }));
        services.push(Service::start(behaviour).await);
    }
    services
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
const CHUNKED: &str =
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";

#[tokio::test]
async fn a_write_is_sent_again_only_where_the_service_says_that_it_did_not_act() {
    use Meets::*;
    #[rustfmt::skip]
    let cases = [
        // What the first request meets, endpoints, and whether a read and a write come through.
        (Refusal,            2, true,  true),
        (Refusal,            1, false, false),
        (EndBelow,           2, true,  true),
        (EndBelow,           1, true,  true),
        (AngryEndBelow,      1, true,  true),
        (EndAbove,           2, true,  false),
        (RefusalOnceItSpoke, 2, false, false),
        (OtherReset,         2, true,  false),
        (OtherReset,         1, false, false),
        (Close,              2, true,  false),
    ];
    for (meets, count, read, write) in cases {
        for (request, comes_through) in [(GET, read), (POST, write), (CHUNKED, write)] {
            let services = services(meets, count).await;
            let addresses: Vec<_> = services.iter().map(|service| service.address).collect();
            let edge = Edge::start(&config(&addresses, "timeout: 5s")).await;
            let mut client = edge.connect().await;
            let mut answer = client.ask(request).await;
            while answer.status < 200 {
                answer = client.hear().await;
            }
            let expected = if comes_through { 200 } else { 502 };
            assert_eq!(answer.status, expected, "{meets:?} {count} {request}");
            let seen = services.iter().map(|service| service.seen().requests.len());
            let expected = if comes_through { 2 } else { 1 };
            assert_eq!(seen.sum::<usize>(), expected, "{meets:?} {count} {request}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_at_hand_any_more_is_not_sent_again() {
    for (size, comes_through) in [(16 * 1024, true), (16 * 1024 + 1, false)] {
        let services = services(Meets::Refusal, 2).await;
        let addresses = [services[0].address, services[1].address];
        let edge = Edge::start(&config(&addresses, "timeout: 5s")).await;
        let mut client = edge.connect().await;
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = "x".repeat(size);
        let request = format!("{head}{size:x}\r\n{body}\r\n0\r\n\r\n");
        let answer = client.ask(request).await;
        let expected = if comes_through { 200 } else { 502 };
        assert_eq!(answer.status, expected, "{size}");
        if comes_through {
            let seen = services.iter().map(|service| service.seen());
            assert!(seen.into_iter().all(|seen| seen.body == body), "{size}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_passed_over_for_any_method() {
    let nobody = crate::upstream::Upstream::nobody().await;
    let service = Service::start(Behaviour::new(once_whole(|asked| {
        Act::Say(good(asked.stream))
    })))
    .await;
    let edge = Edge::start(&config(&[nobody, service.address], "timeout: 5s")).await;
    let mut client = edge.connect().await;
    for _ in 0..10 {
        for request in [GET, POST, CHUNKED] {
            assert_eq!(client.ask(request).await.text(), "good", "{request}");
        }
    }
    assert_eq!(service.seen().requests.len(), 30);
    assert_eq!(service.seen().connections, 1);
}

#[tokio::test]
async fn an_endpoint_that_refuses_again_and_again_is_left_alone() {
    let refusing = Service::start(Behaviour::new(once_whole(|asked| {
        Act::Say(reset(asked.stream, REFUSED_STREAM))
    })))
    .await;
    let sound = Service::start(Behaviour::new(once_whole(|asked| {
        Act::Say(good(asked.stream))
    })))
    .await;
    let edge = Edge::start(&config(&[refusing.address, sound.address], "timeout: 5s")).await;
    let mut client = edge.connect().await;
    for _ in 0..60 {
        client.ask(POST).await;
    }
    let refused = refusing.seen().requests.len();
    assert!((5..20).contains(&refused), "{refused}");
}
