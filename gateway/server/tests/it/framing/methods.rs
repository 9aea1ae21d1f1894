//! RFC 9110 §9: which methods are carried, with a body and without.

use super::case::{Case, declined, passed, refused, run, run_with_gets_only};
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
    run(methods.map(bodiless)).await;
    run(refusals()).await;
}

/// RFC 9110 §9.3.2: an answer to `HEAD` has no body, also where the rest of the head is unsound.
#[rustfmt::skip]
fn refusals_of_head() -> Vec<Case> {
    vec![
        declined(line("HEAD /a/b HTTP/1.1"),            404, "no_route").without_body(),
        refused("HEAD /a HTTP/1.1\r\n\r\n",             400, "bad_host").without_body(),
        refused(line("HEAD //a HTTP/1.1"),              400, "bad_target").without_body(),
        refused("HEAD /a HTTP/1.1\nHost: h\r\n\r\n",   400, "bad_head").without_body(),
        refused(line("HEAD /a HTTP/1.1\r\nX"),          400, "bad_head").without_body(),
        refused(line("HEAD /a HTTP/2.0"),               505, "version_not_supported").without_body(),
    ]
}

#[tokio::test]
async fn a_refusal_of_head_has_no_body() {
    run_with_gets_only(refusals_of_head()).await;
}

#[tokio::test]
async fn every_method_may_bring_a_body() {
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW",
    ];
    run(methods.map(with_length)).await;
    run(methods.map(with_chunks)).await;
}
