//! A service that does what its script says, connection by connection, and keeps what it heard.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is done with one request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Say these bytes and wait for the next request.
    Say(String),
    /// Say these bytes and close.
    SayAndClose(String),
    /// Say these bytes and reset the connection.
    SayAndReset(String),
    /// Say nothing until the gateway leaves.
    Hang,
    /// Wait for a word from the test, then go on with the next step for the same request.
    Wait(Arc<tokio::sync::Notify>),
    /// Do what the test has put here by now.
    Now(Arc<Mutex<Step>>),
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

/// An ordinary answer with this body.
pub(crate) fn ok(body: &str) -> Step {
    Step::Say(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

impl Upstream {
    /// Every connection follows the script from its start; after the last step it is repeated.
    pub(crate) async fn start(script: impl Into<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (script, for_connections) = (script.into(), Arc::clone(&heard));
        gateway_server::spawn("upstream", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let conversation = converse(stream, script.clone(), Arc::clone(&for_connections));
                gateway_server::spawn("upstream-connection", conversation);
            }
        });
        Self { address, heard }
    }

    /// A service at an address where nobody listens.
    pub(crate) async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
    }

    /// Every request so far, head and body as they came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> String {
        self.heard().last().expect("nothing was heard").clone()
    }
}

async fn converse(mut stream: TcpStream, script: Vec<Step>, heard: Arc<Mutex<Vec<String>>>) {
    let mut ahead = Vec::new();
    let mut steps = script.iter().cycle();
    while let Some(request) = read_request(&mut stream, &mut ahead).await {
        heard.lock().unwrap().push(request);
        let mut step = steps.next();
        while let Some(Step::Wait(word)) = step {
            word.notified().await;
            step = steps.next();
        }
        let mut step = step.expect("a script has a step that answers").clone();
        if let Step::Now(now) = step {
            step = now.lock().unwrap().clone();
        }
        match step {
            Step::Say(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap_or_default(),
            Step::SayAndClose(bytes) => {
                stream.write_all(bytes.as_bytes()).await.unwrap_or_default();
                return;
            }
            Step::SayAndReset(bytes) => {
                stream.write_all(bytes.as_bytes()).await.unwrap_or_default();
                stream.set_zero_linger().unwrap();
                return;
            }
            Step::Hang => {
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Step::Wait(_) | Step::Now(_) => unreachable!("waits are over"),
        }
    }
}

async fn read_request(stream: &mut TcpStream, ahead: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(length) = request_length(ahead) {
            let request = ahead.drain(..length).collect();
            return String::from_utf8(request).ok();
        }
        let mut buffer = [0; 4096];
        let count = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        ahead.extend_from_slice(&buffer[..count]);
    }
}

fn request_length(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let head = text.find("\r\n\r\n")? + 4;
    let length = text[..head]
        .split("\r\ncontent-length: ")
        .nth(1)
        .map(|rest| {
            rest.split("\r\n")
                .next()
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0)
        });
    let end = match length {
        Some(length) => head + length,
        None if text[..head].contains("\r\ntransfer-encoding: chunked") => {
            head + text[head..].find("0\r\n\r\n")? + 5
        }
        None => head,
    };
    (bytes.len() >= end).then_some(end)
}
