use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::fields::FieldRules;
use crate::sample;

use super::*;

fn parse<'a>(head: &'a str, method: &Method) -> Result<AnswerHead<'a>, AnswerError> {
    AnswerHead::parse(head.as_bytes(), method)
}

#[test]
fn a_status_line_is_read_one_way_or_refused() {
    #[rustfmt::skip]
    let cases = [
        ("HTTP/1.1 200 OK",            Some(200)),
        ("HTTP/1.0 404 Not Found",     Some(404)),
        ("HTTP/1.1 599 ",              Some(599)),
        ("HTTP/1.1 200",               Some(200)),
        ("HTTP/1.1 200 caf\u{e9}",     Some(200)),
        ("HTTP/1.1 99 Low",            None),
        ("HTTP/1.1 600 High",          None),
        ("HTTP/1.1 1000 High",         None),
        ("HTTP/1.1 abc X",             None),
        ("HTTP/1.1 +20 X",             None),
        ("HTTP/1.1  200 OK",           None),
        ("HTTP/2.0 200 OK",            None),
        ("http/1.1 200 OK",            None),
        ("HTTP/1.1 200 O\u{0}K",       None),
        ("garbage",                    None),
        ("",                           None),
    ];
    for (line, expected) in cases {
        let head = format!("{line}\r\n\r\n");
        let parsed = parse(&head, &Method::GET);
        assert_eq!(
            parsed.ok().map(|answer| answer.status),
            expected,
            "{line:?}"
        );
    }
}

#[test]
fn the_end_of_a_body_is_known_or_the_answer_refused() {
    use AnswerBody as B;
    #[rustfmt::skip]
    let cases = [
        ("GET",  "200", "Content-Length: 5",                                Ok(B::Length(5))),
        ("GET",  "200", "Content-Length: 0",                                Ok(B::Nothing)),
        ("GET",  "200", "Transfer-Encoding: Chunked",                       Ok(B::Chunked)),
        ("GET",  "200", "X: y",                                             Ok(B::UntilClose)),
        ("HEAD", "200", "Content-Length: 5",                                Ok(B::Nothing)),
        ("HEAD", "200", "Transfer-Encoding: chunked",                       Ok(B::Nothing)),
        ("GET",  "204", "Content-Length: 5",                                Ok(B::Nothing)),
        ("GET",  "304", "Content-Length: 5",                                Ok(B::Nothing)),
        ("GET",  "100", "X: y",                                             Ok(B::Nothing)),
        ("GET",  "200", "Content-Length: 5\r\nContent-Length: 5",           Err(AnswerError::Length)),
        ("GET",  "200", "Content-Length: 5, 5",                             Err(AnswerError::Length)),
        ("GET",  "200", "Content-Length: -5",                               Err(AnswerError::Length)),
        ("GET",  "200", "Content-Length:",                                  Err(AnswerError::Length)),
        ("GET",  "200", "Content-Length: 5\r\nTransfer-Encoding: chunked",  Err(AnswerError::Encoding)),
        ("GET",  "200", "Transfer-Encoding: gzip, chunked",                 Err(AnswerError::Encoding)),
        ("GET",  "200", "Transfer-Encoding: identity",                      Err(AnswerError::Encoding)),
        ("HEAD", "200", "Transfer-Encoding: identity",                      Err(AnswerError::Encoding)),
        ("GET",  "200", "Bad Name: x",                                      Err(AnswerError::Field(HeadError::FieldName))),
        ("GET",  "200", "X: y\r\n folded",                                  Err(AnswerError::Field(HeadError::Folded))),
        ("GET",  "200", "X: \u{0}",                                         Err(AnswerError::Field(HeadError::FieldValue))),
    ];
    for (method, status, fields, expected) in cases {
        let head = format!("HTTP/1.1 {status} X\r\n{fields}\r\n\r\n");
        let method = method.parse().unwrap();
        let body = parse(&head, &method).map(|answer| answer.body);
        assert_eq!(body, expected, "{method} {status} {fields:?}");
    }
    let old = parse(
        "HTTP/1.0 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
        &Method::GET,
    );
    assert_eq!(old.err(), Some(AnswerError::Encoding));
}

#[test]
fn a_connection_is_kept_when_the_service_keeps_it() {
    #[rustfmt::skip]
    let cases = [
        ("HTTP/1.1", "X: y",                    true),
        ("HTTP/1.1", "Connection: close",       false),
        ("HTTP/1.1", "Connection: x, Close",    false),
        ("HTTP/1.0", "X: y",                    false),
        ("HTTP/1.0", "Connection: Keep-Alive",  true),
    ];
    for (version, field, expected) in cases {
        let head = format!("{version} 200 OK\r\n{field}\r\n\r\n");
        let answer = parse(&head, &Method::GET).unwrap();
        assert_eq!(answer.keeps_alive, expected, "{version} {field}");
    }
}

fn route() -> Route {
    Route {
        response_fields: FieldRules {
            remove: vec![HeaderName::from_static("x-secret")],
            set: vec![(
                HeaderName::from_static("x-env"),
                HeaderValue::from_static("b"),
            )],
            add: vec![(
                HeaderName::from_static("x-tag"),
                HeaderValue::from_static("b"),
            )],
        },
        ..sample::route("/{rest*}")
    }
}

fn written(head: &str, method: &Method, keeps_alive: bool) -> String {
    let request_id = RequestId::new(0, 0);
    let client = Client {
        request_id: &request_id,
        keeps_alive,
        reads_chunks: true,
        date: "now",
        identified_in: None,
    };
    let mut out = Vec::new();
    write_head(&parse(head, method).unwrap(), &route(), &client, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_client_sees_the_answer_in_our_framing_and_with_our_fields() {
    let seen = written(
        "HTTP/1.0 200 Fine\r\nX-Secret: s\r\nX-Env: a\r\nX-Tag: a\r\nX-Request-Id: forged\r\n\
         Keep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: gone\r\nContent-Length: 005\r\n\r\n",
        &Method::GET,
        true,
    );
    assert_eq!(
        seen,
        "HTTP/1.1 200 Fine\r\nX-Tag: a\r\nx-env: b\r\nx-tag: b\r\ndate: now\r\n\
         content-length: 5\r\nx-request-id: 00000000-0000-7000-8000-000000000000\r\n\
         connection: keep-alive\r\n\r\n"
    );
}

#[test]
fn a_client_is_told_how_long_it_took_to_know_it_where_it_is_to_be_told() {
    let request_id = RequestId::new(0, 0);
    let client = Client {
        request_id: &request_id,
        keeps_alive: true,
        reads_chunks: true,
        date: "now",
        identified_in: Some(Duration::from_micros(12_034)),
    };
    let head = "HTTP/1.1 200 OK\r\nServer-Timing: db;dur=1\r\nContent-Length: 0\r\n\r\n";
    let mut out = Vec::new();
    write_head(
        &parse(head, &Method::GET).unwrap(),
        &route(),
        &client,
        &mut out,
    );
    let seen = String::from_utf8(out).unwrap();
    assert!(seen.contains("\r\nServer-Timing: db;dur=1\r\n"), "{seen}");
    assert!(
        seen.contains("\r\nserver-timing: auth;dur=12.034\r\n"),
        "{seen}"
    );
}

#[test]
fn a_switch_names_the_protocol_and_nothing_of_the_hop_before() {
    let head = "HTTP/1.1 101 Go\r\nDate: d\r\nConnection: upgrade, X-Hop\r\nX-Hop: gone\r\n\
                Upgrade: WebSocket\r\nSec-WebSocket-Accept: a\r\nX-Secret: s\r\n\r\n";
    let (head, request_id) = (parse(head, &Method::GET).unwrap(), RequestId::new(0, 0));
    let client = Client {
        request_id: &request_id,
        keeps_alive: false,
        reads_chunks: true,
        date: "now",
        identified_in: None,
    };
    let mut out = Vec::new();
    write_switch(&head, &route(), &client, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 101 Go\r\nDate: d\r\nSec-WebSocket-Accept: a\r\nx-env: b\r\nx-tag: b\r\n\
         x-request-id: 00000000-0000-7000-8000-000000000000\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\n\r\n"
    );
}

#[test]
fn the_framing_follows_the_body() {
    #[rustfmt::skip]
    let cases = [
        ("GET",  "200", "Date: d\r\nTransfer-Encoding: chunked",  "transfer-encoding: chunked\r\n"),
        ("GET",  "200", "Date: d",                                "transfer-encoding: chunked\r\n"),
        ("HEAD", "200", "Date: d\r\nContent-Length: 9",           "content-length: 9\r\n"),
        ("GET",  "304", "Date: d\r\nContent-Length: 9",           "content-length: 9\r\n"),
        ("GET",  "204", "Date: d\r\nContent-Length: 9",           ""),
    ];
    for (method, status, fields, expected) in cases {
        let head = format!("HTTP/1.1 {status} X\r\n{fields}\r\n\r\n");
        let seen = written(&head, &method.parse().unwrap(), false);
        let (_, rest) = seen.split_once("x-tag: b\r\n").unwrap();
        let (framing, _) = rest.split_once("x-request-id").unwrap();
        assert_eq!(framing, expected, "{method} {status} {fields:?}");
        assert!(seen.ends_with("connection: close\r\n\r\n"));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = AnswerHead::parse(&bytes, &Method::GET);
    }

    #[test]
    fn no_near_miss_makes_the_parser_panic(
        text in "HTTP/1\\.[01] [0-9]{2,4} ?O?K?\r?\n([CT][a-z-]{0,5}:? ?[0-9a]{0,3}\r?\n){0,3}\r\n",
    ) {
        let _ = AnswerHead::parse(text.as_bytes(), &Method::GET);
    }
}

fn of_stream<'a>(
    fields: &'a HeaderMap,
    status: u16,
    is_whole: bool,
    method: &Method,
) -> Result<AnswerHead<'a>, AnswerError> {
    AnswerHead::of_stream(
        StatusCode::from_u16(status).unwrap(),
        fields,
        is_whole,
        method,
    )
}

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    fields
}

#[test]
fn the_body_of_a_stream_is_known_or_the_answer_refused() {
    use AnswerBody as B;
    #[rustfmt::skip]
    let cases = [
        ("GET",  200, &[][..],                           false, Ok(B::UntilClose)),
        ("GET",  200, &[],                               true,  Ok(B::Nothing)),
        ("GET",  200, &[("content-length", "5")],        false, Ok(B::Length(5))),
        ("GET",  200, &[("content-length", "5")],        true,  Err(AnswerError::Length)),
        ("GET",  200, &[("content-length", "0")],        true,  Ok(B::Nothing)),
        ("GET",  200, &[("content-length", "5"), ("content-length", "5")], false, Err(AnswerError::Length)),
        ("GET",  200, &[("content-length", "+5")],       false, Err(AnswerError::Length)),
        ("GET",  200, &[("transfer-encoding", "chunked")], false, Err(AnswerError::OfConnection)),
        ("GET",  200, &[("connection", "close")],        false, Err(AnswerError::OfConnection)),
        ("GET",  200, &[("upgrade", "websocket")],       false, Err(AnswerError::OfConnection)),
        ("HEAD", 200, &[("content-length", "5")],        true,  Ok(B::Nothing)),
        ("GET",  304, &[("content-length", "5")],        true,  Ok(B::Nothing)),
        ("GET",  204, &[],                               true,  Ok(B::Nothing)),
        ("GET",  103, &[],                               false, Ok(B::Nothing)),
        ("GET",  600, &[],                               true,  Err(AnswerError::StatusLine)),
    ];
    for (method, status, lines, is_whole, expected) in cases {
        let fields = fields(lines);
        let method = method.parse().unwrap();
        let parsed = of_stream(&fields, status, is_whole, &method);
        assert_eq!(
            parsed.map(|answer| answer.body),
            expected,
            "{method} {status} {lines:?}"
        );
    }
}

#[test]
fn an_answer_of_a_stream_is_told_in_the_clients_terms() {
    let grpc = ("content-type", "application/grpc+proto");
    let length = ("content-length", "5");
    #[rustfmt::skip]
    let cases = [
        // What the service says, whether that is all, and which framing the client is told: one that
        // takes trailers, one that does not, and one of HTTP/1.0.
        (&[][..],                              true,  ["content-length: 0", "content-length: 0", "content-length: 0"]),
        (&[],                                  false, ["transfer-encoding: chunked", "transfer-encoding: chunked", ""]),
        (&[length],                            false, ["content-length: 5", "content-length: 5", "content-length: 5"]),
        (&[grpc, length],                      false, ["transfer-encoding: chunked", "content-length: 5", "content-length: 5"]),
        (&[("trailer", "digest"), length],     false, ["transfer-encoding: chunked", "content-length: 5", "content-length: 5"]),
    ];
    for (lines, is_whole, expected) in cases {
        let fields = fields(lines);
        let told =
            [(true, true), (false, true), (false, false)].map(|(takes_trailers, reads_chunks)| {
                let mut answer = of_stream(&fields, 200, is_whole, &Method::GET).unwrap();
                if takes_trailers {
                    answer.make_room_for_trailers();
                }
                let client = Client {
                    request_id: &RequestId::new(0, 0),
                    keeps_alive: true,
                    reads_chunks,
                    date: "now",
                    identified_in: None,
                };
                let mut out = Vec::new();
                write_head(&answer, &route(), &client, &mut out);
                let text = String::from_utf8(out).unwrap();
                assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
                let framing = ["content-length", "transfer-encoding"];
                let framed = text
                    .lines()
                    .filter(|line| framing.iter().any(|name| line.starts_with(name)));
                framed.map(str::to_owned).collect::<Vec<_>>().join(" ")
            });
        assert_eq!(told, expected, "{lines:?}");
    }
}
