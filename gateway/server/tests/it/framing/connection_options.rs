//! RFC 9110 §7.6.1: what `Connection` may take from a request, and what ends at this hop.

use super::case::{Case, passed, refused, run};
use super::{get, post};

fn carried(fields: &str, seen: &str) -> Case {
    passed(get(fields), &format!("GET /a HTTP/1.1 | host: h{seen}"))
}

#[rustfmt::skip]
fn nominations() -> Vec<Case> {
    vec![
        carried("Connection: X-A\r\nX-A: b\r\nX-C: d",                     " | x-c: d"),
        carried("X-A: b\r\nConnection: x-a",                               ""),
        carried("Connection: X-A\r\nConnection: X-C\r\nX-A: b\r\nX-C: d",   ""),
        carried("Connection: , ,X-A,,\r\nX-A: b",                          ""),
        carried("Connection:\r\nX-A: b",                                   " | x-a: b"),
        carried("Connection: a,b,c,d,e,f,g,h,i",                           ""),
        refused(get("Connection: a,b,c,d,e,f,g,h,i,j"),                    400, "bad_head"),
        refused(get("Connection: X A"),                                    400, "bad_head"),
        refused(get("Connection: X-A; X-B"),                               400, "bad_head"),
        refused(get("Connection: \"X-A\""),                                400, "bad_head"),
        refused(get("Connection: X\u{e9}"),                                400, "bad_head"),
        refused(get(b"Connection: X\xff"),                                 400, "bad_head"),
        // What the gateway itself writes cannot be nominated away.
        carried("Connection: Host",                                        ""),
        carried("Connection: X-Request-Id, Traceparent, X-Forwarded-Proto", ""),
        carried("Connection: X-Forwarded-For\r\nX-Forwarded-For: 10.0.0.1", ""),
        passed(post("Connection: Content-Length\r\nContent-Length: 5", "hello"), "POST /a HTTP/1.1 | host: h | content-length: 5 => hello"),
        passed(post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"), "POST /a HTTP/1.1 | host: h | transfer-encoding: chunked => hi"),
    ]
}

#[rustfmt::skip]
fn hop_by_hop() -> Vec<Case> {
    vec![
        carried("Keep-Alive: timeout=5, max=100",                          ""),
        carried("TE: trailers",                                            ""),
        carried("Connection: TE\r\nTE: trailers, chunked",                 ""),
        carried("Trailer: X-A",                                            ""),
        carried("Proxy-Connection: close",                                 ""),
        carried("Proxy-Authorization: Basic eDp5",                         ""),
        carried("Proxy-Authenticate: Basic",                               ""),
        carried("Upgrade: websocket",                                      ""),
        carried("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13", " | sec-websocket-version: 13"),
        carried("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", ""),
        carried("Upgrade: TLS/1.3, HTTP/1.1\r\nConnection: upgrade",       ""),
    ]
}

#[rustfmt::skip]
fn claims() -> Vec<Case> {
    vec![
        carried("X-Forwarded-For: 10.0.0.1",                               ""),
        carried("X-Forwarded-For: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2",  ""),
        carried("X-Forwarded-Proto: https",                                ""),
        carried("X-Forwarded-Host: other\r\nX-Forwarded-Port: 1",          ""),
        carried("Forwarded: for=10.0.0.1;host=other",                      ""),
        carried("X-Real-IP: 10.0.0.1",                                     ""),
        carried("Via: 1.1 other",                                          ""),
        carried("X-Request-Id: mine",                                      ""),
        carried("Authorization: Bearer t",                                 " | authorization: Bearer t"),
        carried("Cookie: a=b\r\nCookie: c=d",                              " | cookie: a=b | cookie: c=d"),
    ]
}

#[rustfmt::skip]
fn persistence() -> Vec<Case> {
    let old = |fields: &str| format!("GET /a HTTP/1.0\r\nHost: h\r\n{fields}\r\n\r\n");
    let old_seen = "GET /a HTTP/1.1 | host: h";
    vec![
        carried("Connection: keep-alive",                                  ""),
        carried("Connection: close", "").last(),
        carried("Connection: CLOSE", "").last(),
        carried("Connection: keep-alive, close", "").last(),
        carried("Connection: close, keep-alive", "").last(),
        carried("Connection: X-A\r\nConnection: close\r\nX-A: b", "").last(),
        carried("Connection: closed",                                      ""),
        carried("Connection: not-close",                                   ""),
        passed(old("Connection: keep-alive"),                              old_seen),
        passed(old("Connection: Keep-Alive, X-A\r\nX-A: b"),               old_seen),
        passed(old("Connection: keep-alive, close"),                       old_seen).last(),
        passed(old("Keep-Alive: timeout=5"),                               old_seen).last(),
        passed(old("Proxy-Connection: keep-alive"),                        old_seen).last(),
        passed("POST /a HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "POST /a HTTP/1.1 | host: h | content-length: 5 => hello").last(),
        passed("POST /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", "POST /a HTTP/1.1 | host: h | content-length: 5 => hello"),
    ]
}

#[tokio::test]
async fn a_nominated_field_ends_here_and_ours_does_not() {
    run(nominations()).await;
}

#[tokio::test]
async fn fields_of_one_hop_are_not_passed_on() {
    run(hop_by_hop()).await;
}

#[tokio::test]
async fn what_a_stranger_claims_of_itself_is_not_passed_on() {
    run(claims()).await;
}

#[tokio::test]
async fn a_connection_goes_on_as_the_client_asked() {
    run(persistence()).await;
}
