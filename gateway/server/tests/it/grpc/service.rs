//! A gRPC service, down to the frames: messages with their five bytes in front, a status behind them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub(super) struct Service {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The fields of every call, a line each.
    heard: Mutex<Vec<String>>,
    called_off: Mutex<usize>,
    connections: Mutex<usize>,
    step: Notify,
    changed: Notify,
}

impl Service {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let noted = Arc::clone(&state);
        gateway_server::spawn("grpc", async move {
            while let Ok((stream, _)) = listener.accept().await {
                *noted.connections.lock().unwrap() += 1;
                let state = Arc::clone(&noted);
                gateway_server::spawn("grpc-connection", async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        gateway_server::spawn(
                            "grpc-call",
                            call(request, respond, Arc::clone(&state)),
                        );
                    }
                });
            }
        });
        Self { address, state }
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.state.heard.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.state.connections.lock().unwrap()
    }

    /// Lets `Stepwise` say its next message.
    pub(super) fn step(&self) {
        self.state.step.notify_one();
    }

    /// Waits until the gateway called off so many calls.
    pub(super) async fn until_called_off(&self, count: usize) {
        let all = async {
            loop {
                let changed = self.state.changed.notified();
                if *self.state.called_off.lock().unwrap() >= count {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), all).await;
        waited.expect("the call is not called off");
    }
}

/// The messages of a client, one after the other.
struct Messages {
    body: RecvStream,
    ahead: BytesMut,
}

impl Messages {
    async fn next(&mut self) -> Result<Option<Bytes>, h2::Error> {
        loop {
            if let Some(prefix) = self.ahead.get(..5) {
                assert_eq!(prefix[0], 0, "compressed");
                let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
                let length = usize::try_from(length).unwrap();
                if self.ahead.len() >= 5 + length {
                    self.ahead.advance(5);
                    return Ok(Some(self.ahead.split_to(length).freeze()));
                }
            }
            let Some(data) = self.body.data().await else {
                assert!(self.ahead.is_empty(), "half a message");
                return Ok(None);
            };
            let data = data?;
            self.body.flow_control().release_capacity(data.len())?;
            self.ahead.extend_from_slice(&data);
        }
    }
}

fn message(bytes: &[u8]) -> Bytes {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0], &length[..], bytes].concat().into()
}

fn status(code: &'static str, text: &'static str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", code.parse().unwrap());
    fields.insert("grpc-message", text.parse().unwrap());
    fields.insert("x-behind", "sum".parse().unwrap());
    fields
}

async fn call(request: Request<RecvStream>, respond: SendResponse<Bytes>, state: Arc<State>) {
    let fields = request.headers().iter();
    let line =
        |(name, value): (_, &http::HeaderValue)| format!("{name}: {}\n", value.to_str().unwrap());
    let fields: String = fields.map(line).collect();
    state.heard.lock().unwrap().push(fields);
    let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let messages = Messages {
        body: request.into_body(),
        ahead: BytesMut::new(),
    };
    if answer(&method, messages, respond, &state).await.is_err() {
        *state.called_off.lock().unwrap() += 1;
        state.changed.notify_waiters();
    }
}

async fn answer(
    method: &str,
    mut messages: Messages,
    mut respond: SendResponse<Bytes>,
    state: &State,
) -> Result<(), h2::Error> {
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .header("x-before", "head");
    let head = head.body(()).unwrap();
    if matches!(method, "TrailersOnly" | "Missing") {
        let mut head = head;
        let told = match method {
            "Missing" => status("12", ""),
            _ => status("5", "no such account"),
        };
        head.headers_mut().extend(told);
        return respond.send_response(head, true).map(drop);
    }
    if method == "Never" {
        while messages.next().await?.is_some() {}
        let reset = std::future::poll_fn(|context| respond.poll_reset(context)).await?;
        return Err(reset.into());
    }
    let mut sink = respond.send_response(head, false)?;
    let told = match method {
        "Late" => status("15", "it broke"),
        "Details" => {
            let mut told = status("3", "see the details");
            // 8,000 bytes in base64.
            let details = "A".repeat(10_667);
            told.insert("grpc-status-details-bin", details.parse().unwrap());
            told
        }
        _ => status("0", ""),
    };
    speak(method, &mut messages, &mut sink, state).await?;
    sink.send_trailers(told)
}

async fn speak(
    method: &str,
    messages: &mut Messages,
    sink: &mut SendStream<Bytes>,
    state: &State,
) -> Result<(), h2::Error> {
    let (mut count, mut bytes) = (0, 0);
    while let Some(said) = messages.next().await? {
        count += 1;
        bytes += said.len();
        match method {
            "Unary" => {
                let turned: Vec<u8> = said.iter().rev().copied().collect();
                sink.send_data(message(&turned), false)?;
            }
            "Echo" => sink.send_data(message(&said), false)?,
            "Stepwise" => {
                for byte in &said {
                    sink.send_data(message(&[*byte]), false)?;
                    state.step.notified().await;
                }
            }
            _ => {}
        }
    }
    if method == "Count" {
        let text = format!("{count} messages, {bytes} bytes");
        sink.send_data(message(text.as_bytes()), false)?;
    }
    Ok(())
}
