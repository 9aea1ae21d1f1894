//! An issuer that says what it is told to, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp_token::external::jwt::{Kind, Signature};
use idp_token::external::{ClaimName, Policy as Rules};
use idp_token::value::Algorithm;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tollgate_config::{Issuer as Policy, Place, Proof, Secret};

use crate::clock;
use crate::spawn::spawn;

/// What is answered to the next request.
#[derive(Clone)]
pub(super) enum Says {
    /// Bytes, whatever was asked.
    Text(String),
    /// What the words behind `token=` make of it.
    OfToken(fn(&str) -> String),
    /// The same, once the door is opened.
    Behind(watch::Receiver<bool>, Box<Says>),
    /// Bytes, and the connection ends.
    Cut(String),
    /// Nothing, and the connection stays.
    Nothing,
    /// Nothing, and the connection ends.
    Close,
}

impl Says {
    pub(super) fn json(body: &str) -> Self {
        Self::Text(sound(body))
    }

    pub(super) fn keys(signers: &[&Signer]) -> Self {
        Self::json(&set(signers))
    }
}

/// A sound answer.
pub(super) fn sound(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

pub(super) fn answer(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\n\r\n{body}")
}

pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    says: Arc<Mutex<Says>>,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Scripted {
    pub(super) async fn start(says: Says) -> Self {
        Self::start_with(says, None).await
    }

    pub(super) async fn start_with(says: Says, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let heard = Arc::new(Mutex::default());
        let connections = Arc::new(AtomicUsize::new(0));
        let serving = (Arc::clone(&says), Arc::clone(&heard));
        let counted = Arc::clone(&connections);
        let task = spawn("scripted-issuer", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let (says, heard) = serving.clone();
                let tls = tls.clone();
                spawn("scripted-connection", async move {
                    match tls {
                        None => converse(stream, says, heard).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, says, heard).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            says,
            heard,
            connections,
            task,
        }
    }

    pub(super) fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// The requests so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    says: Arc<Mutex<Says>>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read(&mut stream).await {
        let mut says = says.lock().unwrap().clone();
        let token = form_token(&request).to_owned();
        heard.lock().unwrap().push(request);
        if let Says::Behind(mut door, next) = says {
            door.wait_for(|is_open| *is_open).await.unwrap();
            says = *next;
        }
        let is_cut = matches!(says, Says::Cut(_));
        let text = match says {
            Says::Text(text) | Says::Cut(text) => text,
            Says::OfToken(answer) => answer(&token),
            Says::Nothing | Says::Behind(..) => std::future::pending().await,
            Says::Close => return,
        };
        if stream.write_all(text.as_bytes()).await.is_err() || is_cut {
            return;
        }
    }
}

/// A request whole, or nothing if there is none.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or_default() {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn form_token(request: &str) -> &str {
    let form = request.rsplit("\r\n\r\n").next().unwrap_or_default();
    let token = form.strip_prefix("token=").unwrap_or_default();
    token.split('&').next().unwrap_or_default()
}

/// A key of an issuer, under a name of its choice.
pub(super) struct Signer {
    pair: KeyPair,
    name: &'static str,
}

impl Signer {
    pub(super) fn new(name: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        Self { pair, name }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": self.name });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn published(&self) -> Value {
        let point = URL_SAFE_NO_PAD.encode(self.pair.public_key_raw());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.name, "x": point })
    }
}

/// The set of these keys.
pub(super) fn set(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.published()).collect();
    json!({ "keys": keys }).to_string()
}

/// Of a good token of the issuer that goes by this name.
pub(super) fn claims(name: &str) -> Value {
    let now = clock::unix_seconds().0;
    json!({
        "iss": iss(name), "aud": "pay", "sub": "ann", "client_id": "app",
        "scope": "money.read", "roles": ["payer"], "iat": now, "exp": now + 600,
    })
}

/// What is said of a good token.
pub(super) fn active(subject: &str) -> Value {
    json!({ "active": true, "iss": iss("a"), "aud": "pay", "sub": subject, "client_id": "app" })
}

fn iss(name: &str) -> String {
    format!("https://{name}.example")
}

fn rules(name: &str) -> Rules {
    Rules {
        issuer: iss(name),
        audience: vec!["pay".to_owned()],
        roles: ClaimName::default(),
        max_age: Duration::from_secs(60),
    }
}

/// In plain text, at this path and query.
pub(super) fn place(address: SocketAddr) -> Place {
    Place {
        host: address.ip().into(),
        port: address.port(),
        path: "/path?query".to_owned(),
        roots: None,
    }
}

pub(super) fn issuer_by_keys(name: &str, address: SocketAddr) -> Policy {
    let signature = Signature {
        algorithms: vec![Algorithm::EdDsa],
        kind: Kind::AccessToken,
    };
    Policy {
        name: name.into(),
        policy: rules(name),
        proof: Proof::Keys {
            at: place(address),
            signature,
        },
        forwards: false,
    }
}

pub(super) fn issuer_by_question(name: &str, address: SocketAddr) -> Policy {
    Policy {
        proof: Proof::Introspection {
            at: place(address),
            client_id: "gate way".to_owned(),
            secret: Secret::new("s%cret:"),
        },
        ..issuer_by_keys(name, address)
    }
}
