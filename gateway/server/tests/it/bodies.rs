//! Request bodies: carried whole, counted, cut off at the limit.

use crate::edge::Edge;
use crate::upstream::{Upstream, ok};

async fn edge_with_small_bodies(service: &Upstream) -> Edge {
    Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, body: 10B }}]\n",
        service.address
    ))
    .await
}

#[tokio::test]
async fn a_body_arrives_whole_and_the_connection_goes_on() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;

    let body = "x".repeat(100_000);
    let head = format!(
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(client.ask(head + &body).await.status, 200);
    assert!(service.last().ends_with(&format!("\r\n\r\n{body}")));

    let chunked = "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        client
            .ask(format!("{chunked}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"))
            .await
            .status,
        200
    );
    let seen = service.last();
    assert!(
        seen.starts_with("POST /b ") && seen.contains("abc") && seen.contains("de"),
        "{seen}"
    );

    assert_eq!(client.get("/c").await.status, 200);
    assert_eq!(service.heard().len(), 3);
}

#[tokio::test]
async fn a_body_may_come_together_with_the_next_request() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    client
        .say(
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n\
             POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb\
             GET /c HTTP/1.1\r\nHost: h\r\n\r\n",
        )
        .await;
    for start in ["POST /a ", "POST /b ", "GET /c "] {
        assert_eq!(client.hear().await.text(), "fine");
        assert!(service.last().starts_with(start), "{}", service.last());
    }
}

#[tokio::test]
async fn a_body_is_refused_one_byte_past_the_limit() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = edge_with_small_bodies(&service).await;
    let with_length = |n: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {n}\r\n\r\n{}",
            "x".repeat(n)
        )
    };
    let chunked = |n: usize| {
        let data = "x".repeat(n);
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{n:x}\r\n{data}\r\n0\r\n\r\n"
        )
    };
    for request in [with_length(10), chunked(10)] {
        assert_eq!(
            edge.connect().await.ask(&request).await.status,
            200,
            "{request:?}"
        );
    }
    for request in [with_length(11), chunked(11)] {
        let answer = edge.connect().await.ask(&request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "body_too_large"),
            "{request:?}"
        );
    }
    assert!(
        service
            .heard()
            .iter()
            .all(|request| !request.contains("xxxxxxxxxxx"))
    );
}

#[tokio::test]
async fn a_chunked_body_that_is_ambiguous_is_refused() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "+1\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        let mut client = edge.connect().await;
        let answer = client.ask(format!("{head}{body}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "bad_body"),
            "{body:?}"
        );
        assert!(
            client.read_to_end().await.unwrap_or_default().is_empty(),
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_ends_its_side_still_gets_its_answer() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.finish().await;
    assert_eq!(client.hear().await.text(), "fine");
}

#[tokio::test]
async fn a_client_that_waits_for_continue_is_told_to_go_on() {
    let go_on = crate::upstream::Step::Say(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine".into(),
    );
    let service = Upstream::start([go_on]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    client
        .say("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    assert_eq!(client.hear().await.status, 100);
    assert_eq!(client.hear().await.text(), "fine");
}

#[tokio::test]
async fn a_body_that_stalls_is_refused_at_its_deadline() {
    let service = Upstream::start([ok("fine")]).await;
    let config = crate::edge::everything_to(&[service.address]);
    let edge = Edge::start(&format!("deadlines: {{ stall: 200ms }}\n{config}")).await;
    let mut client = edge.connect().await;
    let answer = client
        .ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nonly the beginning")
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "body_timeout")
    );
    assert!(client.is_closed().await);
}
