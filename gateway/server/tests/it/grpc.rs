//! gRPC from end to end: a client and a service that know nothing of each other's connections, with the
//! gateway between them.

use std::time::Duration;

use bytes::Bytes;
use gateway_server::Carriers;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::edge::Edge;
use codec::Plain;
use service::Service;

mod codec;
mod service;

/// A call that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(10);

async fn edge(service: &Service) -> Edge {
    let config = format!(
        "services: {{ s: {{ endpoints: [\"{}\"], protocol: h2, timeout: 20s }} }}\n\
         routes: [{{ match: \"POST /test.v1.Test/{{method}}\", to: s, name: test }}]\n",
        service.address
    );
    Edge::start_with_http2(Carriers::Both, &config).await
}

async fn client(edge: &Edge) -> Grpc<Channel> {
    let address = format!("http://{}", edge.address());
    let channel = Endpoint::new(address).unwrap().connect().await.unwrap();
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    client
}

fn method(name: &str) -> PathAndQuery {
    format!("/test.v1.Test/{name}").parse().unwrap()
}

async fn unary(
    edge: &Edge,
    name: &str,
    request: Request<Bytes>,
) -> Result<tonic::Response<Bytes>, Status> {
    let mut client = client(edge).await;
    let called = client.unary(request, method(name), Plain);
    tokio::time::timeout(PATIENCE, called).await.unwrap()
}

async fn next(answers: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Status> {
    let message = tokio::time::timeout(PATIENCE, answers.message()).await;
    message.expect("no message in time")
}

#[tokio::test]
async fn a_call_with_one_message_each_way_passes_with_its_metadata() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    let mut request = Request::new(Bytes::from_static(b"hello"));
    request
        .metadata_mut()
        .insert("x-tenant", "blue".parse().unwrap());
    request.set_timeout(Duration::from_secs(7));
    let answer = unary(&edge, "Unary", request).await.unwrap();
    // tonic puts what came behind the message beside what came before it.
    assert_eq!(answer.metadata().get("x-behind").unwrap(), "sum");
    assert_eq!(answer.metadata().get("x-before").unwrap(), "head");
    assert_eq!(answer.into_inner(), "olleh");
    let heard = &service.heard()[0];
    for line in [
        "te: trailers",
        "x-tenant: blue",
        "grpc-timeout: 7000000u",
        "content-type: application/grpc",
    ] {
        assert!(heard.contains(line), "{line} {heard}");
    }
}

#[tokio::test]
async fn a_status_comes_through_wherever_it_stands() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    #[rustfmt::skip]
    let cases = [
        ("TrailersOnly", Code::NotFound,         "no such account"),
        ("Late",         Code::DataLoss,         "it broke"),
        ("Missing",      Code::Unimplemented,    ""),
    ];
    for (name, code, message) in cases {
        let status = unary(&edge, name, Request::new(Bytes::new()))
            .await
            .unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message), "{name}");
    }
    // As large as the details of a status are in practice.
    let status = unary(&edge, "Details", Request::new(Bytes::new()))
        .await
        .unwrap_err();
    assert_eq!(status.details().len(), 8_000);
}

#[tokio::test]
async fn what_the_gateway_answers_itself_is_a_status_to_a_client() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    let mut client = client(&edge).await;
    let path: PathAndQuery = "/other.v1.Other/Method".parse().unwrap();
    let answer = client.unary(Request::new(Bytes::new()), path, Plain).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    drop(service);

    let nobody = crate::upstream::Upstream::nobody().await;
    let config = format!(
        "services: {{ s: {{ endpoints: [\"{nobody}\"], protocol: h2 }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s }}]\n"
    );
    let edge = Edge::start_with_http2(Carriers::Both, &config).await;
    let answer = unary(&edge, "Unary", Request::new(Bytes::new())).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_service_streams_message_by_message() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    let mut client = client(&edge).await;
    let request = Request::new(Bytes::from_static(b"abc"));
    let answers = client
        .server_streaming(request, method("Stepwise"), Plain)
        .await;
    let mut answers = answers.unwrap().into_inner();
    for expected in ["a", "b", "c"] {
        // The service says the next only when it is told that this one arrived.
        assert_eq!(next(&mut answers).await.unwrap().unwrap(), expected);
        service.step();
    }
    assert_eq!(next(&mut answers).await.unwrap(), None);
    let trailers = answers.trailers().await.unwrap().unwrap();
    assert_eq!(trailers.get("x-behind").unwrap(), "sum");
}

#[tokio::test]
async fn a_client_streams_message_by_message() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    let mut client = client(&edge).await;
    let messages = (0..200).map(|number| Bytes::from(vec![b'x'; number]));
    let messages = tokio_stream::iter(messages);
    let request = Request::new(messages);
    let answer = client
        .client_streaming(request, method("Count"), Plain)
        .await;
    assert_eq!(answer.unwrap().into_inner(), "200 messages, 19900 bytes");
}

#[tokio::test]
async fn both_sides_stream_at_once_each_waiting_for_the_other() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    let mut client = client(&edge).await;
    let (say, said) = mpsc::channel(1);
    let request = Request::new(ReceiverStream::new(said));
    let answers = client.streaming(request, method("Echo"), Plain);
    let answers = tokio::time::timeout(PATIENCE, answers).await.unwrap();
    let mut answers = answers.unwrap().into_inner();
    for number in 0..50 {
        let message = Bytes::from(format!("message {number}"));
        say.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut answers).await.unwrap().unwrap(), message);
    }
    drop(say);
    assert_eq!(next(&mut answers).await.unwrap(), None);
    drop(answers);
    let lines = edge.stop_and_read_log().await;
    assert_eq!(
        (&lines[0]["attempts"], &lines[0]["status"]),
        (&1.into(), &200.into())
    );
}

#[tokio::test]
async fn a_deadline_ends_a_call_on_both_sides() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    let mut request = Request::new(Bytes::new());
    request.set_timeout(Duration::from_millis(300));
    let status = unary(&edge, "Never", request).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status}"
    );
    service.until_called_off(1).await;
    assert_eq!(service.heard().len(), 1);
}

#[tokio::test]
async fn a_client_that_calls_off_calls_off_the_service() {
    let service = Service::start().await;
    let edge = edge(&service).await;
    let mut client = client(&edge).await;
    let (say, said) = mpsc::channel(1);
    let request = Request::new(ReceiverStream::new(said));
    let answers = client
        .streaming(request, method("Echo"), Plain)
        .await
        .unwrap();
    let mut answers = answers.into_inner();
    say.send(Bytes::from_static(b"one")).await.unwrap();
    assert_eq!(next(&mut answers).await.unwrap().unwrap(), "one");
    drop((answers, say, client));
    service.until_called_off(1).await;
}

#[tokio::test]
async fn calls_of_many_clients_go_their_own_ways() {
    let service = Service::start().await;
    let edge = std::sync::Arc::new(edge(&service).await);
    let calls = (0..100).map(|number| {
        let edge = std::sync::Arc::clone(&edge);
        gateway_server::spawn("call", async move {
            let text = format!("{number:05}");
            let answer = unary(&edge, "Unary", Request::new(text.clone().into())).await;
            let expected: String = text.chars().rev().collect();
            assert_eq!(answer.unwrap().into_inner(), expected);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(service.heard().len(), 100);
    assert_eq!(service.connections(), 1);
}
