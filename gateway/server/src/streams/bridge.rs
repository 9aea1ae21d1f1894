//! One stream of HTTP/2 and the pipe that stands for it, both ways.
//!
//! Nothing is buffered beyond what the pipe and the h2 crate hold: the client's window opens as the
//! pipe takes bytes, and the pipe is read as the client's window allows.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use gateway_core::{http2, trailers};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::wire::FarEnd;

use answer::AnswerWay;

mod answer;

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Answered,
    /// The client called it off, broke it, or does not take its answer.
    CalledOff,
    /// There was no whole answer.
    Cut,
}

/// The client is gone, as far as this stream is concerned.
#[derive(Debug)]
struct Left;

/// Speaks for the client of one stream until it was answered or left.
pub(super) async fn run(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    far: FarEnd,
    stall: Duration,
) -> Ended {
    let FarEnd {
        reading,
        writing,
        breaks,
    } = far;
    let (parts, body) = request.into_parts();
    let is_whole = body.is_end_stream();
    let mut head = Vec::with_capacity(1024);
    let is_chunked = http2::write_head(&parts, is_whole, &mut head);
    let method: Method = parts.method;
    let asking = async {
        let asked = ask(&head, body, is_chunked, writing).await;
        if asked.is_ok() {
            // An answer is still to come; that the client left is noticed where it is written.
            pending::<()>().await;
        }
    };
    let mut answering = AnswerWay::new(reading, respond, stall);
    let ended = tokio::select! {
        ended = answering.run(&method) => ended,
        () = asking => Ended::CalledOff,
    };
    if ended == Ended::CalledOff {
        breaks.leave();
    }
    answering.end(ended);
    ended
}

/// Writes a request to the pipe. That nobody reads it any more is no fault: the answer says why.
async fn ask(
    head: &[u8],
    mut body: RecvStream,
    is_chunked: bool,
    mut pipe: impl AsyncWrite + Unpin,
) -> Result<(), Left> {
    if pipe.write_all(head).await.is_err() {
        return Ok(());
    }
    while let Some(data) = body.data().await {
        let data = data.map_err(|_| Left)?;
        if write_data(&data, is_chunked, &mut pipe).await.is_err() {
            return Ok(());
        }
        let released = body.flow_control().release_capacity(data.len());
        released.map_err(|_| Left)?;
    }
    let fields = body.trailers().await.map_err(|_| Left)?;
    if is_chunked {
        // As above: whoever stopped reading has answered.
        let _ = pipe.write_all(&last_chunk(fields.as_ref())).await;
    }
    Ok(())
}

async fn write_data(
    data: &Bytes,
    is_chunked: bool,
    pipe: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    if !is_chunked {
        return pipe.write_all(data).await;
    }
    if data.is_empty() {
        return Ok(());
    }
    let size = format!("{:x}\r\n", data.len());
    pipe.write_all(size.as_bytes()).await?;
    pipe.write_all(data).await?;
    pipe.write_all(b"\r\n").await
}

fn last_chunk(fields: Option<&HeaderMap>) -> Vec<u8> {
    let mut bytes = b"0\r\n".to_vec();
    let fields = fields.into_iter().flatten();
    for (name, value) in fields.filter(|(name, _)| trailers::may_pass(name.as_str())) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}
