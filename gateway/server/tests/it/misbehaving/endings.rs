//! A service that leaves or falls silent, at every stage of an answer.

use super::case::{Case, broken, cut, late, run};
use super::service::{When, closes, drips, resets, says};

#[rustfmt::skip]
fn leaves() -> Vec<Case> {
    vec![
        broken(closes("")),
        broken(resets("")),
        broken(closes("H")),
        broken(resets("H")),
        broken(closes("HTTP/1.1 200 OK")),
        broken(closes("HTTP/1.1 200 OK\r\n")),
        broken(resets("HTTP/1.1 200 OK\r\n")),
        broken(closes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n")),
        broken(closes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r")),
        broken(closes("HTTP/1.1 103 Early Hints\r\n\r\n")).after(&["103"]),
        broken(closes("").at(When::HeadRead)),
        broken(resets("").at(When::HeadRead)),
        broken(closes("HTTP/1.1 200").at(When::HeadRead)),
    ]
}

#[rustfmt::skip]
fn leaves_in_a_body() -> Vec<Case> {
    vec![
        cut(closes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")),
        cut(closes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngo")),
        cut(resets("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngo")),
        cut(closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")),
        cut(closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngo")),
        cut(resets("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngo")),
        cut(closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n")),
        cut(closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n")),
        cut(closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nX: y\r\n")),
        // A reset is no end of an answer that ends with its connection.
        cut(resets("HTTP/1.1 200 OK\r\n\r\ngo")),
    ]
}

#[rustfmt::skip]
fn falls_silent() -> Vec<Case> {
    vec![
        late(says("")),
        late(says("HTTP/1.1 200 OK\r\nContent-Le")),
        late(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n")),
        late(says("HTTP/1.1 103 Early Hints\r\n\r\n")).after(&["103"]),
        cut(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngo")),
        cut(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n")),
        cut(says("HTTP/1.1 200 OK\r\n\r\ngo")),
    ]
}

/// The deadline is for the whole exchange, however often a byte of it comes.
#[rustfmt::skip]
fn drips_on() -> Vec<Case> {
    vec![
        late(drips("HTTP/1.1 200 OK\r\nX: ", "y")),
        late(drips("HTTP/1.1 200 OK\r\n", "X: y\r\n")),
        cut(drips("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "x")),
        cut(drips("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n")),
        cut(drips("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x")),
        cut(drips("HTTP/1.1 200 OK\r\n\r\n", "x")),
    ]
}

#[tokio::test]
async fn a_service_that_leaves_before_its_answer_is_a_502() {
    run(leaves()).await;
}

#[tokio::test]
async fn a_service_that_leaves_within_its_answer_is_a_reset() {
    run(leaves_in_a_body()).await;
}

#[tokio::test]
async fn a_service_that_falls_silent_is_a_504_or_a_reset() {
    run(falls_silent()).await;
}

#[tokio::test]
async fn a_service_that_drips_is_cut_at_the_same_deadline() {
    run(drips_on()).await;
}
