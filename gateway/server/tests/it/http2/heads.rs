//! Which heads are requests: the verdict over HTTP/2 is that over HTTP/1.1, where the case exists.

use gateway_server::Carriers;

use super::raw::{END_STREAM, Raw, header_frames, literal};
use crate::edge::{Edge, everything_to};
use crate::framing::service::Service;

/// A head, what the client hears, and what the service sees.
struct Case {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    heard: &'static str,
    seen: Vec<String>,
}

type Fields<'a> = &'a [(&'a [u8], &'a [u8])];

/// Pseudo-fields of `GET http://h/a`, as far as they are not replaced, and these fields behind.
fn head(replaced: Fields<'_>, fields: Fields<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let usual: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/a"),
        (b":authority", b"h"),
    ];
    let pseudo = usual.into_iter().map(|(name, value)| {
        let other = replaced.iter().find(|(known, _)| *known == name);
        other.copied().unwrap_or((name, value))
    });
    let all = pseudo
        .filter(|(_, value)| *value != GONE)
        .chain(fields.iter().copied());
    all.map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// Stands for a pseudo-field that is left out.
const GONE: &[u8] = b"(gone)";

fn passed(fields: Vec<(Vec<u8>, Vec<u8>)>, seen: &str) -> Case {
    Case {
        fields,
        heard: "200",
        seen: vec![seen.to_owned()],
    }
}

fn refused(fields: Vec<(Vec<u8>, Vec<u8>)>, heard: &'static str) -> Case {
    Case {
        fields,
        heard,
        seen: Vec::new(),
    }
}

async fn run(cases: Vec<Case>) {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Service::start().await;
        let edge = Edge::start_with_http2(carriers, &everything_to(&[service.address])).await;
        let mut faults = Vec::new();
        for case in &cases {
            let borrowed: Vec<_> = case.fields.iter().map(|(n, v)| (&n[..], &v[..])).collect();
            let mut raw = Raw::connect(edge.address()).await;
            raw.say(&header_frames(END_STREAM, 1, &literal(&borrowed)))
                .await;
            let heard = raw.verdict(1).await;
            let seen = service.take(case.seen.len()).await;
            if heard != case.heard || seen != case.seen {
                let shown: Vec<_> = borrowed
                    .iter()
                    .map(|(n, v)| {
                        format!("{}: {:.60}", n.escape_ascii(), v.escape_ascii().to_string())
                    })
                    .collect();
                faults.push(format!(
                    "{shown:.300?}\n  heard {heard}, must {}\n  seen {seen:?}, must {:?}",
                    case.heard, case.seen
                ));
            }
        }
        assert!(faults.is_empty(), "{carriers:?}\n{}", faults.join("\n"));
    }
}

#[tokio::test]
#[rustfmt::skip]
async fn hosts_and_paths_are_judged_as_over_http_11() {
    let authority = |value: &'static [u8]| head(&[(b":authority", value)], &[]);
    let path = |value: &'static [u8]| head(&[(b":path", value)], &[]);
    let method = |value: &'static [u8]| head(&[(b":method", value)], &[]);
    run(vec![
        passed(head(&[], &[]),                                "GET /a HTTP/1.1 | host: h"),
        passed(authority(b"Pay.Example.COM:8443"),            "GET /a HTTP/1.1 | host: pay.example.com:8443"),
        passed(authority(b"[0:0:0:0:0:0:0:1]:80"),            "GET /a HTTP/1.1 | host: [::1]:80"),
        passed(head(&[], &[(b"host", b"H")]),                 "GET /a HTTP/1.1 | host: h"),
        passed(head(&[(b":authority", GONE)], &[(b"host", b"h")]), "GET /a HTTP/1.1 | host: h"),
        passed(head(&[(b":scheme", b"https")], &[]),          "GET /a HTTP/1.1 | host: h"),
        passed(path(b"/a/../b?c=%20"),                        "GET /b?c=%20 HTTP/1.1 | host: h"),
        passed(path(b"/a?b=http://c/"),                       "GET /a?b=http://c/ HTTP/1.1 | host: h"),
        passed(method(b"DELETE"),                             "DELETE /a HTTP/1.1 | host: h"),
        refused(head(&[], &[(b"host", b"other")]),            "400 bad_host"),
        refused(head(&[], &[(b"host", b"h"), (b"host", b"h")]), "400 bad_host"),
        refused(head(&[], &[(b"host", b"")]),                 "400 bad_host"),
        refused(head(&[(b":authority", GONE)], &[]),          "400 bad_host"),
        refused(authority(b"u@h"),                            "400 bad_host"),
        refused(authority(b"h."), "200").seen("GET /a HTTP/1.1 | host: h"),
        refused(authority(b"127.1"),                          "400 bad_host"),
        refused(authority(b"a..b"),                           "400 bad_host"),
        refused(authority(b"h/a"),                            "reset 1"),
        refused(authority(b""),                               "reset 1"),
        refused(path(b"*"),                                   "400 bad_target"),
        refused(path(b"http://h/a"),                          "reset 1"),
        refused(path(b"?x"),                                  "400 bad_target"),
        refused(path(b""),                                    "reset 1"),
        refused(path(b"/a//b"),                               "400 bad_target"),
        refused(path(b"/a%2fb"),                              "400 bad_target"),
        refused(path(b"/a;b"),                                "400 bad_target"),
        refused(path(b"/../a"),                               "400 bad_target"),
        refused(path(b"/a b"),                                "reset 1"),
        refused(path(b"/a HTTP/1.1\r\nx: y"),                 "reset 1"),
        refused(head(&[(b":scheme", b"ftp")], &[]),           "400 bad_target"),
        refused(method(b"TRACE"),                             "405 method_never_served"),
        refused(head(&[(b":method", b"CONNECT"), (b":scheme", GONE), (b":path", GONE)], &[]),
                                                              "405 method_never_served"),
        refused(method(b"G T"),                               "goaway 1"),
        refused(method(b""),                                  "goaway 1"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn fields_are_judged_as_over_http_11() {
    let field = |name: &'static [u8], value: &'static [u8]| head(&[], &[(name, value)]);
    run(vec![
        passed(field(b"x", b"y"),                             "GET /a HTTP/1.1 | host: h | x: y"),
        passed(field(b"x", b"\xc3\xa9"),                      "GET /a HTTP/1.1 | host: h | x: \\xc3\\xa9"),
        passed(head(&[], &[(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")]),
                                                              "GET /a HTTP/1.1 | host: h | x: y | cookie: a=1; b=2"),
        passed(field(b"te", b"trailers"),                     "GET /a HTTP/1.1 | host: h"),
        passed(field(b"x-forwarded-for", b"10.0.0.1"),        "GET /a HTTP/1.1 | host: h"),
        passed(field(b"content-length", b"0"),                "GET /a HTTP/1.1 | host: h | content-length: 0"),
        refused(field(b"expect", b"200-ok"),                  "417 expectation_failed"),
        refused(field(b"te", b"gzip"),                        "reset 1"),
        refused(field(b"connection", b"close"),               "reset 1"),
        refused(field(b"connection", b"x"),                   "reset 1"),
        refused(field(b"transfer-encoding", b"chunked"),      "reset 1"),
        refused(field(b"upgrade", b"websocket"),              "reset 1"),
        refused(field(b"keep-alive", b"1"),                   "reset 1"),
        refused(field(b"proxy-connection", b"close"),         "reset 1"),
        refused(field(b"content-length", b"5"),               "reset 1"),
        refused(field(b"content-length", b"+0"),              "reset 1"),
        refused(head(&[], &[(b"content-length", b"0"), (b"content-length", b"0")]), "400 bad_framing"),
        refused(head(&[], &[(b"content-length", b"0"), (b"content-length", b"1")]), "reset 1"),
        refused(field(b"x", b"a\r\nhost: other"),             "goaway 1"),
        refused(field(b"x", b"a\nb"),                         "goaway 1"),
        refused(field(b"x", b"a\0b"),                         "goaway 1"),
        refused(field(b"X-Upper", b"y"),                      "goaway 1"),
        refused(field(b"x y", b"y"),                          "goaway 1"),
        refused(field(b"x: a\r\ny", b"z"),                    "goaway 1"),
        refused(field(b"", b"y"),                             "goaway 1"),
        refused(field(b":method", b"GET"),                    "reset 1"),
        refused(head(&[], &[(b"x", b"y"), (b":path", b"/b")]), "reset 1"),
        refused(field(b":status", b"200"),                    "reset 1"),
        refused(field(b":protocol", b"websocket"),            "reset 1"),
        refused(field(b":other", b"x"),                       "goaway 1"),
        refused(head(&[(b":method", GONE)], &[]),             "reset 1"),
        refused(head(&[(b":scheme", GONE)], &[]),             "reset 1"),
        refused(head(&[(b":path", GONE)], &[]),               "reset 1"),
    ]).await;
}

const HEAD_BYTES_MAX: usize = 32 * 1024;
const TARGET_BYTES_MAX: usize = 8 * 1024;

/// A head that HTTP/1.1 spells in exactly so many bytes.
fn head_of(bytes: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let around =
        "GET /a HTTP/1.1\r\nhost: h\r\nte: \r\n\r\n".len() + "http2-settings".len() - "te".len();
    head(&[], &[(b"http2-settings", &b"x".repeat(bytes - around))])
}

/// A head with so many fields, `Host` among them.
fn fields_of(count: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let field: (&[u8], &[u8]) = (b"http2-settings", b"y");
    head(&[], &vec![field; count - 1])
}

fn target_of(bytes: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    head(
        &[(b":path", &[b"/a?", &b"b".repeat(bytes - 3)[..]].concat())],
        &[],
    )
}

#[tokio::test]
#[rustfmt::skip]
async fn a_head_is_read_to_its_limits_and_not_one_byte_further() {
    let nothing_left = "GET /a HTTP/1.1 | host: h";
    let long_target = format!("GET /a?{} HTTP/1.1 | host: h", "b".repeat(TARGET_BYTES_MAX - 3));
    run(vec![
        passed(head_of(HEAD_BYTES_MAX),          nothing_left),
        refused(head_of(HEAD_BYTES_MAX + 1),     "431 head_too_large"),
        passed(fields_of(100),                   nothing_left),
        refused(fields_of(101),                  "431 head_too_large"),
        passed(target_of(TARGET_BYTES_MAX),      &long_target),
        refused(target_of(TARGET_BYTES_MAX + 1), "414 target_too_long"),
        // Past what was announced, the frames are not even a request to us.
        refused(head_of(HEAD_BYTES_MAX * 2),     "431"),
        refused(head_of(HEAD_BYTES_MAX * 5),     "goaway 11"),
    ]).await;
}

impl Case {
    fn seen(mut self, line: &str) -> Self {
        self.seen.push(line.to_owned());
        self
    }
}
