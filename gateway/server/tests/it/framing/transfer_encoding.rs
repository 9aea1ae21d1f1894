//! RFC 9112 §6.1: `Transfer-Encoding: chunked` alone, in HTTP/1.1 alone, without a length.
//!
//! The spellings below are those by which one of two servers was ever made to overlook the field.

use super::case::{Case, passed, refused, run};
use super::{chunked, post};

/// A body that ends early for who reads chunks, and holds a request for who does not.
const BODY: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

fn carried(field: &str) -> Case {
    let seen = "POST /a HTTP/1.1 | host: h | transfer-encoding: chunked => hi";
    passed(post(field, "2\r\nhi\r\n0\r\n\r\n"), seen)
}

/// The field is seen, and is not what it must be.
fn ambiguous(fields: impl AsRef<[u8]>) -> Case {
    refused(post(fields, BODY), 400, "bad_framing")
}

/// The line is no field at all.
fn malformed(fields: impl AsRef<[u8]>) -> Case {
    refused(post(fields, BODY), 400, "bad_head")
}

#[rustfmt::skip]
fn sound() -> Vec<Case> {
    vec![
        carried("Transfer-Encoding: chunked"),
        carried("Transfer-Encoding:chunked"),
        carried("transfer-ENCODING: CHUNKED"),
        carried("Transfer-Encoding: cHuNkEd"),
        carried("Transfer-Encoding: \t chunked \t "),
    ]
}

#[rustfmt::skip]
fn values() -> Vec<Case> {
    vec![
        ambiguous("Transfer-Encoding:"),
        ambiguous("Transfer-Encoding: xchunked"),
        ambiguous("Transfer-Encoding: chunkedx"),
        ambiguous("Transfer-Encoding: chunk"),
        ambiguous("Transfer-Encoding: chunked,"),
        ambiguous("Transfer-Encoding: ,chunked"),
        ambiguous("Transfer-Encoding: , chunked"),
        ambiguous("Transfer-Encoding: chunked, chunked"),
        ambiguous("Transfer-Encoding: chunked,identity"),
        ambiguous("Transfer-Encoding: chunked, identity"),
        ambiguous("Transfer-Encoding: identity, chunked"),
        ambiguous("Transfer-Encoding: identity"),
        ambiguous("Transfer-Encoding: gzip"),
        ambiguous("Transfer-Encoding: gzip, chunked"),
        ambiguous("Transfer-Encoding: chunked, gzip"),
        ambiguous("Transfer-Encoding: compress, deflate"),
        ambiguous("Transfer-Encoding: trailers, chunked"),
        ambiguous("Transfer-Encoding: chunked;q=1"),
        ambiguous("Transfer-Encoding: chunked; x=y"),
        ambiguous("Transfer-Encoding: chunked;"),
        ambiguous("Transfer-Encoding: x chunked"),
        ambiguous("Transfer-Encoding: chunked x"),
        ambiguous("Transfer-Encoding: \"chunked\""),
        ambiguous("Transfer-Encoding: 'chunked'"),
        ambiguous("Transfer-Encoding: chun\tked"),
        ambiguous("Transfer-Encoding: chunked\u{a0}"),
        ambiguous("Transfer-Encoding: \u{85}chunked"),
        ambiguous("Transfer-Encoding: \u{feff}chunked"),
        ambiguous(b"Transfer-Encoding: chunked\xff"),
        ambiguous("Transfer-Encoding: ch\u{fc}nked"),
        ambiguous("Transfer-Encoding: \u{441}hunked"),
        // The Kelvin sign becomes `k` to who folds case beyond ASCII.
        ambiguous("Transfer-Encoding: chun\u{212a}ed"),
        ambiguous("Transfer-Encoding: Transfer-Encoding: chunked"),
        ambiguous("Transfer-Encoding: =chunked"),
        ambiguous("Transfer-Encoding: \\chunked"),
        ambiguous("Transfer-Encoding: (chunked)"),
        ambiguous("Transfer-Encoding: null"),
        malformed("Transfer-Encoding: \u{b}chunked"),
        malformed("Transfer-Encoding: chunked\u{b}"),
        malformed("Transfer-Encoding: chunked\u{c}"),
        malformed("Transfer-Encoding: \u{8}chunked"),
        malformed("Transfer-Encoding: chunked\0"),
        malformed("Transfer-Encoding: chunked\r"),
        malformed("Transfer-Encoding: \rchunked"),
        malformed("Transfer-Encoding: \nchunked"),
        malformed("Transfer-Encoding: chunked\u{7f}"),
    ]
}

#[rustfmt::skip]
fn names_and_places() -> Vec<Case> {
    vec![
        malformed("Transfer-Encoding : chunked"),
        malformed("Transfer-Encoding\t: chunked"),
        malformed("Transfer-Encoding\u{b}: chunked"),
        malformed("Transfer-Encoding\0: chunked"),
        malformed("Transfer Encoding: chunked"),
        malformed(" Transfer-Encoding: chunked"),
        malformed("\tTransfer-Encoding: chunked"),
        malformed("\u{b}Transfer-Encoding: chunked"),
        malformed("\rTransfer-Encoding: chunked"),
        ambiguous("Transfer-Encoding:\r\n chunked"),
        ambiguous("Transfer-Encoding:\r\n\tchunked"),
        ambiguous("Transfer-Encoding: identity\r\n , chunked"),
        malformed("Transfer-Encoding\r\n: chunked"),
        malformed("Transfer-Encoding"),
        malformed("X: y\r\n Transfer-Encoding: chunked"),
        malformed("X: y\rTransfer-Encoding: chunked"),
        malformed("X: y\nTransfer-Encoding: chunked"),
        malformed("\"Transfer-Encoding\": chunked"),
        malformed("Transfer-Encoding; chunked"),
        malformed("Transfer-Enc\u{f6}ding: chunked"),
        ambiguous("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ambiguous("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ambiguous("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
        ambiguous("Transfer-Encoding: chunked\r\nTransfer-Encoding: x"),
        ambiguous("Transfer-Encoding: x\r\ntransfer-encoding: chunked"),
        ambiguous("Transfer-Encoding: chunked\r\nTransfer-Encoding:"),
        ambiguous("Transfer-Encoding:\r\nTransfer-Encoding: chunked"),
        ambiguous("Transfer-Encoding: chunked\r\nX: y\r\nTransfer-Encoding: cow"),
    ]
}

#[rustfmt::skip]
fn with_a_length() -> Vec<Case> {
    vec![
        ambiguous("Content-Length: 42\r\nTransfer-Encoding: chunked"),
        ambiguous("Transfer-Encoding: chunked\r\nContent-Length: 42"),
        ambiguous("Transfer-Encoding: chunked\r\nContent-Length: 5"),
        ambiguous("Transfer-Encoding: chunked\r\nContent-Length: 0"),
        ambiguous("Content-Length: 0\r\nX: y\r\nTransfer-Encoding: chunked"),
        ambiguous("Content-Length: 5\r\nTransfer-Encoding: identity"),
        ambiguous("Content-Length: 5\r\nTransfer-Encoding: xchunked"),
        ambiguous("Content-Length: x\r\nTransfer-Encoding: chunked"),
        ambiguous("Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 6"),
        malformed("Content-Length: 5\r\nTransfer-Encoding : chunked"),
        malformed("Content-Length: 5\r\n Transfer-Encoding: chunked"),
        malformed("Content-Length: 5\r\nTransfer-Encoding: \u{b}chunked"),
        // Naming either in `Connection` takes nothing from the conflict.
        ambiguous("Connection: Content-Length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked"),
        ambiguous("Connection: Transfer-Encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked"),
    ]
}

#[rustfmt::skip]
fn in_the_old_version() -> Vec<Case> {
    let old = |fields: &str| format!("POST /a HTTP/1.0\r\nHost: h\r\n{fields}\r\n\r\n{BODY}");
    vec![
        refused(old("Transfer-Encoding: chunked"),                          400, "bad_framing"),
        refused(old("Connection: keep-alive\r\nTransfer-Encoding: chunked"), 400, "bad_framing"),
        refused(old("Transfer-Encoding: identity"),                         400, "bad_framing"),
        refused(old("Content-Length: 5\r\nTransfer-Encoding: chunked"),     400, "bad_framing"),
        refused(old("Content-Length: 5\r\nContent-Length: 6"),              400, "bad_framing"),
    ]
}

#[tokio::test]
async fn chunked_is_understood_in_every_spelling_that_is_the_same_word() {
    run(sound()).await;
}

#[tokio::test]
async fn an_encoding_other_than_chunked_is_refused() {
    run(values()).await;
}

#[tokio::test]
async fn an_encoding_that_one_reader_could_overlook_is_refused() {
    run(names_and_places()).await;
}

#[tokio::test]
async fn an_encoding_beside_a_length_is_refused() {
    run(with_a_length()).await;
}

#[tokio::test]
async fn the_old_version_has_no_encoding() {
    run(in_the_old_version()).await;
}

/// Two requests of which each hides the other to a reader that takes the other framing.
#[tokio::test]
async fn requests_that_are_sound_hide_nothing() {
    let seen = "POST /a HTTP/1.1 | host: h | transfer-encoding: chunked => ";
    let body = "GET /smuggled HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n";
    let told = body.as_bytes().escape_ascii();
    let case = passed(chunked("0\r\n\r\n"), seen.trim_end_matches(" => ")).then(passed(
        chunked(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
        &format!("{seen}{told}"),
    ));
    run([case]).await;
}
