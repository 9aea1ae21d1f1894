use std::net::IpAddr;

use proptest::prelude::*;

use super::super::tests::route;
use super::super::{Hop, write_head};
use super::*;
use crate::ids::{RequestId, Trace};
use crate::limits::Limits;

fn hop<T>(peer_is_trusted: bool, tell: impl FnOnce(&Hop<'_>) -> T) -> T {
    let (request_id, trace) = (RequestId::new(0, 0), Trace::next(None, 1, 2));
    tell(&Hop {
        request_id: &request_id,
        trace: &trace,
        peer: IpAddr::from([192, 0, 2, 1]),
        peer_is_trusted,
        scheme: "http",
        upgrades: false,
        identity: None,
    })
}

/// The head in HTTP/2, a line per field in their order.
fn composed(text: &str, peer_is_trusted: bool) -> String {
    let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
    let request = hop(peer_is_trusted, |hop| compose(&head, &route(), hop)).unwrap();
    let mut lines = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        let value = std::str::from_utf8(value.as_bytes()).unwrap();
        lines.push_str(&format!("{name}: {value}\n"));
    }
    lines
}

#[test]
fn a_head_goes_on_as_fields_with_ours_beside_them() {
    let sent = composed(
        "POST /money/%74ransfers?a=b HTTP/1.1\r\nHost: Pay.Example.com:80\r\nAccept: */*\r\n\
         Content-Length: 007\r\nX-Debug: 1\r\nX-Env: test\r\nX-Tag: mine\r\n\
         Connection: X-Hop, TE\r\nX-Hop: gone\r\nTE: trailers\r\nUpgrade: h2c\r\n\r\n",
        false,
    );
    assert_eq!(
        sent,
        "POST http://pay.example.com:80/transfers?a=b\naccept: */*\nx-tag: mine\nx-tag: edge\n\
         x-env: prod\nx-forwarded-for: 192.0.2.1\nx-forwarded-proto: http\n\
         x-forwarded-host: pay.example.com\nx-request-id: 00000000-0000-7000-8000-000000000000\n\
         traceparent: 00-00000000000000000000000000000001-0000000000000002-00\n\
         content-length: 7\nte: trailers\n"
    );
}

#[test]
fn of_the_framing_only_a_length_is_told_and_of_te_only_trailers() {
    #[rustfmt::skip]
    let cases = [
        ("",                                            &[][..]),
        ("Content-Length: 0\r\n",                       &["content-length: 0"]),
        ("Content-Length: 010\r\n",                     &["content-length: 10"]),
        ("Transfer-Encoding: chunked\r\n",              &[]),
        ("TE: trailers\r\n",                            &["te: trailers"]),
        ("TE: gzip;q=0.5, Trailers\r\n",                &["te: trailers"]),
        ("TE: gzip\r\nTE: trailers\r\n",                &["te: trailers"]),
        ("TE: gzip\r\n",                                &[]),
        ("TE: nottrailers\r\n",                         &[]),
        ("Keep-Alive: 3\r\nProxy-Connection: close\r\n", &[]),
    ];
    for (fields, expected) in cases {
        let sent = composed(
            &format!("POST /money/x HTTP/1.1\r\nHost: h\r\n{fields}\r\n"),
            false,
        );
        let ours = [
            "x-env",
            "x-tag",
            "x-forwarded",
            "x-request-id",
            "traceparent",
            "POST",
        ];
        let of_client = sent
            .lines()
            .filter(|line| !ours.iter().any(|our| line.starts_with(our)));
        assert_eq!(of_client.collect::<Vec<_>>(), expected, "{fields:?}");
    }
}

#[test]
fn a_target_is_spelled_as_a_uri() {
    #[rustfmt::skip]
    let cases = [
        ("/money/a%20b",          "/a%20b"),
        ("/money",                "/"),
        ("/money/x?",             "/x?"),
        ("/money/x?a=<b>&c=\"d\"", "/x?a=%3Cb%3E&c=%22d%22"),
        ("/money/x?{|}^`\\",      "/x?{|}^`\\"),
    ];
    for (target, expected) in cases {
        let sent = composed(
            &format!("GET {target} HTTP/1.1\r\nHost: [::1]:8\r\n\r\n"),
            false,
        );
        let line = sent.lines().next().unwrap();
        assert_eq!(line, format!("GET http://[::1]:8{expected}"), "{target}");
    }
}

#[test]
fn what_a_trusted_proxy_says_of_the_client_is_passed_on() {
    let text = "GET /money/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\n\
                X-Forwarded-Proto: https\r\nX-Forwarded-Host: pay.example\r\n\r\n";
    for (is_trusted, expected) in [
        (false, ["192.0.2.1", "http", "h"]),
        (true, ["10.1.1.1, 192.0.2.1", "https", "pay.example"]),
    ] {
        let sent = composed(text, is_trusted);
        for (name, value) in ["for", "proto", "host"].iter().zip(expected) {
            let line = format!("x-forwarded-{name}: {value}\n");
            assert!(sent.contains(&line), "{line} {sent}");
        }
    }
}

proptest! {
    /// Both spellings of a head say the same fields to a service.
    #[test]
    fn a_head_that_is_read_can_be_said_both_ways(
        names in prop::collection::vec("[!#-'*+.0-9A-Z^-z|~-]{1,12}", 0..5),
        value in "[\t -~\u{80}-\u{ff}]{0,20}",
        query in "[!-\"$-~]{0,20}",
        host in "[a-z0-9_-]{1,8}(\\.[a-z]{1,3})?(:[0-9]{1,4})?",
    ) {
        let fields: String = names.iter().map(|name| format!("{name}: {value}\r\n")).collect();
        let text = format!("GET /money/x?{query} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let Ok(head) = Head::parse(text.as_bytes(), &Limits::default()) else { return Ok(()) };
        let request = hop(false, |hop| compose(&head, &route(), hop));
        prop_assert!(request.is_ok(), "{text:?}");
        let mut written = Vec::new();
        hop(false, |hop| write_head(&head, &route(), hop, &mut written));
        let lines = written.split(|byte| *byte == b'\n').filter(|line| line.contains(&b':'));
        // The request line and `Host` are pseudo-fields in HTTP/2; `TE` is not said in HTTP/1.1.
        let spelled = lines.count() - 1 - usize::from(query.contains(':'));
        let fields = request.unwrap().headers().len();
        let of_te = usize::from(head.takes_trailers());
        prop_assert_eq!(fields - of_te, spelled);
    }
}
