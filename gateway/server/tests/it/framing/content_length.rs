//! RFC 9110 §8.6: one `Content-Length`, digits alone.

use super::case::{
    Case, abandoned, abandoned_body, declined, passed, refused, run, run_as_in_production,
    run_with_gets_only,
};
use super::post;

/// Behind every refused length lies what would be a request to a reader that took another one.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

fn carried(value: &str, body: &str, seen: &str) -> Case {
    let bytes = post(format!("Content-Length: {value}"), body);
    passed(
        bytes,
        &format!("POST /a HTTP/1.1 | host: h | content-length: {seen}"),
    )
}

fn refused_length(value: impl AsRef<[u8]>) -> Case {
    refused_as(value, "bad_framing")
}

fn refused_as(value: impl AsRef<[u8]>, code: &str) -> Case {
    let field = [b"Content-Length:", value.as_ref()].concat();
    refused(post(field, SMUGGLED), 400, code)
}

#[rustfmt::skip]
fn sound() -> Vec<Case> {
    vec![
        carried("5", "hello",                      "5 => hello"),
        carried("\t5 ", "hello",                   "5 => hello"),
        // Leading zeros are decimal to RFC 9110 and octal to some readers: the service sees none.
        carried("005", "hello",                    "5 => hello"),
        carried("010", "0123456789",               "10 => 0123456789"),
        carried("00000000000000000000000000005", "hello", "5 => hello"),
        carried("0", "",                           "0"),
        carried("00", "",                          "0"),
        carried("4", "\r\n\r\n",                   "4 => \\r\\n\\r\\n"),
        // A body that looks like a request is a body.
        carried("35", SMUGGLED,                    "35 => GET /smuggled HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n"),
        carried("5", "0\r\n\r\n",                  "5 => 0\\r\\n\\r\\n"),
        passed(post("content-LENGTH: 5", "hello"), "POST /a HTTP/1.1 | host: h | content-length: 5 => hello"),
        // Without a length there is no body, and what follows is the next request.
        passed(post("X: y", ""),                   "POST /a HTTP/1.1 | host: h | x: y"),
        carried("0", "", "0").then(refused("hello\r\n\r\n", 400, "bad_head")),
        carried("4", "hell", "4 => hell").then(refused("o\r\n\r\n", 400, "bad_head")),
    ]
}

#[rustfmt::skip]
fn refusals() -> Vec<Case> {
    vec![
        refused_length(""),
        refused_length(" "),
        refused_length("+35"),
        refused_length("-35"),
        refused_length("-0"),
        refused_length("0x23"),
        refused_length("23h"),
        refused_length("35 35"),
        refused_length("3 5"),
        refused_length("3\t5"),
        refused_length("35.0"),
        refused_length("35,"),
        refused_length(",35"),
        refused_length("35, 35"),
        refused_length("35,0"),
        refused_length("0, 35"),
        refused_length("35;x"),
        refused_length("\"35\""),
        refused_length("'35'"),
        refused_length("3_5"),
        refused_length("3e1"),
        refused_length("1e1000"),
        refused_length("NaN"),
        refused_length("none"),
        refused_length("\u{663}\u{665}"),
        refused_length("\u{ff13}\u{ff15}"),
        refused_length("35\u{a0}"),
        refused_length(b"35\xff"),
        refused_length("18446744073709551616"),
        refused_length("18446744073709551651"),
        refused_length("99999999999999999999999999999999"),
        refused_length("-18446744073709551581"),
        refused_as("35\0", "bad_head"),
        refused_as("\u{b}35", "bad_head"),
        refused_as("35\u{c}", "bad_head"),
        refused_as("35\r", "bad_head"),
        refused_as("\n35", "bad_head"),
        refused_length("\r\n 35"),
        refused_as(" 3\r\n 5", "bad_head"),
        // Sound on its own, and far more than the route takes.
        refused_at(413, "18446744073709551615"),
        refused_at(413, "9223372036854775808"),
        refused_at(413, "4294967331"),
        refused_at(413, "1048577"),
    ]
}

fn refused_at(status: u16, value: &str) -> Case {
    refused(
        post(format!("Content-Length: {value}"), SMUGGLED),
        status,
        "body_too_large",
    )
}

#[rustfmt::skip]
fn duplicates() -> Vec<Case> {
    let twice = |first: &str, second: &str| refused(post(format!("{first}\r\n{second}"), SMUGGLED), 400, "bad_framing");
    let malformed = |fields: &str| refused(post(fields, SMUGGLED), 400, "bad_head");
    vec![
        twice("Content-Length: 35", "Content-Length: 35"),
        twice("Content-Length: 35", "Content-Length: 0"),
        twice("Content-Length: 0",  "Content-Length: 35"),
        twice("Content-Length: 0",  "Content-Length: 0"),
        twice("Content-Length: 35", "content-length: 5"),
        twice("Content-Length: 35", "X: y\r\nCONTENT-LENGTH: 35"),
        twice("Content-Length: 35", "Content-Length:"),
        twice("Content-Length:",    "Content-Length: 35"),
        malformed("Content-Length : 35"),
        malformed("Content-Length\t: 35"),
        malformed("Content-Length\0: 35"),
        malformed("Content-Length\u{b}: 35"),
        malformed(" Content-Length: 35"),
        malformed("Content Length: 35"),
        malformed("Content-Length: 0\r\nContent-Length : 35"),
        malformed("Content-Length: 35\r\n Content-Length: 0"),
        malformed("X: y\r\n\tContent-Length: 35"),
    ]
}

#[rustfmt::skip]
fn endings() -> Vec<Case> {
    vec![
        abandoned("POST /a HTTP/1.1\r\nHost: h\r\nContent-Le"),
        abandoned("POST /a HTTP/1.1\r\nHost: h\r\n\r"),
        // A small body is read whole before the service hears of it.
        abandoned_body(post("Content-Length: 5", "")),
        abandoned_body(post("Content-Length: 5", "hell")),
        abandoned_body(post("Content-Length: 20000", "hell")).cut("POST /a HTTP/1.1 | host: h | content-length: 20000"),
    ]
}

#[rustfmt::skip]
fn unwanted_bodies() -> Vec<Case> {
    vec![
        declined(post("Content-Length: 5", "hello"),         405, "method_not_allowed"),
        declined(post("Content-Length: 35", SMUGGLED),       405, "method_not_allowed"),
        declined(post("Content-Length: 0", ""),              405, "method_not_allowed"),
        declined("GET /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", 404, "no_route"),
    ]
}

#[tokio::test]
async fn a_sound_length_frames_a_body_for_both_hops() {
    run(sound()).await;
}

#[tokio::test]
async fn a_length_that_is_not_digits_is_refused() {
    run(refusals()).await;
}

#[tokio::test]
async fn a_length_that_is_there_twice_is_refused() {
    run(duplicates()).await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_request_to_the_service() {
    run_as_in_production(endings()).await;
}

#[tokio::test]
async fn a_body_nobody_wants_is_skipped_and_not_read_as_a_request() {
    run_with_gets_only(unwanted_bodies()).await;
}
