//! The gateway's own answers: status, code, and whether the connection survives.

use crate::client::Client;
use crate::edge::{Edge, everything_to};
use crate::upstream::{Upstream, ok};

async fn edge_with_limits(service: &Upstream) -> Edge {
    Edge::start(&format!(
        "limits: {{ head: 2KiB, target: 256B, fields: 10 }}\n\
         services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: \"GET,POST /served/{{rest*}}\", to: s }}]\n",
        service.address
    ))
    .await
}

#[tokio::test]
async fn a_refused_request_is_told_why_and_keeps_a_connection_that_is_sound() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = edge_with_limits(&service).await;
    let long = "a".repeat(300);
    let wide = "X: y\r\n".repeat(10);
    let huge = format!("X: {}\r\n", "y".repeat(2100));
    #[rustfmt::skip]
    let cases = [
        ("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),                         404, "no_route",             true),
        ("DELETE /served/x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),                     405, "method_not_allowed",   true),
        ("POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc".to_owned(), 404, "no_route",            true),
        ("POST /nothing HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".to_owned(), 404, "no_route", true),
        ("GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(),    404, "no_route",             false),
        ("GET /a//b HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),                            400, "bad_target",           false),
        ("GET /served/x HTTP/1.1\r\n\r\n".to_owned(),                                   400, "bad_host",             false),
        ("GET /served/x HTTP/1.1\r\nHost: h\nX: y\r\n\r\n".to_owned(),                  400, "bad_head",             false),
        ("POST /served/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400, "bad_framing", false),
        ("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),                        405, "method_never_served",  false),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(),                                505, "version_not_supported", false),
        ("POST /served/x HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n".to_owned(),      417, "expectation_failed",   false),
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),                            414, "target_too_long",      false),
        (format!("GET /served/x HTTP/1.1\r\nHost: h\r\n{wide}\r\n"),                    431, "head_too_large",       false),
        (format!("GET /served/x HTTP/1.1\r\nHost: h\r\n{huge}\r\n"),                    431, "head_too_large",       false),
    ];
    for (request, status, code, survives) in cases {
        let mut client = edge.connect().await;
        let answer = client.ask(&request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{request:?}"
        );
        assert_eq!(
            answer.field("connection") == Some("keep-alive"),
            survives,
            "{request:?}"
        );
        if survives {
            assert_eq!(client.get("/served/x").await.text(), "fine", "{request:?}");
        } else {
            assert!(client.is_closed().await, "{request:?}");
        }
    }
}

/// Such a client sends its body only once it is told to; nobody must wait for it.
#[tokio::test]
async fn a_refused_client_that_waits_for_continue_is_answered_at_once() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = edge_with_limits(&service).await;
    let mut client = edge.connect().await;
    let request =
        "POST /nothing HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let answer = client.ask(request).await;
    assert_eq!(
        (answer.status, answer.field("connection")),
        (404, Some("close"))
    );
}

#[tokio::test]
async fn a_small_body_may_still_be_on_its_way_when_the_answer_comes() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = edge_with_limits(&service).await;
    let mut client = edge.connect().await;
    let head = "POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(
        client.ask(head).await.field("connection"),
        Some("keep-alive")
    );
    client.say("123456789").await;
    assert_eq!(client.get("/served/x").await.text(), "fine");
}

#[tokio::test]
async fn a_405_names_the_methods_that_are_allowed() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = edge_with_limits(&service).await;
    let answer = edge
        .connect()
        .await
        .ask("DELETE /served/x HTTP/1.1\r\nHost: h\r\n\r\n")
        .await;
    assert_eq!(answer.field("allow"), Some("GET, POST"));
}

#[tokio::test]
async fn an_unwanted_body_that_is_too_large_to_skip_costs_the_connection() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = edge_with_limits(&service).await;
    let mut client = edge.connect().await;
    let head = "POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n";
    let answer = client.ask(format!("{head}only the beginning")).await;
    assert_eq!(
        (answer.status, answer.field("connection")),
        (404, Some("close"))
    );
}

#[tokio::test]
async fn a_head_that_drips_is_refused_at_its_deadline() {
    let service = Upstream::start([ok("fine")]).await;
    let config = everything_to(&[service.address]);
    let edge = Edge::start(&format!("deadlines: {{ head: 200ms, idle: 5s }}\n{config}")).await;

    let mut client = edge.connect().await;
    client.say("GET / HTTP/1.1\r\nHo").await;
    let answer = client.hear().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "head_timeout")
    );
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let service = Upstream::start([ok("fine")]).await;
    let config = everything_to(&[service.address]);
    let edge = Edge::start(&format!("deadlines: {{ idle: 200ms }}\n{config}")).await;

    let mut client = edge.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn one_connection_past_the_ceiling_is_turned_away() {
    let service = Upstream::start([ok("fine")]).await;
    let config = everything_to(&[service.address]);
    let edge = Edge::start(&format!("limits: {{ connections: 2 }}\n{config}")).await;

    let mut held = [edge.connect().await, edge.connect().await];
    for client in &mut held {
        assert_eq!(client.get("/").await.status, 200);
    }
    let mut third = Client::connect(edge.address()).await;
    let answer = third.hear().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "too_many_connections")
    );
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(held[0].get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_of_grpc_is_told_a_status_that_it_reads() {
    let edge = Edge::before(Upstream::nobody().await).await;
    let mut client = edge.connect().await;
    let grpc = "Host: h\r\nContent-Type: application/grpc+proto\r\n\r\n";
    let answer = client.ask(format!("POST /x HTTP/1.1\r\n{grpc}")).await;
    assert_eq!(
        (answer.status, answer.field("grpc-status")),
        (200, Some("14"))
    );
    assert_eq!(
        answer.field("grpc-message"),
        Some("The service cannot be reached")
    );
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert_eq!(answer.text(), "");
    // The log says what happened in the terms of all others.
    drop(client);
    let lines = edge.stop_and_read_log().await;
    assert_eq!(
        (&lines[0]["status"], &lines[0]["code"]),
        (&502.into(), &"upstream_unreachable".into())
    );
}
