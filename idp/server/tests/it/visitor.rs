//! Somebody with a browser that keeps cookies and runs no scripts.

use std::collections::BTreeMap;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::seeds::{CALLBACK, ISSUER};
use crate::server::{Server, exchange};

/// From RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

impl Server {
    pub(crate) fn password(&self) -> String {
        self.secret("alice.password")
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor {
            base: format!("http://{}", self.public()),
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
        let reply = exchange(&self.client, request.body(body).unwrap()).await;
        let answer = Answer {
            path: path.to_owned(),
            status: reply.status,
            headers: reply.head.headers().clone(),
            text: String::from_utf8(reply.body.to_vec()).unwrap(),
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
