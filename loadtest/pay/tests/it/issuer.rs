//! An issuer for one test: it signs what it is told to and publishes the keys it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp_token::time::UnixSeconds;
use idp_token::value::{Algorithm, Claims, SigningKey, key_set};
use pay::Trust;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::world::PATIENCE;

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "pay";
/// The time at which these tests play.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A key that signs tokens, good ones and others.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    pub(crate) signing: SigningKey,
}

impl Key {
    pub(crate) fn make() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let signing = SigningKey::from_pkcs8(Algorithm::Es256, der.as_ref()).unwrap();
        Self { pair, signing }
    }

    pub(crate) fn token(&self, scope: &str) -> String {
        self.token_at(NOW, scope)
    }

    pub(crate) fn token_at(&self, now: u64, scope: &str) -> String {
        self.sign(&claims(now, scope))
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        self.signing.sign(claims).unwrap()
    }

    /// A token whose header says what the test wants it to say.
    pub(crate) fn sign_with_header(&self, header: &Value, claims: &Claims) -> String {
        let good = self.sign(claims);
        let payload = good.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let text = format!("{header}.{payload}");
        let random = SystemRandom::new();
        let signature = self.pair.sign(&random, text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": "ES256", "kid": self.signing.id() })
    }
}

pub(crate) fn claims(now: u64, scope: &str) -> Claims {
    Claims {
        issuer: ISSUER.to_owned(),
        audience: vec![AUDIENCE.to_owned()],
        subject: "ann".to_owned(),
        session: Some("0a0b".to_owned()),
        client_id: "app".to_owned(),
        scope: scope.to_owned(),
        roles: Vec::new(),
        auth_time: None,
        amr: Vec::new(),
        issued_at: UnixSeconds(now),
        expires_at: UnixSeconds(now + 600),
        id: "j1".to_owned(),
    }
}

pub(crate) fn set_of(keys: &[&Key]) -> String {
    key_set(keys.iter().map(|key| &key.signing))
}

/// Where the keys are published.
pub(crate) struct Issuer {
    published: watch::Sender<Published>,
    fetches: Arc<Fetches>,
    url: String,
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Published {
    status: StatusCode,
    body: String,
    /// Whether answers wait until this is no longer so.
    is_held: bool,
}

#[derive(Default)]
struct Fetches {
    begun: AtomicU64,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
}

impl Issuer {
    pub(crate) async fn publishing(keys: &[&Key]) -> Self {
        let (published, seen) = watch::channel(Published {
            status: StatusCode::OK,
            body: set_of(keys),
            is_held: false,
        });
        let fetches = Arc::<Fetches>::default();
        let router = Router::new()
            .route("/jwks", get(jwks))
            .with_state((seen, Arc::clone(&fetches)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            published,
            fetches,
            url,
            _serving: serving,
        }
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust {
            issuer: ISSUER.to_owned(),
            jwks_url: self.url.clone(),
            audience: AUDIENCE.to_owned(),
        }
    }

    pub(crate) fn answer(&self, status: u16, body: &str) {
        self.published.send_modify(|published| {
            published.status = StatusCode::from_u16(status).unwrap();
            body.clone_into(&mut published.body);
        });
    }

    pub(crate) fn hold(&self, is_held: bool) {
        self.published
            .send_modify(|published| published.is_held = is_held);
    }

    pub(crate) fn fetches(&self) -> u64 {
        self.fetches.begun.load(Ordering::SeqCst)
    }

    /// The most fetches that were ever under way at once.
    pub(crate) fn at_once_max(&self) -> usize {
        self.fetches.at_once_max.load(Ordering::SeqCst)
    }

    pub(crate) async fn fetched(&self, count: u64) {
        let reached = async {
            let mut tick = tokio::time::interval(Duration::from_millis(2));
            while self.fetches() < count {
                tick.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .expect("the keys are fetched so often");
    }
}

async fn jwks(
    State((mut published, fetches)): State<(watch::Receiver<Published>, Arc<Fetches>)>,
) -> (StatusCode, String) {
    fetches.begun.fetch_add(1, Ordering::SeqCst);
    let at_once = fetches.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    fetches.at_once_max.fetch_max(at_once, Ordering::SeqCst);
    let free = published.wait_for(|published| !published.is_held).await;
    let Published { status, body, .. } = free.unwrap().clone();
    fetches.at_once.fetch_sub(1, Ordering::SeqCst);
    (status, body)
}
