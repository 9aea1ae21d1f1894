//! Connections to services: shared, opened as needed, and let go in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use super::frames::*;
use super::service::{Act, Behaviour, Service, config, once_whole, until};
use crate::edge::Edge;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn sound() -> Behaviour {
    Behaviour::new(once_whole(|asked| Act::Say(good(asked.stream))))
}

async fn connections_told(edge: &Edge) -> Option<usize> {
    let (_, metrics) = edge.admin("/metrics").await;
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.contains("endpoint_spare_connections{"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn requests_of_many_clients_share_a_connection() {
    let service = Service::start(sound()).await;
    let edge = Arc::new(Edge::start(&config(&[service.address], "timeout: 5s")).await);
    let clients = (0..50).map(|_| {
        let edge = Arc::clone(&edge);
        gateway_server::spawn("client", async move {
            let mut client = edge.connect().await;
            for _ in 0..10 {
                assert_eq!(client.ask(GET).await.text(), "good");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let seen = service.seen();
    assert_eq!((seen.requests.len(), seen.connections), (500, 1));
    assert_eq!(connections_told(&edge).await, Some(1));
}

/// As many requests at once as `most` allows on each connection.
async fn connections_for(most: u32, requests: usize) -> Vec<usize> {
    let barrier = Arc::new(Barrier::new(requests + 1));
    let greeting = settings(&[(MAX_CONCURRENT_STREAMS, most)]);
    // A request is answered only when its client is told to send the rest of it.
    let service = Service::start(sound().greet(greeting)).await;
    let edge = Arc::new(Edge::start(&config(&[service.address], "timeout: 5s")).await);
    let clients = (0..requests).map(|_| {
        let (edge, barrier) = (Arc::clone(&edge), Arc::clone(&barrier));
        gateway_server::spawn("client", async move {
            let mut client = edge.connect().await;
            client
                .say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
                .await;
            barrier.wait().await;
            let answer = client.ask("0\r\n\r\n").await;
            assert_eq!(answer.text(), "good");
        })
    });
    let clients: Vec<_> = clients.collect();
    until("all requests are there", || async {
        service.seen().requests.len() == requests
    })
    .await;
    barrier.wait().await;
    for client in clients {
        client.await.unwrap();
    }
    let seen = service.seen();
    let on = |number| seen.requests.iter().filter(|on| **on == number).count();
    (0..seen.connections).map(on).collect()
}

#[tokio::test]
async fn no_more_requests_are_sent_on_a_connection_than_the_endpoint_takes() {
    assert_eq!(connections_for(1, 3).await, [1, 1, 1]);
    assert_eq!(connections_for(4, 10).await, [4, 4, 2]);
    assert_eq!(connections_for(1_000, 130).await, [128, 2]);
}

#[tokio::test]
async fn what_finds_no_room_waits_for_it_and_is_told_when_none_comes() {
    let greeting = settings(&[(MAX_CONCURRENT_STREAMS, 1)]);
    let silent = Behaviour::new(|_| Act::Nothing).greet(greeting);
    let service = Service::start(silent).await;
    let keys = "timeout: 5s, connect_timeout: 300ms";
    let edge = Arc::new(Edge::start(&config(&[service.address], keys)).await);
    let mut busy = Vec::new();
    for count in 1..=64 {
        let mut client = edge.connect().await;
        client.say(GET).await;
        busy.push(client);
        until("the next connection", || async {
            service.seen().requests.len() == count
        })
        .await;
    }
    let answer = edge.connect().await.ask(GET).await;
    assert_eq!(
        (answer.status, &*answer.code()),
        (503, "upstream_saturated")
    );
    assert_eq!(service.seen().connections, 64);

    // One leaves, and its place is taken by the one that waits for it.
    let waiting = {
        let edge = Arc::clone(&edge);
        gateway_server::spawn("client", async move {
            let mut client = edge.connect().await;
            client.say(GET).await;
            client
        })
    };
    until("it waits", || async {
        let (_, metrics) = edge.admin("/metrics").await;
        metrics.contains("tollgate_requests_in_flight 65\n")
    })
    .await;
    busy.pop().unwrap().reset();
    until("the place is taken", || async {
        service.seen().requests.len() == 65
    })
    .await;
    drop(waiting.await.unwrap());
}

#[tokio::test]
async fn a_connection_that_gives_no_sign_of_life_is_given_up() {
    let deaf = Behaviour {
        answers_pings: false,
        ..Behaviour::new(once_whole(|asked| match asked.connection {
            0 => Act::Nothing,
            _ => Act::Say(good(asked.stream)),
        }))
    };
    let service = Service::start(deaf).await;
    let keys = "timeout: 20s, connect_timeout: 50ms";
    let edge = Edge::start(&config(&[service.address], keys)).await;
    let mut client = edge.connect().await;
    let answer = client.ask(GET).await;
    assert_eq!((answer.status, &*answer.code()), (502, "upstream_broken"));
    assert_eq!(client.ask(GET).await.text(), "good");
    let seen = service.seen();
    assert_eq!((seen.pings, seen.connections), (1, 2));
}

#[tokio::test]
async fn a_connection_that_gives_a_sign_of_life_is_waited_for() {
    let slow = Behaviour::new(|_| Act::Nothing);
    let service = Service::start(slow).await;
    let keys = "timeout: 1500ms, connect_timeout: 50ms";
    let edge = Edge::start(&config(&[service.address], keys)).await;
    let answer = edge.get("/").await;
    assert_eq!((answer.status, &*answer.code()), (504, "upstream_timeout"));
    let seen = service.seen();
    assert_eq!((seen.pings, seen.connections), (1, 1));
    until("the stream is reset", || async {
        service.seen().resets == [(1, CANCEL)]
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_let_go_in_time() {
    let service = Service::start(sound()).await;
    let keys = "timeout: 5s, idle_timeout: 100ms";
    let edge = Edge::start(&config(&[service.address], keys)).await;
    assert_eq!(edge.get("/").await.text(), "good");
    until("the connection ends", || async {
        service.seen().ended == 1
    })
    .await;
    assert_eq!(connections_told(&edge).await, Some(0));
    assert_eq!(edge.get("/").await.text(), "good");
    assert_eq!(service.seen().connections, 2);
}

#[tokio::test]
async fn a_connection_with_an_exchange_under_way_is_not_idle() {
    let service = Service::start(sound()).await;
    let keys = "timeout: 9s, idle_timeout: 50ms";
    let edge = Edge::start(&config(&[service.address], keys)).await;
    let mut slow = edge.connect().await;
    slow.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        .await;
    until("it is under way", || async {
        service.seen().requests.len() == 1
    })
    .await;
    // sleeps: connections are looked over once a second
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(edge.get("/").await.text(), "good");
    assert_eq!(slow.ask("0\r\n\r\n").await.text(), "good");
    assert_eq!(service.seen().requests, [0, 0]);
}

/// Accepts a connection and hears its preface, but says nothing yet.
async fn accept(listener: &TcpListener) -> TcpStream {
    let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept());
    let (mut stream, _) = accepted.await.expect("a connection").unwrap();
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(preface, PREFACE);
    stream
}

#[tokio::test]
async fn a_connection_that_is_not_there_in_time_is_not_the_last_one_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keys = "timeout: 5s, connect_timeout: 200ms, breaker: false";
    let edge = Edge::start(&config(&[listener.local_addr().unwrap()], keys)).await;
    let mut client = edge.connect().await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        client.say(GET).await;
        silent.push(accept(&listener).await);
        assert_eq!(client.hear().await.code(), "upstream_unreachable");
    }
}

#[tokio::test]
async fn a_connection_that_comes_about_after_the_stop_is_let_go_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keys = "timeout: 9s, connect_timeout: 9s";
    let rest = config(&[listener.local_addr().unwrap()], keys) + "deadlines: { drain: 10ms }\n";
    let edge = Edge::start(&rest).await;
    let mut client = edge.connect().await;
    client.say(GET).await;
    let mut late = accept(&listener).await;
    assert!(!edge.running.stop(Some(Duration::ZERO)).await);

    late.write_all(&settings(&[])).await.unwrap();
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), late.read_to_end(&mut heard));
    ended.await.expect("the connection ends").unwrap();
    assert!(
        !heard.windows(2).any(|two| two == [HEADERS, 5]),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_connection_whose_end_was_announced_serves_what_it_has_and_nothing_more() {
    let service = Service::start(Behaviour::new(once_whole(|asked| {
        let answer = good(asked.stream);
        match asked.before {
            0 => Act::Say([goaway(asked.stream, NO_ERROR), answer].concat()),
            _ => Act::Say(answer),
        }
    })))
    .await;
    let edge = Edge::start(&config(&[service.address], "timeout: 5s")).await;
    let mut client = edge.connect().await;
    for _ in 0..3 {
        let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(client.ask(post).await.text(), "good");
    }
    assert_eq!(service.seen().requests, [0, 1, 1]);
    until("the first ends", || async { service.seen().ended == 1 }).await;
}

#[tokio::test]
async fn a_reload_keeps_connections_of_a_service_that_stays_and_lets_go_of_others() {
    let service = Service::start(sound()).await;
    let before = config(&[service.address], "timeout: 5s");
    let edge = Edge::start(&before).await;
    assert_eq!(edge.get("/").await.text(), "good");
    edge.running.apply(&edge.compile(&before));
    assert_eq!(edge.get("/").await.text(), "good");
    assert_eq!(service.seen().connections, 1);

    edge.running
        .apply(&edge.compile(&config(&[service.address], "timeout: 6s")));
    until("the connection ends", || async {
        service.seen().ended == 1
    })
    .await;
    assert_eq!(edge.get("/").await.text(), "good");
    assert_eq!(service.seen().connections, 2);
}

#[tokio::test]
async fn a_gateway_that_stops_lets_its_connections_go() {
    let service = Service::start(sound()).await;
    let edge = Edge::start(&config(&[service.address], "timeout: 5s")).await;
    assert_eq!(edge.get("/").await.text(), "good");
    assert!(edge.running.stop(Some(Duration::ZERO)).await);
    until("the connection ends", || async {
        service.seen().ended == 1
    })
    .await;
}

#[tokio::test]
async fn probes_ask_in_http2() {
    let well = Service::start(sound()).await;
    let unwell = Service::start(Behaviour::new(once_whole(|asked| {
        Act::Say(fields(asked.stream, &[(":status", "503")], END_STREAM))
    })))
    .await;
    let keys = "timeout: 5s, probe: { path: /healthz, every: 50ms }";
    let edge = Edge::start(&config(&[well.address, unwell.address], keys)).await;
    until("the unwell is found out", || async {
        let (_, metrics) = edge.admin("/metrics").await;
        let told = |service: &Service, value| {
            let label = format!("endpoint=\"{}\"", service.address);
            let mut lines = metrics.lines();
            lines.any(|line| {
                line.contains("endpoint_healthy{") && line.contains(&label) && line.ends_with(value)
            })
        };
        told(&unwell, " 0") && told(&well, " 1") && well.seen().requests.len() > 3
    })
    .await;
}
