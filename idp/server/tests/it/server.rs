//! A whole identity provider in a folder of its own, and somebody who talks to it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use idp_server::Idp;
use serde_json::Value;
use tempfile::TempDir;
use tollgate_config::Redis;

use crate::seeds::{ISSUER, provider};

pub(crate) struct Server {
    idp: Idp,
    folder: TempDir,
    wishes: Wishes,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What differs from test to test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) redis: Option<Redis>,
    pub(crate) disk_free_bytes_min: Option<u64>,
    pub(crate) issuer: Option<&'static str>,
    /// Where clients want to be told that somebody signed out, and who vouches for them.
    pub(crate) told_at: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) head: Response<()>,
    pub(crate) body: Bytes,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Wishes::default()).await
    }

    pub(crate) async fn start_with(wishes: Wishes) -> Self {
        Self::start_in(tempfile::tempdir().expect("as the test needs it"), wishes).await
    }

    pub(crate) async fn start_in(folder: TempDir, wishes: Wishes) -> Self {
        let mut provider = provider(folder.path(), wishes.issuer.unwrap_or(ISSUER));
        provider.redis.clone_from(&wishes.redis);
        provider.ca_file.clone_from(&wishes.ca_file);
        for client in &mut provider.clients {
            client.backchannel_logout_uri.clone_from(&wishes.told_at);
        }
        if let Some(bytes) = wishes.disk_free_bytes_min {
            provider.store.disk_free_bytes_min = bytes;
        }
        let idp = Idp::start(provider).await.expect("as the test needs it");
        Self {
            idp,
            folder,
            wishes,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Stops it and starts it again on the same files.
    pub(crate) async fn restart(self) -> Self {
        let wishes = self.wishes.clone();
        Self::start_in(self.stop().await, wishes).await
    }

    /// Stops it and leaves its files.
    pub(crate) async fn stop(self) -> TempDir {
        // Connections that are kept would be waited for.
        drop(self.client);
        assert!(self.idp.stop().await);
        self.folder
    }

    pub(crate) const fn public(&self) -> SocketAddr {
        self.idp.addresses().public
    }

    pub(crate) const fn internal(&self) -> SocketAddr {
        self.idp.addresses().internal
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was made for the first start, without its line feed.
    pub(crate) fn secret(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(name)).expect("as the test needs it");
        text.trim_end().to_owned()
    }

    pub(crate) fn basic(&self, client: &str) -> String {
        let secret = self.secret(&format!("{client}.secret"));
        format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
    }

    pub(crate) async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(Method::GET, path, fields, "").await
    }

    /// A form as a client sends it.
    pub(crate) async fn post(&self, path: &str, client: Option<&str>, form: &str) -> Reply {
        let mut fields = vec![(
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        )];
        fields.extend(client.map(|client| ("authorization", self.basic(client))));
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.send(Method::POST, path, &fields, form).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let uri = format!("http://{}{path}", self.idp.addresses().public);
        self.send_to(uri, method, fields, body).await
    }

    /// To the listener of gateways and operators.
    pub(crate) async fn send_inside(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let uri = format!("http://{}{path}", self.idp.addresses().internal);
        self.send_to(uri, method, fields, body).await
    }

    async fn send_to(
        &self,
        uri: String,
        method: Method,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        exchange(&self.client, request.expect("as the test needs it")).await
    }

    /// An access token of `robot`.
    pub(crate) async fn token(&self) -> String {
        let reply = self
            .post("/token", Some("robot"), "grant_type=client_credentials")
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        reply.text_of("access_token")
    }
}

pub(crate) async fn exchange(
    client: &Client<HttpConnector, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Reply {
    let answer = client.request(request).await;
    let (head, body) = answer.expect("as the test needs it").into_parts();
    let body = body.collect().await.expect("as the test needs it");
    Reply {
        status: head.status,
        head: Response::from_parts(head, ()),
        body: body.to_bytes(),
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("as the test needs it")
    }

    pub(crate) fn text_of(&self, member: &str) -> String {
        self.json()[member]
            .as_str()
            .expect("as the test needs it")
            .to_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head
            .headers()
            .get(name)
            .map(|value| value.to_str().expect("as the test needs it"))
    }

    /// Whether nobody between may keep it.
    pub(crate) fn is_private(&self) -> bool {
        self.field(header::CACHE_CONTROL.as_str()) == Some("no-store")
    }
}
