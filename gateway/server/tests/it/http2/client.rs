//! A client that speaks HTTP/2 as it should, and keeps all of an answer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) send: SendRequest<Bytes>,
    /// Ends with the connection.
    pub(crate) driver: JoinHandle<Result<(), h2::Error>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    pub(crate) async fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        Self::on(stream).await
    }

    /// Speaks HTTP/2 on a connection that is there.
    pub(crate) async fn on<S>(stream: S) -> Option<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // One stream that is not read must not use up what there is for all.
        let mut builder = h2::client::Builder::new();
        builder.initial_connection_window_size(1024 * 1024);
        let (send, connection) = builder.handshake(stream).await.ok()?;
        Some(Self {
            send,
            driver: gateway_server::spawn("client", connection),
        })
    }

    /// Sends a head, and leaves the body to the caller.
    pub(crate) async fn begin(
        &self,
        request: Request<()>,
        is_whole: bool,
    ) -> Result<(h2::client::ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut send = self.send.clone().ready().await?;
        send.send_request(request, is_whole)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, h2::Error> {
        let (response, _) = self.begin(request("GET", path), true).await?;
        read(within(response).await?).await
    }

    /// Sends a request with a body, as the window allows, and reads its answer.
    pub(crate) async fn ask(
        &self,
        request: Request<()>,
        body: impl Into<Bytes>,
    ) -> Result<Answer, h2::Error> {
        let (response, mut sending) = self.begin(request, false).await?;
        let body = body.into();
        let upload = async {
            // A service may answer before it has heard everything.
            let _ = send(&mut sending, body, true).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = async { read(within(response).await?).await } => answer,
            () = upload => unreachable!("an upload waits for the answer"),
        }
    }
}

pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://edge.test{path}");
    Request::builder().method(method).uri(uri).body(()).unwrap()
}

pub(crate) fn with(mut request: Request<()>, name: &'static str, value: &str) -> Request<()> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

pub(crate) async fn send(
    stream: &mut SendStream<Bytes>,
    mut body: Bytes,
    is_end: bool,
) -> Result<(), h2::Error> {
    if body.is_empty() && is_end {
        return stream.send_data(body, true);
    }
    while !body.is_empty() {
        stream.reserve_capacity(body.len().min(16_384));
        let room = match stream.capacity() {
            0 => std::future::poll_fn(|context| stream.poll_capacity(context)).await,
            room => Some(Ok(room)),
        };
        let Some(room) = room else { return Ok(()) };
        let part = body.split_to(room?.min(body.len()));
        stream.send_data(part, is_end && body.is_empty())?;
    }
    Ok(())
}

/// Reads an answer to its end; an end that is none is an error.
pub(crate) async fn read(response: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = within(stream.data()).await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    Ok(Answer {
        status: parts.status.as_u16(),
        fields: parts.headers,
        body,
        trailers: within(stream.trailers()).await?,
    })
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("not in time")
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }

    /// The stable code of an answer of the gateway's own.
    pub(crate) fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}
