//! How a stream ends that does not end well: for the client, for the service, and in the access line.

use gateway_server::Carriers;
use h2::Reason;

use super::client::{Client, read, request, send, with, within};
use super::service::Service;
use crate::edge::{Edge, everything_to};

#[tokio::test]
async fn a_cut_answer_is_a_reset_stream_and_never_a_short_answer() {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Service::start().await;
        let edge = Edge::start_with_http2(carriers, &everything_to(&[service.address])).await;
        let client = Client::connect(edge.address()).await;
        for path in ["/cut-length", "/cut-chunks", "/cut-open"] {
            let error = client.get(path).await.unwrap_err();
            assert_eq!(
                error.reason(),
                Some(Reason::INTERNAL_ERROR),
                "{carriers:?} {path}"
            );
        }
        assert_eq!(client.get("/").await.unwrap().text(), "fine");
        let lines = edge.stop_and_read_log().await;
        let cut: Vec<_> = lines
            .iter()
            .map(|line| line["answer_cut"] == true)
            .collect();
        assert_eq!(cut, [true, true, true, false], "{lines:?}");
    }
}

#[tokio::test]
async fn a_client_that_calls_a_request_off_frees_the_service_of_it() {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Service::start().await;
        let edge = Edge::start_with_http2(carriers, &everything_to(&[service.address])).await;
        let client = Client::connect(edge.address()).await;

        let (response, mut stream) = client.begin(request("GET", "/hang"), true).await.unwrap();
        service.heard(1).await;
        stream.send_reset(Reason::CANCEL);
        drop(response);
        service.left(1).await;

        // The same in the middle of a body, which pingora alone passes on as it comes.
        let (_response, mut stream) = client.begin(request("POST", "/echo"), false).await.unwrap();
        send(&mut stream, "half".into(), false).await.unwrap();
        service.heard(2).await;
        stream.send_reset(Reason::CANCEL);
        service.left(2).await;

        let lines = edge.stop_and_read_log().await;
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (&line["client_left"], &line["status"], &line["protocol"]))
            .collect();
        let left = (&true.into(), &499.into(), &"h2".into());
        assert_eq!(seen, [left, left], "{lines:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_gone_frees_the_service_of_all_its_requests() {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let client = Client::connect(edge.address()).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(client.begin(request("GET", "/hang"), true).await.unwrap());
    }
    service.heard(8).await;
    client.driver.abort();
    drop(waiting);
    service.left(8).await;
}

#[tokio::test]
async fn a_client_that_ended_its_side_is_waited_for() {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let client = Client::connect(edge.address()).await;
    let request = with(request("POST", "/echo"), "content-length", "4");
    let (response, mut stream) = client.begin(request, false).await.unwrap();
    send(&mut stream, "body".into(), true).await.unwrap();
    let answer = read(within(response).await.unwrap()).await.unwrap();
    assert_eq!(answer.text(), "body");
}

#[tokio::test]
async fn every_line_says_which_protocol_was_spoken() {
    let service = Service::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &everything_to(&[service.address])).await;
    let client = Client::connect(edge.address()).await;
    client.get("/").await.unwrap();
    client.get("/a//b").await.unwrap();
    edge.get("/").await;
    edge.connect().await.ask("GET /a HTTP/1.1\r\n\r\n").await;
    let lines = edge.stop_and_read_log().await;
    let spoken: Vec<_> = lines.iter().map(|line| line["protocol"].as_str()).collect();
    let expected = ["h2", "h2", "h1", "h1"].map(Some);
    assert_eq!(spoken, expected, "{lines:?}");
}
