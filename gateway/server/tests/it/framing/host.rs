//! RFC 9110 §7.2: one host, in one spelling, wherever it is written.

use super::case::{Case, passed, refused, run};

fn with(host_lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /a HTTP/1.1\r\n", host_lines.as_ref(), b"\r\n\r\n"].concat()
}

fn host(value: impl AsRef<[u8]>) -> Vec<u8> {
    with([b"Host: ", value.as_ref()].concat())
}

fn absolute(authority: &str, host: &str) -> String {
    format!("GET http://{authority}/a HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn seen(host: &str) -> String {
    format!("GET /a HTTP/1.1 | host: {host}")
}

#[rustfmt::skip]
fn spellings() -> Vec<Case> {
    vec![
        passed(host("Pay.Example.COM"),               &seen("pay.example.com")),
        passed(host("pay.example."),                  &seen("pay.example")),
        passed(host("pay.example:8443"),              &seen("pay.example:8443")),
        passed(host("h:080"),                         &seen("h:80")),
        passed(host("127.0.0.1"),                     &seen("127.0.0.1")),
        passed(host("127.0.0.1:80"),                  &seen("127.0.0.1:80")),
        passed(host("[::1]"),                         &seen("[::1]")),
        passed(host("[0:0:0:0:0:0:0:1]:80"),          &seen("[::1]:80")),
        passed(host("\t h \t"),                       &seen("h")),
        passed(with("hOsT:h"),                        &seen("h")),
        passed(host("a_b-c.internal"),                &seen("a_b-c.internal")),
        passed(host("xn--bcher-kva.example"),         &seen("xn--bcher-kva.example")),
    ]
}

#[rustfmt::skip]
fn refusals() -> Vec<Case> {
    vec![
        refused(with("X: y"),                         400, "bad_host"),
        refused(host(""),                             400, "bad_host"),
        refused(with("Host: h\r\nHost: h"),           400, "bad_host"),
        refused(with("Host: h\r\nhost: other"),       400, "bad_host"),
        refused(with("Host: h\r\nX: y\r\nHOST:"),     400, "bad_host"),
        refused(with("Host : h"),                     400, "bad_head"),
        refused(with(" Host: h"),                     400, "bad_head"),
        refused(with("Host: h\r\n other"),            400, "bad_head"),
        refused(with("Host: h\r\n Host: other"),      400, "bad_head"),
        refused(with("Host\0: h"),                    400, "bad_head"),
        refused(with("Host; h"),                      400, "bad_head"),
        refused(host("h, other"),                     400, "bad_host"),
        refused(host("h other"),                      400, "bad_host"),
        refused(host("h\tother"),                     400, "bad_host"),
        refused(host("user@h"),                       400, "bad_host"),
        refused(host("user:pass@h"),                  400, "bad_host"),
        refused(host("h/a"),                          400, "bad_host"),
        refused(host("h?a"),                          400, "bad_host"),
        refused(host("h#a"),                          400, "bad_host"),
        refused(host("h\\a"),                         400, "bad_host"),
        refused(host("http://h"),                     400, "bad_host"),
        refused(host("%68"),                          400, "bad_host"),
        refused(host("b\u{fc}cher.example"),          400, "bad_host"),
        refused(host(b"h\xff"),                       400, "bad_host"),
        refused(host("h\0"),                          400, "bad_head"),
        refused(host("*"),                            400, "bad_host"),
        refused(host("."),                            400, "bad_host"),
        refused(host(".h"),                           400, "bad_host"),
        refused(host("h.."),                          400, "bad_host"),
        refused(host("a..b"),                         400, "bad_host"),
        refused(host(":80"),                          400, "bad_host"),
        refused(host("h:"),                           400, "bad_host"),
        refused(host("h:x"),                          400, "bad_host"),
        refused(host("h:+80"),                        400, "bad_host"),
        refused(host("h:-1"),                         400, "bad_host"),
        refused(host("h: 80"),                        400, "bad_host"),
        refused(host("h:65536"),                      400, "bad_host"),
        refused(host("h:80:80"),                      400, "bad_host"),
        refused(host("h:80@other"),                   400, "bad_host"),
        // One address to some resolvers, a name to others.
        refused(host("127.1"),                        400, "bad_host"),
        refused(host("2130706433"),                   400, "bad_host"),
        refused(host("0x7f.0.0.1"),                   400, "bad_host"),
        refused(host("0177.0.0.1"),                   400, "bad_host"),
        refused(host("127.0.0.256"),                  400, "bad_host"),
        refused(host("127.0.0.0x1"),                  400, "bad_host"),
        refused(host("::1"),                          400, "bad_host"),
        refused(host("[::1"),                         400, "bad_host"),
        refused(host("[::1]x"),                       400, "bad_host"),
        refused(host("[::1]]"),                       400, "bad_host"),
        refused(host("[h]"),                          400, "bad_host"),
        refused(host("[]"),                           400, "bad_host"),
        refused(host("[fe80::1%25eth0]"),             400, "bad_host"),
        refused(host("[v1.x]"),                       400, "bad_host"),
        refused(host("a".repeat(64)),                 400, "bad_host"),
        refused(host("a.".repeat(128)),               400, "bad_host"),
    ]
}

#[rustfmt::skip]
fn authorities() -> Vec<Case> {
    vec![
        passed(absolute("h", "h"),                    &seen("h")),
        passed(absolute("H.", "h"),                   &seen("h")),
        passed(absolute("h:80", "h:80"),              &seen("h:80")),
        passed(absolute("[::1]", "[0::1]"),           &seen("[::1]")),
        // A default port is not the same as none: what the service is told must be what was meant.
        refused(absolute("h:80", "h"),                400, "bad_host"),
        refused(absolute("h", "h:80"),                400, "bad_host"),
        refused(absolute("h", "other"),               400, "bad_host"),
        refused(absolute("h:80", "h:81"),             400, "bad_host"),
        refused(absolute("h", ""),                    400, "bad_host"),
        refused(absolute("", "h"),                    400, "bad_host"),
        refused(absolute("user@h", "h"),              400, "bad_host"),
        refused(absolute("h:x", "h"),                 400, "bad_host"),
        refused(absolute("h#@other", "h"),            400, "bad_host"),
        refused(absolute("h\\@other", "h"),           400, "bad_host"),
        refused("GET http://h/a HTTP/1.1\r\n\r\n",    400, "bad_host"),
    ]
}

#[tokio::test]
async fn a_host_reaches_the_service_in_one_spelling() {
    run(spellings()).await;
}

#[tokio::test]
async fn a_host_that_may_mean_two_is_refused() {
    run(refusals()).await;
}

#[tokio::test]
async fn the_authority_of_a_target_agrees_with_the_host() {
    run(authorities()).await;
}
