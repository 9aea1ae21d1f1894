//! Somebody with a browser that keeps cookies and runs no scripts, at a provider of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use idp_core::client::{Consents, Grant, Introspects, Lifetimes};
use idp_core::id::{ClientId, TenantId, Username};
use idp_core::scope::Scopes;
use idp_server::Idp;
use serde_json::Value;
use tempfile::TempDir;
use tollgate_config::{ClientSeed, Environment, Provider, UserSeed};

pub(crate) const ISSUER: &str = "http://127.0.0.1:8081";
/// From RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:1/callback";
pub(crate) const BYE: &str = "http://127.0.0.1:1/bye";
const TENANT: &str = "default";

/// A provider with two public clients: people are asked about `shop`, `till` is the operator's own.
pub(crate) struct House {
    idp: Idp,
    folder: TempDir,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_at(ISSUER).await
    }

    pub(crate) async fn open_at(issuer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let idp = Idp::start(provider(folder.path(), issuer)).await.unwrap();
        Self { idp, folder }
    }

    /// Whose clients want to be told there that somebody signed out.
    pub(crate) async fn open_telling(uri: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut provider = provider(folder.path(), ISSUER);
        for client in &mut provider.clients {
            client.backchannel_logout_uri = Some(uri.to_owned());
        }
        let idp = Idp::start(provider).await.unwrap();
        Self { idp, folder }
    }

    pub(crate) fn password(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("alice.password")).unwrap();
        text.trim_end().to_owned()
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor {
            base: format!("http://{}", self.idp.addresses().public),
            client: Client::builder(TokioExecutor::new()).build_http(),
            cookies: BTreeMap::new(),
        }
    }

    /// Somebody who is signed in, and for whose sign-in `till` got a code.
    pub(crate) async fn guest(&self) -> (Visitor, Answer) {
        let mut visitor = self.visitor();
        let page = visitor.get(&request("till", &[])).await;
        let landed = visitor.sign_in(&page, "alice", &self.password()).await;
        (visitor, landed)
    }
}

pub(crate) fn provider(folder: &Path, issuer: &str) -> Provider {
    let file = folder.join("tollgate.yaml");
    let text = format!(
        "provider:\n  listen: 127.0.0.1:0\n  internal: 127.0.0.1:0\n  issuer: {issuer}\n  \
         store: {{ path: ./idp.redb }}\n  audit_log: stderr\n"
    );
    fs::write(&file, text).unwrap();
    let loaded = tollgate_config::load(&file, &Environment::of([], 1)).unwrap();
    let mut provider = loaded.provider.unwrap();
    provider.store.disk_free_bytes_min = 0;
    provider.clients = vec![
        client("shop", Consents::Asked),
        client("till", Consents::Implied),
    ];
    provider.users = vec![UserSeed {
        name: Username::parse("alice").unwrap(),
        tenant: TenantId::parse(TENANT).unwrap(),
        password_file: folder.join("alice.password"),
        roles: Vec::new(),
        is_enabled: true,
    }];
    provider
}

pub(crate) fn client(id: &str, consents: Consents) -> ClientSeed {
    ClientSeed {
        id: ClientId::parse(id).unwrap(),
        tenant: TenantId::parse(TENANT).unwrap(),
        secret_file: None,
        redirect_uris: vec![CALLBACK.to_owned()],
        logout_uris: vec![BYE.to_owned()],
        backchannel_logout_uri: None,
        grants: BTreeSet::from([Grant::AuthorizationCode, Grant::RefreshToken]),
        scopes: Scopes::parse("openid money.read money.write <script>'x'").unwrap(),
        roles: Vec::new(),
        audience: vec!["pay".to_owned()],
        consents,
        introspects: Introspects::Own,
        lifetimes: Lifetimes {
            access: Duration::from_secs(600),
            ..Lifetimes::PAYMENT
        },
        is_enabled: true,
    }
}

/// A request for a code; of two parameters of a name the later one counts.
pub(crate) fn request(client: &str, others: &[(&str, &str)]) -> String {
    let usual = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", "openid money.read"),
        ("state", "a state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let all: BTreeMap<_, _> = usual.iter().chain(others).copied().collect();
    format!("/authorize?{}", form(&all.into_iter().collect::<Vec<_>>()))
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}

pub(crate) fn escape(text: &str) -> String {
    let spell = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(spell).collect()
}

#[derive(Clone)]
pub(crate) struct Visitor {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// What came back, and where it was asked for.
pub(crate) struct Answer {
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Visitor {
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// Sends the form of a page as a browser does.
    pub(crate) async fn press(&mut self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        self.press_from(
            page,
            fields,
            &[("origin", ISSUER), ("sec-fetch-site", "same-origin")],
        )
        .await
    }

    pub(crate) async fn press_from(
        &mut self,
        page: &Answer,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let proof = page.proof();
        let fields = [&[("csrf", proof.as_str())], fields].concat();
        self.post(&page.action(), &form(&fields), headers).await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let headers = [&[kind], headers].concat();
        self.send(Method::POST, path, &headers, body).await
    }

    pub(crate) async fn sign_in(&mut self, page: &Answer, name: &str, password: &str) -> Answer {
        self.press(page, &[("username", name), ("password", password)])
            .await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let uri = format!("{}{path}", self.base);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let answer = self
            .client
            .request(request.body(body).unwrap())
            .await
            .unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Answer {
            path: path.to_owned(),
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        };
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            let (pair, attributes) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// What a client gets for a code.
    pub(crate) async fn redeem(&mut self, client: &str, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &form(&fields), &[]).await
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        let lines = self.headers.get_all("set-cookie").iter();
        lines.map(|line| line.to_str().unwrap()).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    pub(crate) fn is_sign_in(&self) -> bool {
        self.status == StatusCode::OK && self.has("<title>Sign in ·")
    }

    pub(crate) fn is_consent(&self) -> bool {
        self.status == StatusCode::OK && self.has("<title>Allow access ·")
    }

    /// Of the answer that a client is sent.
    pub(crate) fn landed(&self) -> BTreeMap<String, String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        let location = self.field("location").unwrap();
        let (uri, query) = location.split_once('?').unwrap();
        assert_eq!(uri, CALLBACK);
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let read = |text: &str| {
            text.replace("%20", " ")
                .replace("%3A", ":")
                .replace("%2F", "/")
        };
        pairs
            .map(|(name, value)| (name.to_owned(), read(value)))
            .collect()
    }

    pub(crate) fn proof(&self) -> String {
        self.between("name=\"csrf\" value=\"", "\"")
    }

    /// Where its form leads.
    pub(crate) fn action(&self) -> String {
        let action = self.between("<form method=\"post\" action=\"", "\"");
        let query = action.replace("&amp;", "&").replace("&#39;", "'");
        let path = self.path.split('?').next().unwrap();
        format!("{path}{query}")
    }

    fn between(&self, start: &str, end: &str) -> String {
        let (_, rest) = self
            .text
            .split_once(start)
            .unwrap_or_else(|| panic!("no {start} in {}", self.text));
        rest.split(end).next().unwrap().to_owned()
    }
}
