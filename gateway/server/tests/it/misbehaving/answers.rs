//! Answers that come early, and one that is large.

use super::case::{Case, run, sound, told};
use super::service::{When, closes, says};
use crate::edge::Edge;
use crate::upstream::{Step, Upstream};

/// A service may answer before it read the request; its connection is then in no known state.
#[rustfmt::skip]
fn early() -> Vec<Case> {
    vec![
        told(closes("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\ngood").at(When::HeadRead), "413 good"),
        told(closes("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\n").at(When::HeadRead), "413"),
    ]
}

#[tokio::test]
async fn an_early_answer_is_passed_on() {
    run(early()).await;
}

/// RFC 9112 §6.1 and RFC 9110 §15.2: the old version is told the end of a body by that of the
/// connection, and nothing in between.
#[rustfmt::skip]
fn to_old_clients() -> Vec<Case> {
    vec![
        sound(says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"), "200 good (last)").for_old_client(),
        sound(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"), "200 good (last)").for_old_client(),
        told(closes("HTTP/1.1 200 OK\r\n\r\ngood"),             "200 good (last)").for_old_client(),
        told(closes("HTTP/1.0 200 OK\r\n\r\ngood"),             "200 good (last)").for_old_client(),
        sound(says("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"), "200 good (last)").for_old_client(),
        told(closes(""),                                        "502 upstream_broken (last)").for_old_client(),
    ]
}

#[tokio::test]
async fn a_client_of_the_old_version_is_told_what_it_knows() {
    run(to_old_clients()).await;
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let body: String = (0..1_048_576).map(|n| format!("{n:07x}\n")).collect();
    let chunks: String = (0..128)
        .map(|n| format!("10000\r\n{}\r\n", &body[n << 16..(n + 1) << 16]))
        .collect();
    for answer in [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
    ] {
        let service = Upstream::start([Step::Say(answer)]).await;
        let edge = Edge::before(service.address).await;
        let mut client = edge.connect().await;
        for _ in 0..2 {
            assert!(
                client.get("/").await.text() == body,
                "the body changed on its way"
            );
        }
    }
}
