//! A whole identity provider in a folder of its own, and somebody who talks to it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use idp_core::client::{Consents, Grant, Introspects, Lifetimes};
use idp_core::id::{ClientId, TenantId, Username};
use idp_core::scope::Scopes;
use idp_server::Idp;
use serde_json::Value;
use tempfile::TempDir;
use tollgate_config::{ClientSeed, Environment, Provider, Redis, UserSeed};

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
        let mut provider = provider(folder.path());
        provider.redis.clone_from(&wishes.redis);
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
        let (head, body) = self
            .client
            .request(request.expect("as the test needs it"))
            .await
            .expect("as the test needs it")
            .into_parts();
        let body = body
            .collect()
            .await
            .expect("as the test needs it")
            .to_bytes();
        Reply {
            status: head.status,
            head: Response::from_parts(head, ()),
            body,
        }
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

fn provider(folder: &Path) -> Provider {
    let file = folder.join("tollgate.yaml");
    let text = "provider:\n  listen: 127.0.0.1:0\n  internal: 127.0.0.1:0\n  \
                issuer: http://127.0.0.1:8081\n  \
                store: { path: idp.redb, disk_free_min: 16MiB }\n";
    fs::write(&file, text).expect("as the test needs it");
    let loaded =
        tollgate_config::load(&file, &Environment::of([], 1)).expect("as the test needs it");
    Provider {
        clients: vec![
            ClientSeed {
                scopes: Scopes::parse("money.read money.write").expect("as the test needs it"),
                audience: vec!["pay".to_owned()],
                ..machine("robot", folder)
            },
            ClientSeed {
                introspects: Introspects::Tenant,
                ..machine("service", folder)
            },
            web(folder),
        ],
        users: vec![UserSeed {
            name: Username::parse("alice").expect("as the test needs it"),
            tenant: default_tenant(),
            password_file: folder.join("alice.password"),
            roles: vec!["member".to_owned()],
            is_enabled: true,
        }],
        ..loaded.provider.expect("as the test needs it")
    }
}

fn default_tenant() -> TenantId {
    TenantId::parse("default").expect("as the test needs it")
}

fn machine(id: &str, folder: &Path) -> ClientSeed {
    ClientSeed {
        id: ClientId::parse(id).expect("as the test needs it"),
        tenant: default_tenant(),
        secret_file: Some(folder.join(format!("{id}.secret"))),
        redirect_uris: Vec::new(),
        logout_uris: Vec::new(),
        backchannel_logout_uri: None,
        grants: [Grant::ClientCredentials].into(),
        scopes: Scopes::default(),
        roles: Vec::new(),
        audience: Vec::new(),
        consents: Consents::Asked,
        introspects: Introspects::Own,
        lifetimes: Lifetimes::MACHINE,
        is_enabled: true,
    }
}

fn web(folder: &Path) -> ClientSeed {
    ClientSeed {
        secret_file: None,
        redirect_uris: vec!["http://127.0.0.1:1/callback".to_owned()],
        logout_uris: vec!["http://127.0.0.1:1/bye".to_owned()],
        grants: [Grant::AuthorizationCode, Grant::RefreshToken].into(),
        scopes: Scopes::parse("openid money.read").expect("as the test needs it"),
        audience: vec!["pay".to_owned()],
        lifetimes: Lifetimes::PAYMENT,
        ..machine("web", folder)
    }
}
