//! A client that wants one whole answer, and one that takes whatever bytes come.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(crate) struct Client(hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>);

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http())
    }

    /// Sends one request; an error is any failure to get a whole answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        (address, path): (SocketAddr, &str),
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{address}{path}").parse().unwrap();
        for (name, value) in headers {
            let (name, value) = (name.parse::<HeaderName>(), HeaderValue::from_str(value));
            request.headers_mut().append(name.unwrap(), value.unwrap());
        }
        let exchange = async {
            let response = self.0.request(request).await;
            let (head, body) = response.map_err(|error| format!("{error:?}"))?.into_parts();
            let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    pub(crate) async fn get(&self, address: SocketAddr, path: &str) -> Answer {
        let sent = self.send(Method::GET, (address, path), &[], "");
        sent.await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A write of JSON that carries a key.
    pub(crate) async fn post(
        &self,
        address: SocketAddr,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let sent = self.send(Method::POST, (address, path), &headers, body.to_string());
        sent.await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of an answer that must be a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json()
    }

    /// The code of a problem that must be whole: type, status and id say the same as the head.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        assert_eq!(
            problem["request_id"],
            self.header("x-request-id"),
            "{problem}"
        );
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// Sends a request as bytes and reads until the other side ends the connection; the second value
/// says whether it did so by a reset.
pub(crate) async fn exchange_bytes(address: SocketAddr, request: &str) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes));
    let was_reset = read.await.expect("an end in time").is_err();
    (bytes, was_reset)
}
