//! RFC 9112 §5: `name: value`, one line each, ended by CRLF.

use super::case::{Case, passed, refused, run};
use super::get;

fn carried(field: &str, seen: &str) -> Case {
    passed(get(field), &format!("GET /a HTTP/1.1 | host: h | {seen}"))
}

fn malformed(field: impl AsRef<[u8]>) -> Case {
    refused(get(field), 400, "bad_head")
}

#[rustfmt::skip]
fn sound() -> Vec<Case> {
    vec![
        carried("X-A: b",                           "x-a: b"),
        carried("X-A:b",                            "x-a: b"),
        carried("X-A: \t b \t ",                    "x-a: b"),
        carried("X-A:",                             "x-a: "),
        carried("X-A: b\tc",                        "x-a: b\\tc"),
        carried("X-A: caf\u{e9}",                   "x-a: caf\\xc3\\xa9"),
        carried("!#$%&'*+-.^_`|~09: b",             "!#$%&\\'*+-.^_`|~09: b"),
        carried("X-A: b\r\nX-A: c",                 "x-a: b | x-a: c"),
        carried("X-A: : b",                         "x-a: : b"),
        carried("X-A: Content-Length: 5",           "x-a: Content-Length: 5"),
        // A service that folds names would take these for framing, so they end here.
        passed(get("Content_Length: 5"),            "GET /a HTTP/1.1 | host: h"),
        passed(get("Transfer_Encoding: chunked"),   "GET /a HTTP/1.1 | host: h"),
        // Not the fields they look like.
        carried("Content-Length-: 5",               "content-length-: 5"),
        carried("X-Transfer-Encoding: chunked",     "x-transfer-encoding: chunked"),
        // To some services it is another request with these.
        passed(get("X-HTTP-Method-Override: DELETE"), "GET /a HTTP/1.1 | host: h"),
        passed(get("X_Original_URL: /b"),           "GET /a HTTP/1.1 | host: h"),
        passed(get("Proxy: http://evil"),           "GET /a HTTP/1.1 | host: h"),
    ]
}

#[rustfmt::skip]
fn refusals() -> Vec<Case> {
    vec![
        malformed("X-A: b\nX-C: d"),
        malformed("X-A: b\n"),
        malformed("X-A: b\n\nGET /smuggled HTTP/1.1"),
        malformed("X-A: b\r\n\n"),
        malformed("\nX-A: b"),
        malformed("X-A: b\rX-C: d"),
        malformed("X-A: b\r"),
        malformed("X-A: b\r\rX-C: d"),
        malformed("\rX-A: b"),
        malformed("X-A: b\0c"),
        malformed("X-A: \0"),
        malformed("X-\0A: b"),
        malformed("X-A: b\u{1}"),
        malformed("X-A: b\u{8}"),
        malformed("X-A: b\u{b}c"),
        malformed("X-A: b\u{c}c"),
        malformed("X-A: b\u{1b}[31m"),
        malformed("X-A: b\u{7f}"),
        malformed("X-A: b\r\n c"),
        malformed("X-A: b\r\n\tc"),
        malformed("X-A: b\r\n \r\nX-C: d"),
        malformed(" X-A: b"),
        malformed("\tX-A: b"),
        malformed("\u{b}X-A: b"),
        malformed("X-A : b"),
        malformed("X-A\t: b"),
        malformed("X-A\u{b}: b"),
        malformed("X A: b"),
        malformed("X-A"),
        malformed(": b"),
        malformed(":"),
        malformed(" : b"),
        malformed("(X): b"),
        malformed("X-A, X-B: c"),
        malformed("X/A: b"),
        malformed("X[A]: b"),
        malformed("X{A}: b"),
        malformed("X\"A\": b"),
        malformed("X=A: b"),
        malformed("X@A: b"),
        malformed("X\u{e9}: b"),
        malformed(b"X\xff: b"),
        malformed("\u{feff}X-A: b"),
        malformed("X-A: b\r\nGET /smuggled HTTP/1.1"),
    ]
}

#[tokio::test]
async fn a_sound_field_is_passed_on_as_it_is() {
    run(sound()).await;
}

#[tokio::test]
async fn a_field_that_two_readers_split_differently_is_refused() {
    run(refusals()).await;
}
