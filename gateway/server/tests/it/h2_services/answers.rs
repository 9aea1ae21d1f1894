//! Heads of requests and answers, as they pass from one version of HTTP to the other.

use super::frames::*;
use super::service::{Act, Behaviour, Service, config, once_whole};
use super::sound::Sound;
use crate::edge::Edge;

#[tokio::test]
async fn a_request_is_said_in_http2_by_the_rules_of_its_route() {
    let service = Sound::start().await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], protocol: h2 }} }}\n\
         routes:\n- match: \"/api/{{rest*}}\"\n  to: s\n  strip: /api\n  add: /v1\n  \
         request_headers: {{ remove: [X-Debug], set: {{ X-Env: prod }} }}\n",
        service.address
    ))
    .await;
    let answer = edge
        .connect()
        .await
        .ask(
            "PUT /api/%61?q=1 HTTP/1.1\r\nHost: Edge.Test:80\r\nAccept: a\r\nAccept: b\r\n\
             X-Debug: 1\r\nX-Env: test\r\nX-Request-Id: forged\r\nX-Forwarded-For: 10.0.0.1\r\n\
             Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\n\
             grpc-timeout: 3S\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await;
    let id = answer.field("x-request-id").unwrap().to_owned();
    let heard = &service.heard()[0];
    let (trace, rest): (Vec<_>, Vec<_>) = heard
        .head
        .lines()
        .partition(|line| line.starts_with("traceparent: 00-"));
    assert_eq!(trace.len(), 1);
    assert_eq!(
        rest.join("\n"),
        format!(
            "PUT http://edge.test:80/v1/a?q=1\naccept: a\naccept: b\ncontent-length: 2\n\
             grpc-timeout: 3S\nte: trailers\nx-env: prod\nx-forwarded-for: 127.0.0.1\n\
             x-forwarded-host: edge.test\nx-forwarded-proto: http\nx-request-id: {id}"
        )
    );
    assert_eq!(heard.body, "hi");
}

/// A service with one answer: these fields, this body, these trailers.
async fn answering(
    head: &'static [(&'static str, &'static str)],
    trailers: &'static [(&'static str, &'static str)],
) -> Service {
    Service::start(Behaviour::new(once_whole(move |asked| {
        let stream = asked.stream;
        let head = fields(stream, &[&[(":status", "200")], head].concat(), 0);
        let body = data(stream, "body", 0);
        Act::Say([head, body, fields(stream, trailers, END_STREAM)].concat())
    })))
    .await
}

#[tokio::test]
async fn an_answer_is_told_in_the_framing_of_the_client() {
    let service = answering(
        &[
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-env", "test"),
            ("date", "yesterday"),
            ("x-request-id", "forged"),
            ("via", "me"),
        ],
        &[("grpc-status", "0")],
    )
    .await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], protocol: h2 }} }}\n\
         routes:\n- match: \"/{{rest*}}\"\n  to: s\n  \
         response_headers: {{ set: {{ X-Env: prod }} }}\n",
        service.address
    ))
    .await;
    let mut client = edge.connect().await;
    let mut ask = async |line: &str, more: &str| {
        client.say(format!("{line}\r\nHost: h\r\n{more}\r\n")).await;
        let answer = client.try_hear(line.starts_with("HEAD")).await.unwrap();
        let id = answer.field("x-request-id").unwrap().to_owned();
        assert_ne!(id, "forged");
        (answer.head.replace(&id, "ID"), answer.text())
    };
    let common = "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\ndate: yesterday\r\nx-env: prod\r\n";
    let chunked = format!(
        "{common}transfer-encoding: chunked\r\nx-request-id: ID\r\nconnection: keep-alive\r\n\r\n"
    );
    let empty = format!("{common}x-request-id: ID\r\nconnection: keep-alive\r\n\r\n");
    assert_eq!(
        ask("GET / HTTP/1.1", "").await,
        (chunked.clone(), "body".into())
    );
    assert_eq!(ask("HEAD / HTTP/1.1", "").await, (empty, String::new()));
    assert_eq!(
        ask("GET / HTTP/1.1", "TE: trailers\r\n").await,
        (chunked, "body".into())
    );
}

/// All that a client hears of one answer, with a connection that ends behind it.
async fn heard_whole(service: &Service, version: &str, more: &str) -> String {
    let edge = Edge::start(&config(&[service.address], "timeout: 5s")).await;
    let mut client = edge.connect().await;
    client
        .say(format!(
            "GET / {version}\r\nHost: h\r\nConnection: close\r\n{more}\r\n"
        ))
        .await;
    String::from_utf8(client.read_to_end().await.unwrap()).unwrap()
}

#[tokio::test]
async fn trailers_go_to_clients_that_take_them_and_say_nothing_that_a_head_decides() {
    let reserved = answering(
        &[],
        &[
            ("grpc-status", "0"),
            ("set-cookie", "a=b"),
            ("content-length", "9"),
            ("x-request-id", "forged"),
            ("x-checksum", "1"),
        ],
    )
    .await;
    let grpc = answering(
        &[
            ("content-type", "application/grpc"),
            ("content-length", "4"),
        ],
        &[("grpc-status", "0")],
    )
    .await;
    let plain = answering(&[("content-length", "4")], &[("grpc-status", "0")]).await;
    #[rustfmt::skip]
    let cases = [
        (&reserved, "HTTP/1.1", "TE: trailers\r\n", "4\r\nbody\r\n0\r\ngrpc-status: 0\r\nx-checksum: 1\r\n\r\n"),
        (&reserved, "HTTP/1.1", "",                 "4\r\nbody\r\n0\r\n\r\n"),
        (&reserved, "HTTP/1.1", "TE: gzip\r\n",     "4\r\nbody\r\n0\r\n\r\n"),
        (&reserved, "HTTP/1.0", "TE: trailers\r\n", "body"),
        (&grpc,     "HTTP/1.1", "TE: trailers\r\n", "4\r\nbody\r\n0\r\ngrpc-status: 0\r\n\r\n"),
        (&grpc,     "HTTP/1.1", "",                 "body"),
        (&plain,    "HTTP/1.1", "TE: trailers\r\n", "body"),
    ];
    for (number, (service, version, more, expected)) in cases.into_iter().enumerate() {
        let heard = heard_whole(service, version, more).await;
        let (head, rest) = heard.split_once("\r\n\r\n").unwrap();
        assert_eq!(rest, expected, "{number}");
        assert!(!head.contains("grpc-status"), "{number} {head}");
    }
}

#[tokio::test]
async fn an_old_client_hears_one_answer_that_ends_with_its_connection() {
    let service = Service::start(Behaviour::new(once_whole(|asked| {
        let early = fields(asked.stream, &[(":status", "103")], 0);
        Act::Say([early, good(asked.stream)].concat())
    })))
    .await;
    let heard = heard_whole(&service, "HTTP/1.0", "Connection: keep-alive\r\n").await;
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
    assert!(heard.contains("\r\nconnection: close\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\ngood"), "{heard}");
}

#[tokio::test]
async fn an_answer_that_is_only_trailers_is_a_head_of_no_length() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 5s")).await;
    let mut client = edge.connect().await;
    let answer = client.get("/trailers-only").await;
    assert_eq!(answer.field("grpc-status"), Some("5"));
    assert_eq!(answer.field("content-length"), Some("0"));
    assert_eq!(client.get("/").await.text(), "got 0");
}

#[tokio::test]
async fn the_access_line_tells_of_an_exchange_in_http2_as_of_others() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 5s")).await;
    let mut client = edge.connect().await;
    for _ in 0..2 {
        let post = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                    2\r\nhi\r\n0\r\n\r\n";
        assert_eq!(client.ask(post).await.text(), "got 2");
    }
    drop(client);
    let lines = edge.stop_and_read_log().await;
    for (line, is_reused) in lines.iter().zip([false, true]) {
        assert_eq!(line["endpoint"], service.address.to_string());
        assert_eq!(
            (&line["attempts"], &line["status"]),
            (&1.into(), &200.into())
        );
        assert_eq!(
            (&line["bytes_in"], &line["bytes_out"]),
            (&2.into(), &5.into())
        );
        assert_eq!(
            line["connection_reused"].as_bool().unwrap_or(false),
            is_reused
        );
        assert_eq!(line["connect_us"].is_number(), !is_reused);
        assert!(line["first_byte_us"].is_number());
    }
    assert_eq!(lines.len(), 2);
}
