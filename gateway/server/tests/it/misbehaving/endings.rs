//! A service that leaves or falls silent, at every stage of an answer.

use super::case::{
    Case, broken, cut, cut_late, hear_behind_informational, late, run, run_also_slowly,
    run_together,
};
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
        broken(closes("").at(When::Connected)),
        broken(resets("").at(When::Connected)),
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
        cut_late(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngo")),
        cut_late(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n")),
        cut_late(says("HTTP/1.1 200 OK\r\n\r\ngo")),
    ]
}

/// The deadline is for the whole exchange, however often a byte of it comes.
#[rustfmt::skip]
fn drips_on() -> Vec<Case> {
    vec![
        late(drips("HTTP/1.1 200 OK\r\nX: ", "y")),
        late(drips("HTTP/1.1 200 OK\r\n", "X: y\r\n")),
        cut_late(drips("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "x")),
        cut_late(drips("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n")),
        cut_late(drips("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x")),
        cut_late(drips("HTTP/1.1 200 OK\r\n\r\n", "x")),
    ]
}

#[tokio::test]
async fn a_service_that_leaves_before_its_answer_is_a_502() {
    run_also_slowly(leaves()).await;
}

#[tokio::test]
async fn a_service_that_leaves_within_its_answer_is_a_reset() {
    run_also_slowly(leaves_in_a_body()).await;
}

#[tokio::test]
async fn a_service_that_falls_silent_is_a_504_or_a_reset() {
    run_together(falls_silent()).await;
    run([late(says("HTTP/1.1 103 Early Hints\r\n\r\n")).after(&["103"])]).await;
}

#[tokio::test]
async fn a_storm_of_informational_answers_ends() {
    let act = drips("", "HTTP/1.1 103 Early Hints\r\n\r\n");
    for method in ["GET", "POST"] {
        let told = hear_behind_informational(act.clone(), method).await;
        let may_be = ["502 upstream_broken", "504 upstream_timeout"];
        assert!(may_be.contains(&told.as_str()), "{method}: {told}");
    }
}

#[tokio::test]
async fn a_service_that_drips_is_cut_at_the_same_deadline() {
    run_together(drips_on()).await;
}
