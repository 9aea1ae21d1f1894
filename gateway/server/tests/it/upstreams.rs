//! Services that fail, and what the client sees.

use std::time::Duration;

use crate::edge::{Edge, everything_to};
use crate::upstream::{Step, Upstream, ok};

#[tokio::test]
async fn a_service_that_gives_no_valid_answer_is_a_502_and_keeps_the_client() {
    #[rustfmt::skip]
    let cases = [
        Step::SayAndClose(String::new()),
        Step::SayAndReset(String::new()),
        Step::SayAndClose("garbage\r\n\r\n".into()),
        Step::SayAndClose("HTTP/1.1 200 OK\r\nContent-Le".into()),
        Step::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".into()),
        Step::SayAndClose("HTTP/9.9 abc\r\n\r\n".into()),
    ];
    for step in cases {
        let service = Upstream::start([step.clone()]).await;
        let edge = Edge::before(service.address).await;
        let mut client = edge.connect().await;
        for _ in 0..2 {
            let answer = client.get("/").await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (502, "upstream_broken"),
                "{step:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_that_is_silent_is_a_504_in_time() {
    let service = Upstream::start([Step::Hang]).await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], timeout: 200ms }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s }}]\n",
        service.address
    ))
    .await;
    let mut client = edge.connect().await;
    for request in [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let answer = client.ask(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (504, "upstream_timeout")
        );
    }
    assert_eq!(service.heard().len(), 2);
}

#[tokio::test]
async fn a_service_where_nobody_listens_is_a_502_and_keeps_the_client() {
    let edge = Edge::before(Upstream::nobody().await).await;
    let mut client = edge.connect().await;
    for _ in 0..2 {
        let answer = client.get("/").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "upstream_unreachable")
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_passed_over_for_any_method() {
    let service = Upstream::start([ok("fine")]).await;
    // With a second one the budget, which is not what is asked here, would be spent at times.
    let nobody = Upstream::nobody().await;
    let edge = Edge::start(&everything_to(&[nobody, service.address])).await;
    let mut client = edge.connect().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "fine");
        let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(client.ask(post).await.text(), "fine");
    }
    assert_eq!(service.heard().len(), 20);
}

#[tokio::test]
async fn a_body_cut_by_the_service_is_visibly_cut_for_the_client() {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let body = if head.starts_with("T") {
            "5\r\nhello\r\n"
        } else {
            "hello"
        };
        let step = Step::SayAndClose(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"));
        let service = Upstream::start([step]).await;
        let edge = Edge::before(service.address).await;
        let mut client = edge.connect().await;
        client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let ended = client.read_to_end().await;
        let reset = ended.expect_err("a cut answer must end in a reset");
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset, "{head}");
    }
}

/// A service may have acted on a request whose answer never came.
#[tokio::test]
async fn a_write_is_sent_once_even_when_a_kept_connection_breaks() {
    let service = Upstream::start([ok("first"), Step::SayAndReset(String::new())]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    let post = "POST /pay HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(client.ask(post).await.text(), "first");

    let answer = client.ask(post).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (502, "upstream_broken")
    );
    assert_eq!(service.heard().len(), 2);
}

#[tokio::test]
async fn a_read_is_tried_again_when_a_kept_connection_breaks() {
    let service = Upstream::start([ok("first"), Step::SayAndReset(String::new())]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    assert_eq!(client.get("/1").await.text(), "first");
    // The kept connection breaks; the new one starts its script anew.
    assert_eq!(client.get("/2").await.text(), "first");
    assert_eq!(service.heard().len(), 3);
}

#[tokio::test]
async fn a_read_that_took_all_its_time_is_not_tried_again() {
    let service = Upstream::start([ok("first"), Step::Hang]).await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], timeout: 200ms }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s }}]\n",
        service.address
    ))
    .await;
    let mut client = edge.connect().await;
    assert_eq!(client.get("/1").await.text(), "first");
    let answer = client.get("/2").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (504, "upstream_timeout")
    );
    assert_eq!(service.heard().len(), 2);
}

#[tokio::test]
async fn an_answer_may_have_a_head_as_large_as_a_request_and_no_larger() {
    // What HTTP adds to the field that fills the head: the status line, the other field, the ends.
    let around = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: \r\n\r\n".len();
    let answer = |head_bytes: usize| {
        let filler = "f".repeat(head_bytes - around);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: {filler}\r\n\r\n");
        Step::Say(head + "fine")
    };
    for (head_bytes, status) in [(8 * 1024, 200), (8 * 1024 + 1, 502)] {
        let service = Upstream::start([answer(head_bytes)]).await;
        let config = everything_to(&[service.address]);
        let edge = Edge::start(&format!("limits: {{ head: 8KiB }}\n{config}")).await;
        let mut client = edge.connect().await;
        for _ in 0..2 {
            assert_eq!(client.get("/").await.status, status, "{head_bytes}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_at_the_deadline() {
    let endless = Step::Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx".into());
    let service = Upstream::start([endless]).await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], timeout: 200ms }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s }}]\n",
        service.address
    ))
    .await;
    let mut client = edge.connect().await;
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let ended = tokio::time::timeout(Duration::from_secs(5), client.read_to_end()).await;
    assert!(ended.expect("cut in time").is_err());
}
