//! Answers that no HTTP library would give: written to the socket byte by byte.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::response::Parts;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::faults::Spoil;

/// More than any answer of ours has.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const FILLER_FIELDS: usize = 16;
const FILLER_BYTES: usize = 16 * 1024;
/// A client that does not read is left alone after this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

const GARBAGE: &[u8] = b"\x16\x03\x01\x00\xff not HTTP \x00\r\n\r\n\xfe\xed\xfa\xce";

/// A spoiled answer, ready to be written.
#[derive(Debug)]
pub(crate) struct Spoiled {
    bytes: Vec<u8>,
    ending: Ending,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Close,
    Reset,
}

impl Spoiled {
    pub(crate) async fn render(spoil: Spoil, response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = whole(body).await;
        let half = body.get(..body.len() / 2).unwrap_or_default();
        let head = |filler: &str| {
            let mut bytes = head(&parts, body.len(), filler).into_bytes();
            bytes.extend_from_slice(half);
            bytes
        };
        let (bytes, ending) = match spoil {
            Spoil::Reset => (head(""), Ending::Reset),
            Spoil::ShortBody => (head(""), Ending::Close),
            Spoil::Garbage => (GARBAGE.to_vec(), Ending::Close),
            Spoil::OversizeHead => (head(&filler()), Ending::Close),
            Spoil::Silence => (Vec::new(), Ending::Close),
        };
        Self { bytes, ending }
    }
}

async fn whole(body: Body) -> Bytes {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            tracing::error!(%error, "an answer of ours could not be read");
            Bytes::new()
        }
    }
}

fn head(parts: &Parts, body_bytes: usize, filler: &str) -> String {
    let mut head = format!("HTTP/1.1 {}\r\n", parts.status);
    for (name, value) in &parts.headers {
        if let (true, Ok(value)) = (name != "content-length", value.to_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {body_bytes}\r\n{filler}\r\n"));
    head
}

fn filler() -> String {
    let value = "f".repeat(FILLER_BYTES);
    let fields = (0..FILLER_FIELDS).map(|n| format!("x-filler-{n}: {value}\r\n"));
    fields.collect()
}

pub(crate) async fn play(mut stream: TcpStream, spoiled: Spoiled) -> io::Result<()> {
    let written = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(&spoiled.bytes)).await;
    written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    match spoiled.ending {
        Ending::Close => stream.shutdown().await,
        Ending::Reset => stream.set_zero_linger(),
    }
}
