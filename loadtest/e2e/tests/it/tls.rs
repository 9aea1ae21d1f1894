//! Promise: the real binary serves TLS, and takes a renewed certificate over without being told.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::stack::{PATIENCE, SMALL, Tollgate, boot_pay, services, write_certificate};

const NAME: &str = "shop.example";

fn client(trusted: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(trusted.to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

/// The answer to one request; `None` where the client does not trust what it is shown.
async fn ask(gateway: SocketAddr, client: &TlsConnector) -> Option<String> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let mut stream = client.connect(name, stream).await.ok()?;
    let request = format!("GET /members/7 HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    Some(answer)
}

fn write_file(folder: &Path, services: &str) {
    let text = format!(
        "listen:\n- address: \"127.0.0.1:0\"\n  tls: {{ cert: shop.crt, key: shop.key }}\n\
         admin: {{ address: \"127.0.0.1:0\" }}\nlog: {{ access: off }}\n{services}\
         routes: [{{ match: \"/members/{{id}}\", to: membership }}]\n"
    );
    fs::write(folder.join("tollgate.yaml"), text).unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_word() {
    let pay = boot_pay(SMALL).await;
    let folder = tempfile::tempdir().unwrap();
    let old = client(&write_certificate(folder.path(), "shop", NAME));
    write_file(folder.path(), &services(&pay, "10s"));
    let file = folder.path().join("tollgate.yaml");
    let (process, gateway, _) = Tollgate::gateway(&file).await;
    let answer = ask(gateway, &old).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"memberId\":\"7\""), "{answer}");

    let new = client(&write_certificate(folder.path(), "shop", NAME));
    let noticed = async { while ask(gateway, &new).await.is_none() {} };
    let noticed = tokio::time::timeout(PATIENCE, noticed).await;
    assert!(noticed.is_ok(), "{}", process.stderr());
    // Who was here before comes back by the session and is shown nothing.
    assert!(ask(gateway, &old).await.is_some());
}
