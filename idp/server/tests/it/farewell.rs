//! Is a client told over https, and nobody else in its place?

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use idp_token::value::jws::verify_as;
use idp_token::value::{KeySet, Statement};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::gateway::in_time;
use crate::server::{Server, Wishes};

/// Whoever vouches for others.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn file(&self, folder: &TempDir) -> PathBuf {
        let path = folder.path().join("ca.pem");
        fs::write(&path, &self.pem).unwrap();
        path
    }

    fn vouch_for(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Somebody of `till` signs out at a provider that tells clients there.
async fn sign_out(listener: &TcpListener, ca_file: PathBuf) -> (Server, KeySet) {
    let port = listener.local_addr().unwrap().port();
    let server = Server::start_with(Wishes {
        told_at: Some(format!("https://localhost:{port}/signed-out")),
        ca_file: Some(ca_file),
        ..Wishes::default()
    })
    .await;
    let (mut visitor, landed) = server.guest().await;
    visitor.redeem("till", &landed.landed()["code"]).await;
    let keys = KeySet::parse(visitor.get("/jwks").await.text.as_bytes()).unwrap();
    let page = visitor.get("/end-session").await;
    visitor.press(&page, &[("answer", "allow")]).await;
    (server, keys)
}

#[tokio::test]
async fn a_client_is_told_over_https_if_somebody_vouches_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let acceptor = authority.vouch_for("localhost");
    let (_server, keys) = sign_out(&listener, authority.file(&folder)).await;
    let hearing = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut heard = String::new();
        while !heard.contains("logout_token=") || !is_whole(&heard) {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).await.unwrap();
            heard.push_str(str::from_utf8(&some[..count]).unwrap());
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        heard
    };
    let heard = in_time("the client", hearing).await;
    assert!(
        heard.starts_with("POST /signed-out HTTP/1.1\r\n"),
        "{heard}"
    );
    let (_, token) = heard.split_once("logout_token=").unwrap();
    assert!(verify_as(token, Statement::LogoutToken, &keys).is_ok());
}

fn is_whole(heard: &str) -> bool {
    let (head, body) = heard.split_once("\r\n\r\n").unwrap_or((heard, ""));
    let length = head.split("content-length: ").nth(1).unwrap_or("0");
    let length = length.split("\r\n").next().unwrap();
    length.parse() == Ok(body.len())
}

/// It would learn who signed out of what.
#[tokio::test]
async fn whoever_cannot_show_that_they_are_the_client_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    for acceptor in [
        stranger.vouch_for("localhost"),
        authority.vouch_for("elsewhere.example"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (server, _) = sign_out(&listener, authority.file(&folder)).await;
        for _ in 0..2 {
            let accepting = async { listener.accept().await.unwrap() };
            let (stream, _) = in_time("the provider", accepting).await;
            let shaken = in_time("a handshake", acceptor.accept(stream)).await;
            let refused = match shaken {
                Err(_) => true,
                // In TLS 1.3 the one side is done before the other has looked.
                Ok(mut stream) => {
                    let mut heard = Vec::new();
                    let read = in_time("its end", stream.read_to_end(&mut heard)).await;
                    assert!(heard.is_empty(), "{heard:?}");
                    read.is_err()
                }
            };
            assert!(refused);
        }
        server.stop().await;
    }
}
