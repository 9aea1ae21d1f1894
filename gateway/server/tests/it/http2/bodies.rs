//! Bodies in both directions, over both carriers, and what stands around them.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use gateway_server::Carriers;
use h2::Reason;
use http::HeaderMap;

use super::client::{Client, read, request, send, with, within};
use super::raw::{DATA, END_HEADERS, END_STREAM, HEADERS, Raw, frame, literal};
use super::service::Service;
use crate::edge::{Edge, everything_to};
use crate::framing;

async fn each_carrier(check: impl AsyncFn(&Edge, &Client, &Service)) {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Service::start().await;
        let rest = everything_to(&[service.address]) + "limits: { body: 2MiB }\n";
        let edge = Edge::start_with_http2(carriers, &rest).await;
        let client = Client::connect(edge.address()).await;
        check(&edge, &client, &service).await;
    }
}

fn body_of(length: usize) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

#[tokio::test]
async fn bodies_pass_whole_in_both_directions() {
    each_carrier(async |_, client, _| {
        for length in [0, 1, 1000, 16_384, 16_385, 70_000, 1024 * 1024] {
            let body = body_of(length);
            for path in ["/echo", "/chunks"] {
                for is_told in [true, false] {
                    let mut request = request("POST", path);
                    if is_told {
                        request = with(request, "content-length", &length.to_string());
                    }
                    let answer = client.ask(request, body.clone()).await.unwrap();
                    assert_eq!(answer.status, 200, "{path} {length} {is_told}");
                    assert!(answer.body == body, "{path} {length} {is_told}");
                    let told = answer.field("content-length").map(str::to_owned);
                    let expected = (path == "/echo").then(|| length.to_string());
                    assert_eq!(told, expected, "{path} {length} {is_told}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_heads() {
    each_carrier(async |_, client, _| {
        #[rustfmt::skip]
        let cases = [
            ("GET",  "/no-content",   204, None),
            ("GET",  "/not-modified", 304, Some("7")),
            ("HEAD", "/length",       200, Some("7")),
            ("HEAD", "/a//b",         400, None),
        ];
        for (method, path, status, length) in cases {
            let (response, _) = client.begin(request(method, path), true).await.unwrap();
            let answer = read(within(response).await.unwrap()).await.unwrap();
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(answer.body, b"", "{method} {path}");
            if length.is_some() {
                assert_eq!(answer.field("content-length"), length, "{method} {path}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_says_nothing_of_a_hop_and_everything_else() {
    each_carrier(async |_, client, _| {
        let answer = client.get("/until-close").await.unwrap();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "until the end")
        );
        assert!(answer.field("x-request-id").is_some(), "{answer:?}");
        for name in ["connection", "transfer-encoding", "keep-alive"] {
            assert_eq!(answer.field(name), None, "{answer:?}");
        }
        let answer = client.get("/garbage").await.unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "upstream_broken")
        );
    })
    .await;
}

#[tokio::test]
async fn trailers_of_a_request_do_not_disturb_its_body() {
    each_carrier(async |_, client, _| {
        for is_told in [true, false] {
            let mut request = request("POST", "/echo");
            if is_told {
                request = with(request, "content-length", "4");
            }
            let (response, mut sending) = client.begin(request, false).await.unwrap();
            send(&mut sending, Bytes::from_static(b"body"), false)
                .await
                .unwrap();
            let mut fields = HeaderMap::new();
            fields.insert("digest", "abc".parse().unwrap());
            fields.insert("host", "other".parse().unwrap());
            sending.send_trailers(fields).unwrap();
            let answer = read(within(response).await.unwrap()).await.unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
        }
    })
    .await;
}

#[tokio::test]
async fn trailers_of_an_answer_are_passed_on_unless_they_belong_in_a_head() {
    let service = crate::upstream::Upstream::start([crate::upstream::Step::Say(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
         Grpc-Status: 0\r\nContent-Length: 9\r\nSet-Cookie: a\r\n\r\n"
            .to_owned(),
    )])
    .await;
    let rest = everything_to(&[service.address]);
    let edge = Edge::start_with_http2(Carriers::Both, &rest).await;
    let answer = Client::connect(edge.address())
        .await
        .get("/")
        .await
        .unwrap();
    let trailers = answer.trailers.unwrap();
    assert_eq!(answer.body, b"hi");
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    assert_eq!(trailers.len(), 1, "{trailers:?}");
}

#[tokio::test]
async fn early_hints_are_passed_on_before_the_answer() {
    each_carrier(async |_, client, _| {
        let (mut response, _) = client.begin(request("GET", "/hints"), true).await.unwrap();
        let hint = std::future::poll_fn(|context| response.poll_informational(context));
        let hint = within(hint).await.unwrap().unwrap();
        assert_eq!(hint.status().as_u16(), 103);
        assert_eq!(hint.headers()["link"], "</a>");
        assert_eq!(within(response).await.unwrap().status().as_u16(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_expects_to_be_asked_for_its_body_is_asked() {
    each_carrier(async |_, client, _| {
        let request = with(request("POST", "/echo"), "expect", "100-continue");
        let request = with(request, "content-length", "4");
        let (mut response, mut sending) = client.begin(request, false).await.unwrap();
        let asked = std::future::poll_fn(|context| response.poll_informational(context));
        let asked = within(asked).await.unwrap().unwrap();
        assert_eq!(asked.status().as_u16(), 100);
        send(&mut sending, Bytes::from_static(b"body"), true)
            .await
            .unwrap();
        let answer = read(within(response).await.unwrap()).await.unwrap();
        assert_eq!(answer.text(), "body");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_comes_early_is_whole_and_the_rest_of_the_body_is_declined() {
    each_carrier(async |edge, _, service| {
        #[rustfmt::skip]
        let cases = [
            // Refused by us, for what was announced and for what came.
            ("/echo", Some(3 * 1024 * 1024), 413),
            ("/a//b", None,                  400),
        ];
        for (path, length, status) in cases {
            let client = Client::connect(edge.address()).await;
            let mut request = request("POST", path);
            if let Some(length) = length {
                request = with(request, "content-length", &length.to_string());
            }
            let (response, mut sending) = client.begin(request, false).await.unwrap();
            let answer = read(within(response).await.unwrap()).await.unwrap();
            assert_eq!(answer.status, status, "{path}");
            let reason = std::future::poll_fn(|context| sending.poll_reset(context));
            assert_eq!(within(reason).await.unwrap(), Reason::NO_ERROR, "{path}");
            // Only the stream is over.
            assert_eq!(client.get("/").await.unwrap().status, 200);
        }
        let body = body_of(2 * 1024 * 1024 + 1);
        let client = Client::connect(edge.address()).await;
        let answer = client.ask(request("POST", "/echo"), body).await.unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "body_too_large")
        );
        assert!(service.counts.heads.load(Ordering::Acquire) > 0);
    })
    .await;
}

/// The second reader would take a surplus byte for a request, and a missing one for a longer body.
#[tokio::test]
async fn a_body_that_differs_from_its_length_is_never_a_request() {
    let post = |length: &'static [u8]| {
        literal(&[
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/a"),
            (b":authority", b"h"),
            (b"content-length", length),
        ])
    };
    let smuggled = b"GET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = framing::service::Service::start().await;
        let edge = Edge::start_with_http2(carriers, &everything_to(&[service.address])).await;
        #[rustfmt::skip]
        let cases: [(&'static [u8], &[u8]); 4] = [
            (b"0",  smuggled),
            (b"4",  smuggled),
            (b"50", b"short"),
            (b"5",  b""),
        ];
        for (length, body) in cases {
            let mut raw = Raw::connect(edge.address()).await;
            raw.say(&frame(HEADERS, END_HEADERS, 1, &post(length)))
                .await;
            raw.say(&frame(DATA, END_STREAM, 1, body)).await;
            assert_eq!(raw.verdict(1).await, "reset 1", "{length:?}");
        }
        let client = Client::connect(edge.address()).await;
        assert_eq!(client.get("/after").await.unwrap().status, 200);
        let seen = service.take(1).await;
        // What is whole by its head goes on; what was to have a body is cut or never seen.
        let is_harmless = |line: &String| {
            let is_whole = line.starts_with("GET /after ") || line.ends_with("content-length: 0");
            is_whole || line.ends_with("(cut)")
        };
        assert!(seen.iter().all(is_harmless), "{carriers:?} {seen:?}");
    }
}
