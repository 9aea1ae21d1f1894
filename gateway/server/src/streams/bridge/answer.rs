//! The answer of one stream, from the pipe to the client.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateway_core::answer::{AnswerBody, AnswerHead};
use gateway_core::chunked::{Chunked, Part};
use gateway_core::head::{Field, find_end};
use gateway_core::trailers;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, DuplexStream, ReadHalf};
use tokio::time::timeout;

use super::Ended;
use crate::clock;

/// Bytes read from the pipe at once, which is what a frame holds.
const READ_BYTES: usize = 16 * 1024;
/// The slowest that a client may take an answer, in the long run.
const BYTES_PER_SECOND_MIN: u32 = 500;

pub(super) struct AnswerWay {
    pipe: ReadHalf<DuplexStream>,
    buffer: BytesMut,
    respond: SendResponse<Bytes>,
    /// Once the head was sent.
    body: Option<SendStream<Bytes>>,
    patience: Patience,
}

/// How long a client may still leave its window shut. Waiting uses it up, and what is taken brings it
/// back, so that opening the window by a byte now and then holds no stream.
struct Patience {
    left: Duration,
    most: Duration,
}

/// Why an answer was not sent to its end.
type Broken = Ended;

impl AnswerWay {
    pub(super) fn new(
        pipe: ReadHalf<DuplexStream>,
        respond: SendResponse<Bytes>,
        stall: Duration,
    ) -> Self {
        Self {
            pipe,
            buffer: BytesMut::new(),
            respond,
            body: None,
            patience: Patience {
                left: stall,
                most: stall,
            },
        }
    }

    pub(super) async fn run(&mut self, method: &Method) -> Ended {
        match self.pass_on(method).await {
            Ok(()) => Ended::Answered,
            Err(broken) => broken,
        }
    }

    /// Tells the client of an end that is none: a reset can be taken for nothing else.
    pub(super) fn end(&mut self, ended: Ended) {
        let reason = match ended {
            Ended::Answered => return,
            Ended::CalledOff => Reason::CANCEL,
            Ended::Cut => Reason::INTERNAL_ERROR,
        };
        match &mut self.body {
            Some(body) => body.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    async fn pass_on(&mut self, method: &Method) -> Result<(), Broken> {
        match self.head(method).await? {
            AnswerBody::Nothing => Ok(()),
            AnswerBody::Length(length) => self.length(length).await,
            AnswerBody::Chunked => self.chunks().await,
            // None of ours says so little: such an end could not be told from a cut.
            AnswerBody::UntilClose => Err(Ended::Cut),
        }
    }

    /// Passes on the head, and what informs before it.
    async fn head(&mut self, method: &Method) -> Result<AnswerBody, Broken> {
        loop {
            let head = self.next_head().await?;
            let answer = AnswerHead::parse(&head, method).map_err(|error| {
                tracing::debug!(%error, "an answer cannot be told in HTTP/2");
                Ended::Cut
            })?;
            let response = response(&answer).ok_or(Ended::Cut)?;
            if answer.is_informational() {
                let sent = self.respond.send_informational(response);
                sent.map_err(|_| Ended::CalledOff)?;
                continue;
            }
            let is_end = answer.body == AnswerBody::Nothing;
            let sent = self.respond.send_response(response, is_end);
            self.body = Some(sent.map_err(|_| Ended::CalledOff)?);
            return Ok(answer.body);
        }
    }

    async fn next_head(&mut self) -> Result<BytesMut, Broken> {
        let mut searched = 0;
        loop {
            if let Some(length) = find_end(&self.buffer, searched).map_err(|_| Ended::Cut)? {
                return Ok(self.buffer.split_to(length));
            }
            searched = self.buffer.len();
            self.read_more().await?;
        }
    }

    async fn length(&mut self, mut left: u64) -> Result<(), Broken> {
        while left > 0 {
            if self.buffer.is_empty() {
                self.read_more().await?;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX);
            let data = self.buffer.split_to(count.min(self.buffer.len()));
            left -= data.len() as u64;
            self.send(data.freeze(), left == 0).await?;
        }
        Ok(())
    }

    async fn chunks(&mut self) -> Result<(), Broken> {
        let mut chunks = Chunked::default();
        let mut lines = BytesMut::new();
        while !chunks.is_done() {
            if self.buffer.is_empty() {
                self.read_more().await?;
            }
            let (part, count) = chunks.next_part(&self.buffer).map_err(|_| Ended::Cut)?;
            let bytes = self.buffer.split_to(count);
            match part {
                Part::Framing => {}
                Part::Data => self.send(bytes.freeze(), false).await?,
                Part::Trailer => lines.extend_from_slice(&bytes),
            }
        }
        let fields = trailers::parse(&lines).map_err(|_| Ended::Cut)?;
        if fields.is_empty() {
            return self.send(Bytes::new(), true).await;
        }
        let fields = fields_of(fields.iter()).ok_or(Ended::Cut)?;
        let body = self.body.as_mut().ok_or(Ended::Cut)?;
        body.send_trailers(fields).map_err(|_| Ended::CalledOff)
    }

    /// Sends as the client's window allows; one that stays shut, or as good as shut, is a stalled write.
    async fn send(&mut self, mut data: Bytes, is_end: bool) -> Result<(), Broken> {
        let body = self.body.as_mut().ok_or(Ended::Cut)?;
        while !data.is_empty() {
            body.reserve_capacity(data.len());
            let room = self.patience.wait(room(body)).await;
            let room = room.flatten().ok_or(Ended::CalledOff)?;
            let part = data.split_to(room.min(data.len()));
            self.patience.restore(part.len());
            let is_last = is_end && data.is_empty();
            body.send_data(part, is_last)
                .map_err(|_| Ended::CalledOff)?;
            if is_last {
                return Ok(());
            }
        }
        if is_end {
            body.send_data(Bytes::new(), true)
                .map_err(|_| Ended::CalledOff)?;
        }
        Ok(())
    }

    /// Reads more of an answer that is not complete; its end now is a cut.
    async fn read_more(&mut self) -> Result<(), Broken> {
        match self.read().await? {
            0 => Err(Ended::Cut),
            _ => Ok(()),
        }
    }

    /// Reads from the pipe, unless the client calls the request off before there is anything.
    async fn read(&mut self) -> Result<usize, Broken> {
        self.buffer.reserve(READ_BYTES);
        poll_fn(|context| {
            let read = pin!(self.pipe.read_buf(&mut self.buffer));
            if let Poll::Ready(read) = read.poll(context) {
                return Poll::Ready(read.map_err(|_| Ended::Cut));
            }
            let reset = match &mut self.body {
                Some(body) => body.poll_reset(context),
                None => self.respond.poll_reset(context),
            };
            reset.map(|_| Err(Ended::CalledOff))
        })
        .await
    }
}

impl Patience {
    async fn wait<T>(&mut self, moment: impl Future<Output = T>) -> Option<T> {
        let began = clock::now();
        let come = timeout(self.left, moment).await.ok();
        let waited = clock::now().saturating_duration_since(began);
        self.left = self.left.saturating_sub(waited);
        come
    }

    fn restore(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let restored = Duration::from_secs(1) * bytes / BYTES_PER_SECOND_MIN;
        self.left = self.most.min(self.left.saturating_add(restored));
    }
}

/// Waits for room in the client's window; `None` when the stream is no more.
async fn room(body: &mut SendStream<Bytes>) -> Option<usize> {
    loop {
        let room = body.capacity();
        if room > 0 {
            return Some(room);
        }
        let told = poll_fn(|context| body.poll_capacity(context)).await;
        told?.ok()?;
    }
}

fn response(answer: &AnswerHead<'_>) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(answer.status).ok()?;
    *response.headers_mut() = fields_of(answer.end_to_end())?;
    if let Some(length) = answer.length() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    Some(response)
}

fn fields_of<'a>(fields: impl Iterator<Item = &'a Field<'a>>) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        map.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(map)
}
