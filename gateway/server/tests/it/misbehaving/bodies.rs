//! Bodies that end elsewhere than their head says.

use super::case::{Case, cut, run, run_also_slowly, sound, told};
use super::service::says;

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    [head, body.as_ref()].concat()
}

#[rustfmt::skip]
fn broken_chunks() -> Vec<Case> {
    vec![
        cut(says(chunked("x\r\n"))),
        // No size at all is a last chunk to pingora.
        cut(says(chunked("\r\n4\r\ngood\r\n0\r\n\r\n"))).to("GET"),
        cut(says(chunked("+4\r\ngood\r\n0\r\n\r\n"))),
        cut(says(chunked("-4\r\ngood\r\n0\r\n\r\n"))),
        cut(says(chunked("0x4\r\ngood\r\n0\r\n\r\n"))),
        cut(says(chunked("4\ngood\r\n0\r\n\r\n"))),
        cut(says(chunked("4\r\ngood0\r\n\r\n"))),
        cut(says(chunked("4\r\ngood!\r\n0\r\n\r\n"))),
        cut(says(chunked("4\r\ngood\n0\r\n\r\n"))),
        cut(says(chunked("4\r\ngood\r\nx\r\n"))),
        cut(says(chunked("10000000000000000\r\ngood\r\n0\r\n\r\n"))),
        cut(says(chunked("ffffffffffffffff\r\ngood\r\n0\r\n\r\n"))),
    ]
}

#[rustfmt::skip]
fn lenient_chunks() -> Vec<Case> {
    vec![
        sound(says(chunked("0\r\n\r\n")),                      "200"),
        sound(says(chunked("0004;x=y\r\ngood\r\n0\r\n\r\n")),  "200 good"),
        sound(says(chunked("2\r\ngo\r\n2\r\nod\r\n0;z\r\n\r\n")), "200 good"),
    ]
}

/// What follows an answer belongs to nobody: it is not passed on, and nobody hears it next.
#[rustfmt::skip]
fn surplus() -> Vec<Case> {
    let stolen = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
    let behind = |answer: &str| says(format!("{answer}{stolen}"));
    vec![
        told(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood!"),   "200 good"),
        told(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood\r\n"), "200 good"),
        told(behind("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"),  "200 good"),
        told(behind("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),      "200"),
        told(behind("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"), "200 good"),
        told(behind("HTTP/1.1 204 No Content\r\n\r\n"),                   "204"),
        told(behind("HTTP/1.1 304 Not Modified\r\n\r\n"),                 "304"),
    ]
}

/// RFC 9112 §6.3: these have no body, whatever their fields say.
#[rustfmt::skip]
fn bodiless() -> Vec<Case> {
    vec![
        sound(says("HTTP/1.1 204 No Content\r\n\r\n"),                              "204"),
        sound(says("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),       "304"),
        sound(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),                 "200").to("HEAD"),
        sound(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),        "200").to("HEAD"),
        sound(says("HTTP/1.1 200 OK\r\n\r\n"),                                      "200").to("HEAD"),
        sound(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),                 "200"),
        told(says("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\ngood"),      "204"),
        told(says("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\ngood"),    "304"),
        told(says("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"), "204"),
        told(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"),              "200").to("HEAD"),
        told(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"), "200").to("HEAD"),
    ]
}

#[tokio::test]
async fn a_chunk_that_is_not_one_cuts_the_answer() {
    run_also_slowly(broken_chunks()).await;
}

#[tokio::test]
async fn chunks_are_passed_on_in_every_sound_spelling() {
    run_also_slowly(lenient_chunks()).await;
}

#[tokio::test]
async fn bytes_behind_an_answer_reach_nobody() {
    run(surplus()).await;
}

#[tokio::test]
async fn an_answer_without_a_body_has_none() {
    run(bodiless()).await;
}
