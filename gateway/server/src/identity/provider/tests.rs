use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use idp_token::ask::report::{GatewayId, Reading};
use idp_token::epoch::Seq;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::spawn::spawn;

const DONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// Answers as many requests of each connection as it is told, and then closes it instead.
async fn serve(
    listener: TcpListener,
    answers: &'static [&'static str],
    connections: Arc<AtomicUsize>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::Relaxed);
        spawn("scripted", converse(stream, answers));
    }
}

async fn converse(mut stream: TcpStream, answers: &'static [&'static str]) {
    let mut answers = answers.iter();
    let mut heard = Vec::new();
    // A request ends with the body that every one of these has.
    while stream
        .read_buf(&mut heard)
        .await
        .is_ok_and(|count| count > 0)
    {
        if !heard.ends_with(b"}") {
            continue;
        }
        heard.clear();
        match answers.next() {
            Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            None => return,
        }
    }
}

async fn start(answers: &'static [&'static str]) -> (Arc<Provider>, Arc<AtomicUsize>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.key");
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::default();
    spawn(
        "scripted",
        serve(listener, answers, Arc::clone(&connections)),
    );
    let provider = Provider::new(address, address, Credential::new(path));
    (provider, connections, folder)
}

fn report() -> Report {
    Report {
        gateway: GatewayId([1; 16]),
        lease: Duration::from_secs(1),
        applied: Seq(1),
        reading: Reading::Provider,
    }
}

#[tokio::test]
async fn a_spare_connection_that_breaks_when_it_is_used_costs_nobody_their_answer() {
    let (provider, connections, _folder) = start(&[DONE]).await;
    for _ in 0..3 {
        provider.report(&report()).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn one_who_breaks_every_connection_is_asked_twice_and_no_more() {
    let (provider, connections, _folder) = start(&[]).await;
    let refused = provider.report(&report()).await;
    assert!(matches!(
        refused,
        Err(CallError::Exchange(ExchangeError::Connection(_)))
    ));
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_answer_longer_than_said_is_no_answer() {
    const LONGEST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 16384\r\n\r\n";
    const LONGER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 16385\r\n\r\n";
    assert_eq!(PROBLEM_BYTES_MAX, 16384);
    let longest: &'static str = format!("{LONGEST}{}", " ".repeat(16384)).leak();
    let longer: &'static str = format!("{LONGER}{}", " ".repeat(16385)).leak();
    let (provider, _, _folder) = start(vec![longest, longer].leak()).await;
    provider.report(&report()).await.unwrap();
    let refused = provider.report(&report()).await;
    assert!(matches!(
        refused,
        Err(CallError::Exchange(ExchangeError::Body(_)))
    ));
}
