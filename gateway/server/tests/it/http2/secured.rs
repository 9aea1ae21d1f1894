//! HTTP/2 where the handshake of TLS agreed on it.

use rustls::ALL_VERSIONS;

use super::client::{Client, request, within};
use super::service::Service;
use crate::edge::{Edge, everything_to};
use crate::site::Site;
use crate::socket::shake_hands;

async fn connect(edge: &Edge) -> Client {
    let site = edge.site.as_ref().unwrap();
    let visit = site.visit_with(ALL_VERSIONS, Site::FIRST, |config| {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    });
    let stream = shake_hands(edge.address(), visit).await.unwrap();
    Client::on(stream).await.unwrap()
}

#[tokio::test]
async fn a_client_that_agreed_on_http2_is_served_in_it() {
    let service = Service::start().await;
    let site = Site::new();
    let edge = Edge::secure(site, &["first"], &everything_to(&[service.address])).await;
    let client = connect(&edge).await;
    let told = client.get("/head").await.unwrap();
    assert_eq!(told.status, 200);
    assert!(
        told.text().contains("\r\nx-forwarded-proto: https\r\n"),
        "{}",
        told.text()
    );
    // Larger than a record of TLS, and than what is sent at once.
    let body = vec![b'x'; 300_000];
    let echoed = client
        .ask(request("POST", "/echo"), body.clone())
        .await
        .unwrap();
    assert!(echoed.body == body);
    let error = client.get("/cut-length").await.unwrap_err();
    assert!(error.is_reset(), "{error:?}");

    let lines = edge.stop_and_read_log().await;
    assert!(
        lines.iter().all(|line| line["protocol"] == "h2"),
        "{lines:?}"
    );
    assert!(within(client.driver).await.unwrap().is_ok());
}
