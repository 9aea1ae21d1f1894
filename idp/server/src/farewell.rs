//! Clients are told that somebody signed out (OpenID Connect Back-Channel Logout).
//!
//! It is a courtesy, told once the end of the session is on disk: nobody waits for it, a client that
//! cannot be told is told of in the log, and its session is over all the same. Over https it must show
//! a certificate that is believed ([`trust`]); its answer is looked at no further than its status.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use idp_core::notice::Notice;
use idp_token::value::{SignError, Statement};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::clock;
use crate::desk::Desk;
use crate::random::{self, NoRandom};
use crate::spawn::spawn;

use trust::Trust;

pub use trust::TrustError;

mod trust;

/// So many people's clients are told at a time.
const PEOPLE_MAX: usize = 64;
/// For one attempt, all in all.
const PATIENCE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;
/// An answer with a longer head is none.
const HEAD_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Farewells {
    places: Arc<Semaphore>,
    trust: Trust,
}

impl Farewells {
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        Ok(Self {
            places: Arc::new(Semaphore::new(PEOPLE_MAX)),
            trust: Trust::new(ca_file)?,
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum FarewellError {
    #[error("it is no address of a client")]
    Address,
    #[error("no answer came in time")]
    TooSlow,
    #[error("nobody is there: {0}")]
    Connect(std::io::Error),
    #[error("it is not who it should be: {0}")]
    Handshake(std::io::Error),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("it closed the connection")]
    Closed,
    #[error("the exchange failed")]
    Exchange(#[from] hyper::Error),
    #[error("it was answered with {0}")]
    Refused(StatusCode),
    #[error("the logout token cannot be signed")]
    Sign(#[from] SignError),
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// Tells these clients, one after the other, while everything else goes on.
pub(crate) fn tell(desk: &Arc<Desk>, notices: Vec<Notice>) {
    if notices.is_empty() {
        return;
    }
    let Ok(place) = Arc::clone(&desk.farewells.places).try_acquire_owned() else {
        tracing::warn!(
            clients = notices.len(),
            "too many clients are being told of a logout: these are not"
        );
        return;
    };
    let desk = Arc::clone(desk);
    spawn("farewell", async move {
        for notice in &notices {
            if let Err(error) = tell_one(&desk, notice).await {
                let client = notice.client.as_str();
                tracing::warn!(client, %error, "a client could not be told of a logout");
            }
        }
        drop(place);
    });
}

async fn tell_one(desk: &Desk, notice: &Notice) -> Result<(), FarewellError> {
    let mut told = Err(FarewellError::TooSlow);
    for _ in 0..ATTEMPTS {
        let request = request(desk, notice)?;
        told = match tokio::time::timeout(PATIENCE, send(&desk.farewells.trust, request)).await {
            Ok(sent) => sent,
            Err(_) => Err(FarewellError::TooSlow),
        };
        if told.is_ok() {
            break;
        }
    }
    told
}

/// A fresh token for each attempt, for one that was received is not taken twice.
fn request(desk: &Desk, notice: &Notice) -> Result<(Uri, Request<Full<Bytes>>), FarewellError> {
    let uri: Uri = notice.uri.parse().map_err(|_| FarewellError::Address)?;
    let authority = uri.authority().ok_or(FarewellError::Address)?.clone();
    let ring = desk.ring.load();
    let claims = notice.claims(&ring.provider, random::bytes()?, clock::now());
    let token = ring
        .signing
        .sign_as(Statement::LogoutToken, &claims.write())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(header::HOST, authority.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(format!("logout_token={token}"))))
        .map_err(|_| FarewellError::Address)?;
    Ok((uri, request))
}

async fn send(
    trust: &Trust,
    (uri, request): (Uri, Request<Full<Bytes>>),
) -> Result<(), FarewellError> {
    let host = uri.host().ok_or(FarewellError::Address)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let (is_secured, port) = match uri.scheme_str() {
        Some("https") => (true, 443),
        Some("http") => (false, 80),
        Some(_) | None => return Err(FarewellError::Address),
    };
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(port)));
    let stream = stream.await.map_err(FarewellError::Connect)?;
    if !is_secured {
        return exchange(stream, request).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| FarewellError::Address)?;
    let secured = trust.connector().await?.connect(name, stream).await;
    exchange(secured.map_err(FarewellError::Handshake)?, request).await
}

/// Redirects are not followed.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(), FarewellError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let answering = sender.send_request(request);
    tokio::pin!(connection);
    let answer = tokio::select! {
        answer = answering => answer?,
        ended = &mut connection => {
            ended?;
            return Err(FarewellError::Closed);
        }
    };
    let status = answer.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(FarewellError::Refused(status))
    }
}
