//! What a service sees of a request, and a client of an answer.

use gateway_server::Carriers;

use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

#[tokio::test]
async fn a_request_goes_on_canonical_rewritten_and_with_our_fields() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::start(&format!(
        "services: {{ money: {{ endpoints: [\"{}\"] }} }}\n\
         routes:\n\
         - match: \"GET /money/{{rest*}}\"\n  to: money\n  strip: /money\n  add: /v1\n\
         \x20 request_headers: {{ set: {{ X-Env: prod }}, remove: [X-Debug] }}\n\
         \x20 response_headers: {{ set: {{ X-Served-By: edge }}, remove: [X-Secret] }}\n",
        service.address
    ))
    .await;

    let answer = edge
        .connect()
        .await
        .ask(
            "GET /a/../money/%74ransfers?a=1 HTTP/1.1\r\nHost: Pay.Example:80\r\nX-Debug: 1\r\n\
             X-Forwarded-For: 10.9.9.9\r\nAccept: text/plain\r\n\r\n",
        )
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "fine"));
    assert_eq!(answer.field("x-served-by"), Some("edge"));

    let seen = service.last();
    assert!(
        seen.starts_with("GET /v1/transfers?a=1 HTTP/1.1\r\n"),
        "{seen}"
    );
    let seen = seen.to_ascii_lowercase();
    for expected in [
        "\r\nhost: pay.example:80\r\n",
        "\r\naccept: text/plain\r\n",
        "\r\nx-env: prod\r\n",
        "\r\nx-forwarded-for: 127.0.0.1\r\n",
        "\r\nx-forwarded-host: pay.example\r\n",
        &format!(
            "\r\nx-request-id: {}\r\n",
            answer.field("x-request-id").unwrap()
        ),
        "\r\ntraceparent: 00-",
    ] {
        assert!(seen.contains(expected), "{expected:?} in {seen}");
    }
    for unexpected in ["x-debug", "10.9.9.9"] {
        assert!(!seen.contains(unexpected), "{unexpected:?} in {seen}");
    }
}

#[tokio::test]
async fn fields_of_an_answer_follow_the_route() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Secret: s\r\nX-Env: a\r\nX-Tag: a\r\n\
                X-Request-Id: forged\r\nKeep-Alive: timeout=5\r\n\r\nok";
    let service = Upstream::start([Step::Say(head.into())]).await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
         routes:\n\
         - match: \"/{{rest*}}\"\n  to: s\n\
         \x20 response_headers: {{ remove: [X-Secret], set: {{ X-Env: b }}, add: {{ X-Tag: b }} }}\n",
        service.address
    ))
    .await;

    let answer = edge.get("/").await;
    let mut tags: Vec<_> = answer
        .head
        .lines()
        .filter(|l| l.to_lowercase().starts_with("x-tag"))
        .collect();
    tags.sort_unstable();
    assert_eq!(tags.len(), 2, "{}", answer.head);
    assert_eq!(answer.field("x-env"), Some("b"));
    assert_eq!(answer.field("x-secret"), None);
    assert_eq!(answer.field("keep-alive"), None);
    assert_ne!(answer.field("x-request-id"), Some("forged"));
}

/// Whatever spelling the service finds for it, and before the answer too.
#[tokio::test]
async fn what_a_route_takes_out_of_answers_reaches_no_client() {
    let fields = "X-Secret: s\r\nX_Secret: s\r\nx.env: s\r\nX-Hop: s\r\nConnection: x-hop\r\n\
                  Keep-Alive: s\r\nLink: a\r\n";
    let say = format!(
        "HTTP/1.1 103 Early Hints\r\n{fields}\r\nHTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"
    );
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Upstream::start([Step::Say(say.clone())]).await;
        let rest = format!(
            "services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
             routes:\n- match: \"/{{rest*}}\"\n  to: s\n\
             \x20 response_headers: {{ remove: [X-Secret], set: {{ X-Env: b }} }}\n",
            service.address
        );
        let edge = Edge::start_with(carriers, &rest).await;
        let mut client = edge.connect().await;
        let hints = client.get("/").await;
        let answer = client.hear().await;
        assert_eq!((hints.status, answer.status), (103, 200));
        assert_eq!(answer.field("x-env"), Some("b"));
        for head in [&hints.head, &answer.head] {
            let lines: Vec<_> = head.lines().filter(|line| line.ends_with(": s")).collect();
            assert_eq!(lines, [""; 0], "{carriers:?} {head}");
            assert!(head.to_lowercase().contains("\r\nlink: a\r\n"), "{head}");
        }
        let connection = hints.field("connection");
        assert_eq!(connection, None, "{carriers:?} {}", hints.head);
    }
}

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let service = Upstream::start([ok("one"), ok("two")]).await;
    let edge = Edge::before(service.address).await;

    let mut client = edge.connect().await;
    assert_eq!(client.get("/1").await.text(), "one");
    assert_eq!(client.get("/2").await.text(), "two");
    assert_eq!(client.get("/3").await.text(), "one");
}

#[tokio::test]
async fn requests_sent_together_are_answered_in_their_order() {
    let service = Upstream::start([ok("one"), ok("two"), ok("three")]).await;
    let edge = Edge::before(service.address).await;

    let mut client = edge.connect().await;
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    client.say(request.repeat(3)).await;
    for expected in ["one", "two", "three"] {
        assert_eq!(client.hear().await.text(), expected);
    }
}

#[tokio::test]
async fn a_client_that_wants_to_close_is_closed() {
    let service = Upstream::start([ok("bye")]).await;
    let edge = Edge::before(service.address).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
    ] {
        let mut client = edge.connect().await;
        let answer = client.ask(request).await;
        assert_eq!(
            (answer.text().as_str(), answer.field("connection")),
            ("bye", Some("close"))
        );
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_keeps_the_connection() {
    let head = Step::Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".into());
    let service = Upstream::start([head]).await;
    let edge = Edge::before(service.address).await;

    let mut client = edge.connect().await;
    for _ in 0..2 {
        let answer = client.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(
            (answer.status, answer.field("content-length")),
            (200, Some("10"))
        );
    }
}

#[tokio::test]
async fn ids_of_a_trusted_proxy_are_kept_and_of_others_not() {
    let service = Upstream::start([ok("fine")]).await;
    let id = "01912345-6789-7fff-bfff-ffffffffffff";
    let request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n"
    );

    let stranger = Edge::before(service.address).await;
    let answer = stranger.connect().await.ask(&request).await;
    assert_ne!(answer.field("x-request-id"), Some(id));

    let config = crate::edge::everything_to(&[service.address]);
    let trusting = Edge::start(&format!("trusted_proxies: [127.0.0.0/8]\n{config}")).await;
    let answer = trusting.connect().await.ask(&request).await;
    assert_eq!(answer.field("x-request-id"), Some(id));
    assert!(
        service
            .last()
            .contains("x-forwarded-for: 10.1.1.1, 127.0.0.1\r\n")
    );
}
