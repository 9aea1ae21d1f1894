//! RFC 9112 §7.1: sizes in hex digits, lines ended by CRLF, short extensions, bounded trailers.

use super::case::{Case, abandoned_body, passed, refused, run};
use super::chunked;

const HEAD: &str = "POST /a HTTP/1.1 | host: h | transfer-encoding: chunked";

/// The service sees these bytes as a body framed anew.
fn carried(body: impl AsRef<[u8]>, data: &str) -> Case {
    let seen = if data.is_empty() {
        HEAD.to_owned()
    } else {
        format!("{HEAD} => {data}")
    };
    passed(chunked(body), &seen)
}

/// The first chunk is wrong already.
fn malformed(body: impl AsRef<[u8]>) -> Case {
    refused(chunked(body), 400, "bad_body").cut(HEAD)
}

#[rustfmt::skip]
fn sound() -> Vec<Case> {
    let long = "x".repeat(0x1000);
    vec![
        carried("0\r\n\r\n",                                   ""),
        carried("5\r\nhello\r\n0\r\n\r\n",                     "hello"),
        carried("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",            "hello"),
        carried("A\r\n0123456789\r\n0\r\n\r\n",                "0123456789"),
        carried("a\r\n0123456789\r\n0\r\n\r\n",                "0123456789"),
        carried("000005\r\nhello\r\n000\r\n\r\n",              "hello"),
        carried("000000000000005\r\nhello\r\n0\r\n\r\n",       "hello"),
        carried(format!("1000\r\n{long}\r\n0\r\n\r\n"),        "4096 bytes"),
        // Extensions end at this hop: RFC 9112 §7.1.1.
        carried("5;x\r\nhello\r\n0\r\n\r\n",                   "hello"),
        carried("5;x=y\r\nhello\r\n0;z\r\n\r\n",               "hello"),
        carried("5;x=\"y\"\r\nhello\r\n0\r\n\r\n",             "hello"),
        carried("5;\r\nhello\r\n0\r\n\r\n",                    "hello"),
        carried(format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(255)), "hello"),
        // Data that looks like an end, a chunk or a request is data.
        carried("5\r\n0\r\n\r\n\r\n0\r\n\r\n",                 "0\\r\\n\\r\\n"),
        carried("23\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n\r\n0\r\n\r\n", "GET /smuggled HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n"),
    ]
}

/// Trailers are read and dropped, whatever they claim: RFC 9110 §6.5.1 lets none of these change a
/// message that was judged.
#[rustfmt::skip]
fn trailers() -> Vec<Case> {
    let with = |trailers: &str| carried(format!("2\r\nhi\r\n0\r\n{trailers}\r\n\r\n"), "hi");
    vec![
        with("Digest: abc"),
        with("X-A: b\r\nX-C: d"),
        with("Content-Length: 100"),
        with("Transfer-Encoding: identity"),
        with("Host: other"),
        with("Authorization: Bearer stolen"),
        with("X-Forwarded-For: 10.0.0.1"),
        with("Connection: close"),
        with("GET /smuggled HTTP/1.1\r\nHost: h"),
        with(&"t".repeat(16 * 1024)),
        malformed_late("0\r\nX: y\n\r\n"),
        malformed_late("0\r\nX: y\rZ\r\n\r\n"),
        malformed_late("0\r\nX: \0\r\n\r\n"),
        malformed_late("0\r\n\n"),
        malformed_late("0\r\n\r\r\n"),
        malformed_late(format!("0\r\n{}\r\n\r\n", "t".repeat(16 * 1024 + 1))),
    ]
}

/// The body breaks where a carrier may have seen a part of it.
fn malformed_late(body: impl AsRef<[u8]>) -> Case {
    malformed(body)
}

#[rustfmt::skip]
fn refusals() -> Vec<Case> {
    vec![
        malformed("\r\n"),
        malformed("\r\n5\r\nhello\r\n0\r\n\r\n"),
        malformed("\n0\r\n\r\n"),
        malformed(" 5\r\nhello\r\n0\r\n\r\n"),
        malformed("\t5\r\nhello\r\n0\r\n\r\n"),
        malformed("5 \r\nhello\r\n0\r\n\r\n"),
        malformed("5\t\r\nhello\r\n0\r\n\r\n"),
        malformed("5 ;x\r\nhello\r\n0\r\n\r\n"),
        malformed("+5\r\nhello\r\n0\r\n\r\n"),
        malformed("-5\r\nhello\r\n0\r\n\r\n"),
        malformed("-1\r\n0\r\n\r\n"),
        malformed("0x5\r\nhello\r\n0\r\n\r\n"),
        malformed("0X5\r\nhello\r\n0\r\n\r\n"),
        malformed("5h\r\nhello\r\n0\r\n\r\n"),
        malformed("5.0\r\nhello\r\n0\r\n\r\n"),
        malformed("5_0\r\nhello\r\n0\r\n\r\n"),
        malformed("5,5\r\nhello\r\n0\r\n\r\n"),
        malformed("\"5\"\r\nhello\r\n0\r\n\r\n"),
        malformed("g\r\nhello\r\n0\r\n\r\n"),
        malformed("\u{665}\r\nhello\r\n0\r\n\r\n"),
        malformed(b"\xff\r\nhello\r\n0\r\n\r\n"),
        malformed(";x\r\nhello\r\n0\r\n\r\n"),
        malformed("\0\r\n\r\n"),
        // Sixteen digits are where sizes begin to overflow in one reader or another.
        malformed("0000000000000005\r\nhello\r\n0\r\n\r\n"),
        malformed("8000000000000000\r\nhello\r\n0\r\n\r\n"),
        malformed("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        malformed("10000000000000000\r\nhello\r\n0\r\n\r\n"),
        malformed("10000000000000005\r\nhello\r\n0\r\n\r\n"),
        malformed("fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        malformed(format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(256))),
        malformed("5\nhello\r\n0\r\n\r\n"),
        malformed("5\rhello\r\n0\r\n\r\n"),
        malformed("5\r\rhello\r\n0\r\n\r\n"),
        malformed("5\u{b}\r\nhello\r\n0\r\n\r\n"),
        malformed("5;x\nhello\r\n0\r\n\r\n"),
        malformed("5;x\rhello\r\n0\r\n\r\n"),
        malformed("5;\u{1}\r\nhello\r\n0\r\n\r\n"),
        malformed("5;\0\r\nhello\r\n0\r\n\r\n"),
        malformed(format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(256))),
        malformed("0\n\n"),
        malformed("0\r\n\rX"),
        malformed("hello"),
    ]
}

#[rustfmt::skip]
fn broken_data() -> Vec<Case> {
    let broken = |body: &str| refused(chunked(body), 400, "bad_body").cut(HEAD);
    vec![
        broken("5\r\nhello0\r\n\r\n"),
        broken("5\r\nhello\n0\r\n\r\n"),
        broken("5\r\nhello\r0\r\n\r\n"),
        broken("5\r\nhello\r\r\n0\r\n\r\n"),
        broken("5\r\nhello!\r\n0\r\n\r\n"),
        broken("5\r\nhell\r\n0\r\n\r\n"),
        broken("5\r\nhelloGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"),
        broken("5\r\nhello\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"),
        broken("5\r\nhello\r\n\r\n0\r\n\r\n"),
    ]
}

#[rustfmt::skip]
fn endings() -> Vec<Case> {
    vec![
        abandoned_body(chunked("")).cut(HEAD),
        abandoned_body(chunked("5")).cut(HEAD),
        abandoned_body(chunked("5\r\n")).cut(HEAD),
        abandoned_body(chunked("5\r\nhel")).cut(HEAD),
        abandoned_body(chunked("5\r\nhello")).cut(HEAD),
        abandoned_body(chunked("5\r\nhello\r\n")).cut(HEAD),
        abandoned_body(chunked("0")).cut(HEAD),
        abandoned_body(chunked("0\r\n")).cut(HEAD),
        abandoned_body(chunked("0\r\n\r")).cut(HEAD),
        abandoned_body(chunked("0\r\nX: y\r\n")).cut(HEAD),
        abandoned_body(chunked("fffffffffffffff\r\nhello")).cut(HEAD),
    ]
}

#[tokio::test]
async fn a_sound_body_is_framed_anew_for_the_service() {
    run(sound()).await;
}

#[tokio::test]
async fn trailers_end_at_the_gateway() {
    run(trailers()).await;
}

#[tokio::test]
async fn a_chunk_line_that_two_readers_size_differently_is_refused() {
    run(refusals()).await;
}

#[tokio::test]
async fn chunk_data_of_another_length_than_announced_is_refused() {
    run(broken_data()).await;
}

#[tokio::test]
async fn a_chunked_body_that_ends_early_is_no_request_to_the_service() {
    run(endings()).await;
}
