//! A service that keeps to the rules, with a behaviour for each path.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;

/// What a service was asked.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    /// Method, URI and fields, a line each, in order of their names.
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) trailers: String,
    /// Whether the client side of the stream ended as it should.
    pub(crate) is_whole: bool,
}

pub(crate) struct Sound {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Bytes of `/flood` that the gateway took.
    flooded: Arc<Mutex<usize>>,
}

#[derive(Clone)]
struct Notes {
    heard: Arc<Mutex<Vec<Heard>>>,
    flooded: Arc<Mutex<usize>>,
    number: usize,
}

impl Sound {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let flooded = Arc::new(Mutex::new(0));
        let notes = Notes {
            heard: Arc::clone(&heard),
            flooded: Arc::clone(&flooded),
            number: 0,
        };
        gateway_server::spawn("sound", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = notes.clone();
                gateway_server::spawn("sound-connection", async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else {
                        return;
                    };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let number = {
                            let mut heard = notes.heard.lock().unwrap();
                            heard.push(Heard::of(&request));
                            heard.len() - 1
                        };
                        let notes = Notes {
                            number,
                            ..notes.clone()
                        };
                        gateway_server::spawn("sound-stream", serve(request, respond, notes));
                    }
                });
            }
        });
        Self {
            address,
            heard,
            flooded,
        }
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(super) fn flooded(&self) -> usize {
        *self.flooded.lock().unwrap()
    }
}

impl Heard {
    fn of(request: &Request<RecvStream>) -> Self {
        let head = format!("{} {}\n", request.method(), request.uri());
        Self {
            head: head + &lines(request.headers()),
            ..Self::default()
        }
    }
}

fn lines(fields: &HeaderMap) -> String {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}\n", value.to_str().unwrap())
    };
    let mut lines: Vec<_> = fields.iter().map(line).collect();
    lines.sort();
    lines.concat()
}

impl Notes {
    fn note(&self, note: impl FnOnce(&mut Heard)) {
        note(&mut self.heard.lock().unwrap()[self.number]);
    }
}

fn ok() -> Response<()> {
    let ok = Response::builder().header("content-type", "application/grpc");
    ok.body(()).unwrap()
}

fn status(status: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    trailers.insert("grpc-message", "".parse().unwrap());
    trailers
}

async fn serve(request: Request<RecvStream>, respond: SendResponse<Bytes>, notes: Notes) {
    let path = request.uri().path().to_owned();
    let body = request.into_body();
    // A client that left ends what is done for it, however far it came.
    let _ = match path.as_str() {
        "/echo" => echo(body, respond, &notes).await,
        "/early" => early(body, respond, &notes).await,
        "/continue" => wait_for(body, respond, &notes).await,
        "/trailers-only" => trailers_only(respond),
        "/flood" => flood(respond, &notes).await,
        "/ticks" => ticks(respond).await,
        "/never" => never(body, &notes).await,
        _ => unary(body, respond, &notes).await,
    };
}

async fn read(body: &mut RecvStream, notes: &Notes) -> Option<Bytes> {
    match body.data().await {
        Some(Ok(data)) => {
            body.flow_control().release_capacity(data.len()).ok()?;
            let text = String::from_utf8_lossy(&data).into_owned();
            notes.note(|heard| heard.body.push_str(&text));
            Some(data)
        }
        Some(Err(_)) => None,
        None => {
            let trailers = body.trailers().await.ok()?;
            notes.note(|heard| {
                heard.is_whole = true;
                heard.trailers = lines(&trailers.unwrap_or_default());
            });
            None
        }
    }
}

async fn unary(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    notes: &Notes,
) -> Result<(), h2::Error> {
    let mut length = 0;
    while let Some(data) = read(&mut body, notes).await {
        length += data.len();
    }
    let mut sink = respond.send_response(ok(), false)?;
    sink.send_data(format!("got {length}").into(), false)?;
    sink.send_trailers(status("0"))
}

/// Says back each piece when it comes.
async fn echo(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    notes: &Notes,
) -> Result<(), h2::Error> {
    let mut sink = respond.send_response(ok(), false)?;
    while let Some(data) = read(&mut body, notes).await {
        sink.send_data(data, false)?;
    }
    sink.send_trailers(status("0"))
}

/// Answers before it heard the body, and then hears it.
async fn early(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    notes: &Notes,
) -> Result<(), h2::Error> {
    let mut sink = respond.send_response(ok(), false)?;
    sink.send_data("early".into(), false)?;
    sink.send_trailers(status("0"))?;
    while read(&mut body, notes).await.is_some() {}
    Ok(())
}

async fn wait_for(
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
    notes: &Notes,
) -> Result<(), h2::Error> {
    let go_on = Response::builder().status(100).body(()).unwrap();
    respond.send_informational(go_on)?;
    unary(body, respond, notes).await
}

fn trailers_only(mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut answer = ok();
    *answer.headers_mut() = status("5");
    respond.send_response(answer, true)?;
    Ok(())
}

/// Sends as fast as the gateway takes it, without end.
async fn flood(mut respond: SendResponse<Bytes>, notes: &Notes) -> Result<(), h2::Error> {
    let mut sink = respond.send_response(ok(), false)?;
    loop {
        let room = room(&mut sink).await?;
        sink.send_data(vec![b'x'; room].into(), false)?;
        *notes.flooded.lock().unwrap() += room;
    }
}

/// Says a little now and then, and hears nothing.
async fn ticks(mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut sink = respond.send_response(ok(), false)?;
    for _ in 0..6 {
        // sleeps: the pace of the service
        tokio::time::sleep(Duration::from_millis(150)).await;
        sink.send_data("tick".into(), false)?;
    }
    sink.send_data(Bytes::new(), true)
}

async fn room(sink: &mut SendStream<Bytes>) -> Result<usize, h2::Error> {
    sink.reserve_capacity(16 * 1024);
    loop {
        if sink.capacity() > 0 {
            return Ok(sink.capacity().min(16 * 1024));
        }
        let more = std::future::poll_fn(|context| sink.poll_capacity(context)).await;
        more.unwrap_or(Err(h2::Reason::CANCEL.into()))?;
    }
}

/// Reads all and says nothing.
async fn never(mut body: RecvStream, notes: &Notes) -> Result<(), h2::Error> {
    while read(&mut body, notes).await.is_some() {}
    std::future::pending().await
}
