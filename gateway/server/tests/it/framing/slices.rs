//! Where a request is cut on its way changes nothing of what it means.

use super::case::{Case, passed, refused, run_halved};
use super::{chunked, get, post};

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let head = "POST /a HTTP/1.1 | host: h | transfer-encoding: chunked";
    vec![
        passed(get("X-A: b"),                                       "GET /a HTTP/1.1 | host: h | x-a: b"),
        passed(post("Content-Length: 5", "hello"),                  "POST /a HTTP/1.1 | host: h | content-length: 5 => hello"),
        passed(chunked("3;x\r\nhel\r\n2\r\nlo\r\n0\r\nT: u\r\n\r\n"), &format!("{head} => hello")),
        passed(post("Content-Length: 2", "hi"),                     "POST /a HTTP/1.1 | host: h | content-length: 2 => hi")
            .then(passed(chunked("2\r\nhi\r\n0\r\n\r\n"),           &format!("{head} => hi")))
            .then(passed(get("Connection: close"),                  "GET /a HTTP/1.1 | host: h").last()),
        refused(post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400, "bad_framing"),
        refused(get("X-A: b\nX-C: d"),                              400, "bad_head"),
    ]
}

#[tokio::test]
async fn a_request_cut_in_two_anywhere_ends_as_if_it_were_whole() {
    run_halved(cases()).await;
}
