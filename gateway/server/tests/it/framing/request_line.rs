//! RFC 9112 §3: `METHOD SP target SP version`, and nothing near it.

use super::case::{Case, passed, refused, run};
use super::line;

#[rustfmt::skip]
fn lines() -> Vec<Case> {
    vec![
        passed(line("GET /a HTTP/1.1"),                      "GET /a HTTP/1.1 | host: h"),
        passed(line("GET / HTTP/1.1"),                       "GET / HTTP/1.1 | host: h"),
        // RFC 9112 §2.2 lets one empty line pass in front of a request; a second one is not skipped.
        passed([b"\r\n", &*line("GET /a HTTP/1.1")].concat(), "GET /a HTTP/1.1 | host: h"),
        refused([b"\r\n\r\n", &*line("GET /a HTTP/1.1")].concat(), 400, "bad_head"),
        refused([b"\n", &*line("GET /a HTTP/1.1")].concat(), 400, "bad_head"),
        refused([b"\r", &*line("GET /a HTTP/1.1")].concat(), 400, "bad_head"),
        refused([b"\0", &*line("GET /a HTTP/1.1")].concat(), 400, "bad_head"),
        refused(line(" GET /a HTTP/1.1"),                    400, "bad_head"),
        refused(line("\tGET /a HTTP/1.1"),                   400, "bad_head"),
        refused(line("GET  /a HTTP/1.1"),                    400, "bad_target"),
        refused(line("GET /a  HTTP/1.1"),                    400, "bad_target"),
        refused(line("GET /a HTTP/1.1 "),                    400, "bad_head"),
        refused(line("GET /a HTTP/1.1\t"),                   400, "bad_head"),
        refused(line("GET\t/a\tHTTP/1.1"),                   400, "bad_head"),
        refused(line("GET\t/a HTTP/1.1"),                    400, "bad_head"),
        refused(line("GET /a\tHTTP/1.1"),                    400, "bad_head"),
        refused(line("GET\u{b}/a HTTP/1.1"),                 400, "bad_head"),
        refused(line("GET /a b HTTP/1.1"),                   400, "bad_target"),
        // A second request line in the first is one target with a blank in it.
        refused(line("GET /a HTTP/1.1 GET /b HTTP/1.1"),     400, "bad_target"),
        refused(line("GET /a HTTP/1.1\rX: y"),               400, "bad_head"),
        refused(line("GET /a HTTP/1.1\0"),                   400, "bad_head"),
        refused(line("GET /a\0 HTTP/1.1"),                   400, "bad_target"),
        refused(line("GET /a"),                              400, "bad_head"),
        refused(line("GET"),                                 400, "bad_head"),
        refused(line("/a HTTP/1.1"),                         400, "bad_head"),
        refused(line(" /a HTTP/1.1"),                        400, "bad_head"),
        refused("GET /a HTTP/1.1\r\n\r\n",                   400, "bad_host"),
        refused("GET /a\n\n",                                400, "bad_head"),
        refused("GET /a HTTP/1.1\nHost: h\n\n",              400, "bad_head"),
        refused("GET /a HTTP/1.1\nHost: h\r\n\r\n",          400, "bad_head"),
        refused(line(b"GET /\xff HTTP/1.1"),                 400, "bad_head"),
        refused(line(b"G\xc3\x8bT /a HTTP/1.1"),             400, "bad_head"),
        refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_head"),
    ]
}

#[rustfmt::skip]
fn versions() -> Vec<Case> {
    vec![
        // RFC 9112 §9.3: without `keep-alive` the old version ends with its answer.
        passed(line("GET /a HTTP/1.0"),                      "GET /a HTTP/1.1 | host: h").last(),
        passed("GET /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "GET /a HTTP/1.1 | host: h"),
        // Who sends no host cannot be routed by it, in either version.
        refused("GET /a HTTP/1.0\r\n\r\n",                   400, "bad_host"),
        refused(line("GET /a HTTP/0.9"),                     505, "version_not_supported"),
        refused(line("GET /a HTTP/1.2"),                     505, "version_not_supported"),
        refused(line("GET /a HTTP/2.0"),                     505, "version_not_supported"),
        refused(line("GET /a HTTP/3.0"),                     505, "version_not_supported"),
        refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505, "version_not_supported"),
        refused(line("GET /a HTTP/2"),                       400, "bad_head"),
        refused(line("GET /a HTTP/1.10"),                    400, "bad_head"),
        refused(line("GET /a HTTP/01.1"),                    400, "bad_head"),
        refused(line("GET /a HTTP/1,1"),                     505, "version_not_supported"),
        refused(line("GET /a HTTP/1"),                       400, "bad_head"),
        refused(line("GET /a HTTP/"),                        400, "bad_head"),
        refused(line("GET /a HTTP /1.1"),                    400, "bad_head"),
        refused(line("GET /a http/1.1"),                     400, "bad_head"),
        refused(line("GET /a HTTPS/1.1"),                    400, "bad_head"),
        refused(line("GET /a ICY/1.1"),                      400, "bad_head"),
        refused(line("GET /a HTTP/1.\u{661}"),               400, "bad_head"),
    ]
}

#[rustfmt::skip]
fn targets() -> Vec<Case> {
    vec![
        // The four forms of RFC 9112 §3.2: origin, absolute, authority, asterisk.
        passed(line("GET /a?b=c HTTP/1.1"),                  "GET /a?b=c HTTP/1.1 | host: h"),
        passed(line("GET http://h/a HTTP/1.1"),              "GET /a HTTP/1.1 | host: h"),
        passed(line("GET HTTP://H/a?b HTTP/1.1"),            "GET /a?b HTTP/1.1 | host: h"),
        passed(line("GET https://h/a HTTP/1.1"),             "GET /a HTTP/1.1 | host: h"),
        passed(line("GET http://h HTTP/1.1"),                "GET / HTTP/1.1 | host: h"),
        refused(line("CONNECT h:443 HTTP/1.1"),              405, "method_never_served"),
        refused(line("GET h:443 HTTP/1.1"),                  400, "bad_target"),
        refused(line("OPTIONS * HTTP/1.1"),                  400, "bad_target"),
        refused(line("GET * HTTP/1.1"),                      400, "bad_target"),
        refused(line("GET http://h?b HTTP/1.1"),             400, "bad_target"),
        refused(line("GET http:/h/a HTTP/1.1"),              400, "bad_target"),
        refused(line("GET http:h HTTP/1.1"),                 400, "bad_target"),
        refused(line("GET ://h/a HTTP/1.1"),                 400, "bad_target"),
        refused(line("GET ftp://h/a HTTP/1.1"),              400, "bad_target"),
        refused(line("GET ws://h/a HTTP/1.1"),               400, "bad_target"),
        refused(line("GET file:///etc/passwd HTTP/1.1"),     400, "bad_target"),
        refused(line("GET a HTTP/1.1"),                      400, "bad_target"),
        refused(line("GET ?a HTTP/1.1"),                     400, "bad_target"),
        refused(line("GET \\a HTTP/1.1"),                    400, "bad_target"),
        refused(line("GET /a#b HTTP/1.1"),                   400, "bad_target"),
        refused(line("GET /a?b#c HTTP/1.1"),                 400, "bad_target"),
        refused(line("GET /a?b c HTTP/1.1"),                 400, "bad_target"),
        refused(line("GET /a?b\tc HTTP/1.1"),                400, "bad_target"),
        refused(line("GET /a?b\0c HTTP/1.1"),                400, "bad_target"),
        refused(line("GET /a?\u{e9} HTTP/1.1"),              400, "bad_target"),
        // What is escaped in a query is the service's to read.
        passed(line("GET /a?%0d%0aX:%20y HTTP/1.1"),         "GET /a?%0d%0aX:%20y HTTP/1.1 | host: h"),
        passed(line("GET /a?/../b//c;d?e HTTP/1.1"),         "GET /a?/../b//c;d?e HTTP/1.1 | host: h"),
        passed(line("GET /a? HTTP/1.1"),                     "GET /a? HTTP/1.1 | host: h"),
    ]
}

#[tokio::test]
async fn a_request_line_has_three_words_and_two_blanks() {
    run(lines()).await;
}

#[tokio::test]
async fn two_versions_are_spoken() {
    run(versions()).await;
}

#[tokio::test]
async fn a_target_is_a_path_or_an_absolute_uri() {
    run(targets()).await;
}
