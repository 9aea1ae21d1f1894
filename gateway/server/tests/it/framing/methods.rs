//! RFC 9110 §9: which methods are carried, with a body and without.

use super::case::{Bench, Case, passed, refused};
use super::line;

fn bodiless(method: &str) -> Case {
    let request_line = format!("{method} /a HTTP/1.1");
    passed(line(&request_line), &format!("{request_line} | host: h"))
}

fn with_length(method: &str) -> Case {
    let bytes = format!("{method} /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    passed(
        bytes,
        &format!("{method} /a HTTP/1.1 | host: h | content-length: 5 => hello"),
    )
}

fn with_chunks(method: &str) -> Case {
    let head = format!("{method} /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    passed(
        format!("{head}5\r\nhello\r\n0\r\n\r\n"),
        &format!("{method} /a HTTP/1.1 | host: h | transfer-encoding: chunked => hello"),
    )
}

#[rustfmt::skip]
fn refusals() -> Vec<Case> {
    vec![
        refused(line("CONNECT /a HTTP/1.1"),   405, "method_never_served"),
        refused(line("CONNECT h:80 HTTP/1.1"), 405, "method_never_served"),
        refused(line("TRACE /a HTTP/1.1"),     405, "method_never_served"),
        refused(line("G(T /a HTTP/1.1"),       400, "bad_head"),
        refused(line("G\u{1}T /a HTTP/1.1"),   400, "bad_head"),
        refused(line("GET: /a HTTP/1.1"),      400, "bad_head"),
        refused(line("GET, /a HTTP/1.1"),      400, "bad_head"),
        refused(line("\"GET\" /a HTTP/1.1"),   400, "bad_head"),
        refused(line("GE/T /a HTTP/1.1"),      400, "bad_head"),
        refused(line("{} /a HTTP/1.1"),        400, "bad_head"),
    ]
}

#[tokio::test]
async fn every_method_but_two_is_carried_as_it_is_spelled() {
    // Methods are case-sensitive: `get` is not `GET`, and for the service to know.
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "M-SEARCH", "get", "G",
    ];
    Bench::start().await.run(methods.map(bodiless)).await;
    Bench::start().await.run(refusals()).await;
}

#[tokio::test]
async fn every_method_may_bring_a_body() {
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW",
    ];
    Bench::start().await.run(methods.map(with_length)).await;
    Bench::start().await.run(methods.map(with_chunks)).await;
}
