//! A set of services for one test, and a client that talks to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pay::{Clock, Listen, Pay, Settings, Sizes};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Enough members for their names to differ, few enough to start in no time.
pub(crate) const SMALL: Sizes = Sizes {
    members: 300,
    banks: 40,
    remittances: 3_000,
};

pub(crate) struct World {
    pub(crate) pay: Pay,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The status and, for a problem, its code.
    pub(crate) fn verdict(&self) -> (u16, String) {
        let code = if self.header("content-type") == "application/problem+json" {
            let problem = self.json();
            assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
            problem["code"].as_str().unwrap().to_owned()
        } else {
            String::new()
        };
        (self.status.as_u16(), code)
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16, code: &str) -> Self {
        assert_eq!(self.verdict(), (status, code.to_owned()), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json()
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not text: {value}"))
}

pub(crate) fn rows(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("not an array: {value}"))
}

impl World {
    pub(crate) async fn small() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(Listen::on_free_ports());
        settings.sizes = SMALL;
        change(&mut settings);
        Self::of(Pay::boot(settings).await.unwrap())
    }

    pub(crate) fn of(pay: Pay) -> Self {
        Self {
            pay,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub(crate) fn membership(&self) -> SocketAddr {
        self.pay.addresses().membership[0]
    }

    pub(crate) fn banking(&self) -> SocketAddr {
        self.pay.addresses().banking[0]
    }

    pub(crate) fn money(&self) -> SocketAddr {
        self.pay.addresses().money[0]
    }

    pub(crate) fn remittance(&self) -> SocketAddr {
        self.pay.addresses().remittance[0]
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.pay.addresses().admin
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
            let name: HeaderName = name.parse().unwrap();
            request
                .headers_mut()
                .append(name, HeaderValue::from_str(value).unwrap());
        }
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|e| format!("{e:?}"))?;
            let (head, body) = response.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|e| format!("{e:?}"))?
                .to_bytes();
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time")
    }

    pub(crate) async fn get(&self, address: SocketAddr, path: &str) -> Answer {
        self.get_with(address, path, &[]).await
    }

    pub(crate) async fn get_with(
        &self,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.send(Method::GET, (address, path), headers, "")
            .await
            .unwrap()
    }

    pub(crate) async fn write(
        &self,
        method: Method,
        at: (SocketAddr, &str),
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        self.try_write(method, at, headers, body).await.unwrap()
    }

    pub(crate) async fn try_write(
        &self,
        method: Method,
        at: (SocketAddr, &str),
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, String> {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.send(method, at, &headers, body.to_string()).await
    }

    /// A POST that carries a key.
    pub(crate) async fn post(&self, at: (SocketAddr, &str), key: &str, body: &Value) -> Answer {
        self.write(Method::POST, at, &[("idempotency-key", key)], body)
            .await
    }

    pub(crate) async fn set_faults(&self, service: &str, faults: &Value) {
        let path = format!("/faults/{service}");
        let answer = self
            .write(Method::PUT, (self.admin(), &path), &[], faults)
            .await;
        answer.expect(200, "");
    }

    pub(crate) async fn clear_faults(&self, service: &str) {
        let path = format!("/faults/{service}");
        let answer = self
            .send(Method::DELETE, (self.admin(), &path), &[], "")
            .await
            .unwrap();
        answer.expect(204, "");
    }

    pub(crate) async fn balance(&self, member: u32) -> String {
        let balance = self
            .get(self.money(), &format!("/members/{member}/balance"))
            .await
            .ok();
        text(&balance["amount"]).to_owned()
    }

    pub(crate) async fn audit(&self) -> Value {
        self.get(self.admin(), "/ledger/audit").await.ok()
    }

    /// How often a kind of request has arrived at a service, over all its endpoints.
    pub(crate) async fn count(&self, service: &str, method: &str, path: &str) -> u64 {
        let counts = self
            .get(self.admin(), &format!("/requests?service={service}"))
            .await
            .ok();
        let counts = rows(&counts).iter();
        let found = counts.filter(|count| count["method"] == method && count["path"] == path);
        found.map(|count| count["count"].as_u64().unwrap()).sum()
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl Hands {
    pub(crate) fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn set_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::new(move || UNIX_EPOCH + Duration::from_secs(hands.0.load(Ordering::Relaxed)))
    }
}

/// Writes bytes to a fresh connection and returns it.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until the other side ends the connection; says whether it did so by a reset.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let read = tokio::time::timeout(PATIENCE, read)
        .await
        .expect("an end in time");
    (bytes, read.is_err())
}
