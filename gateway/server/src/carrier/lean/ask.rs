//! Getting a service to begin an answer.

use std::future::poll_fn;
use std::task::Poll;

use bytes::BytesMut;
use gateway_core::answer::{self, AnswerBody, AnswerHead, Client};
use gateway_core::head::find_end;
use gateway_core::rejection::Rejection;
use gateway_upstream::InFlight;
use http::Method;
use tokio::io::AsyncWriteExt as _;

use super::{End, Run};
use crate::carrier::ATTEMPTS_MAX;
use crate::carrier::link::Link;
use crate::{clock, random};

/// Informational heads that are passed on before the answer itself must come.
const INFORMATIONAL_MAX: usize = 16;

/// A service that began to answer; the client was told the head.
pub(super) struct Answered {
    pub(super) link: Link,
    pub(super) in_flight: InFlight,
    pub(super) body: AnswerBody,
    /// Whether the service will take another request on this connection.
    pub(super) keeps_alive: bool,
}

/// Why an attempt came to no answer.
enum Miss {
    /// Nothing was sent: the endpoint takes no connections.
    Unreachable,
    /// Not a byte of an answer came. On a connection that was kept, the service may have closed it
    /// just when it was used again.
    Silent {
        was_used: bool,
    },
    End(End),
}

impl From<End> for Miss {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

const BROKEN: End = End::Rejected(Rejection::UpstreamBroken);

impl Run {
    /// Tries endpoints until one begins to answer. Another endpoint is tried where nothing was sent,
    /// and a read once more where a kept connection broke.
    pub(super) async fn ask(&mut self) -> Result<Answered, End> {
        let mut tried = Vec::new();
        loop {
            let service = &self.exchange.route.upstream.service;
            let Some(in_flight) = service.pick(&tried, random::next_u64()) else {
                return Err(End::Rejected(Rejection::UpstreamUnreachable));
            };
            self.outcome.endpoint = Some(in_flight.endpoint().clone());
            self.outcome.attempts += 1;
            let place = in_flight.place();
            let is_last = self.outcome.attempts >= ATTEMPTS_MAX;
            match self.attempt(in_flight).await {
                Ok(answered) => return Ok(answered),
                Err(Miss::Unreachable) if !is_last => tried.push(place),
                Err(Miss::Unreachable) => {
                    return Err(End::Rejected(Rejection::UpstreamUnreachable));
                }
                Err(Miss::Silent { was_used: true })
                    if self.exchange.may_be_repeated() && !is_last => {}
                Err(Miss::Silent { .. }) => return Err(BROKEN),
                Err(Miss::End(end)) => return Err(end),
            }
        }
    }

    async fn attempt(&mut self, in_flight: InFlight) -> Result<Answered, Miss> {
        self.attempt_began = clock::now();
        let mut link = self.connect(&in_flight).await?;
        let was_used = link.was_used;
        link.stream
            .write_all(&self.request)
            .await
            .map_err(|_| Miss::Silent { was_used })?;
        for _ in 0..INFORMATIONAL_MAX {
            let head = self.hear(&mut link).await?;
            let answer = AnswerHead::parse(&head, self.method()).map_err(|error| {
                tracing::debug!(request_id = %self.exchange.request.id, %error, "answer refused");
                BROKEN
            })?;
            if answer.status == 101 {
                break;
            }
            if !answer.is_informational() {
                self.begin(&answer).await?;
                let (body, keeps_alive) = (answer.body, answer.keeps_alive);
                return Ok(Answered {
                    link,
                    in_flight,
                    body,
                    keeps_alive,
                });
            }
            let mut informational = Vec::new();
            answer::write_informational(&answer, &mut informational);
            self.write(&informational).await?;
        }
        Err(BROKEN.into())
    }

    async fn connect(&mut self, in_flight: &InFlight) -> Result<Link, Miss> {
        let upstream = &self.exchange.route.upstream;
        let spare = upstream
            .spares
            .get(in_flight.place())
            .and_then(|spares| spares.take());
        if let Some(link) = spare {
            self.outcome.connection_was_reused = true;
            return Ok(link);
        }
        self.outcome.connection_was_reused = false;
        let deadline = upstream.service.policy().timeouts.connect;
        let link = Link::connect(in_flight.endpoint().address(), deadline)
            .await
            .map_err(|error| {
                tracing::debug!(endpoint = in_flight.endpoint().text(), %error, "cannot connect");
                Miss::Unreachable
            })?;
        self.outcome.connect = Some(self.since(self.attempt_began));
        Ok(link)
    }

    /// Reads one head of the service, which may be as large as one of a client.
    async fn hear(&mut self, link: &mut Link) -> Result<BytesMut, Miss> {
        let bytes_max = self.exchange.snapshot.limits.head_bytes_max;
        let mut searched = 0;
        loop {
            let found = find_end(&link.buffer, searched).map_err(|_| BROKEN)?;
            if found.unwrap_or(link.buffer.len()) > bytes_max {
                return Err(BROKEN.into());
            }
            if let Some(length) = found {
                return Ok(link.buffer.split_to(length));
            }
            searched = link.buffer.len();
            let read = self.read(link).await;
            if read.map_err(|end| silent_if_nothing_came(end, link))? == 0 {
                return Err(silent_if_nothing_came(BROKEN, link));
            }
        }
    }

    /// Reads from the service; while it is silent, what is written for the client is sent, and that
    /// the client broke the connection is noticed.
    pub(super) async fn read(&mut self, link: &mut Link) -> Result<usize, End> {
        poll_fn(|context| {
            if let Poll::Ready(read) = link.poll_read(context) {
                return Poll::Ready(read.map_err(|_| BROKEN));
            }
            if let Poll::Ready(Err(_)) = self.wire.poll_send(context) {
                return Poll::Ready(Err(End::ClientLeft));
            }
            self.poll_client(context).map(|_| Err(End::ClientLeft))
        })
        .await
    }

    /// Tells the client the head of the answer; it leaves with the first of the body.
    async fn begin(&mut self, answer: &AnswerHead<'_>) -> Result<(), End> {
        self.outcome.first_byte = Some(self.since(self.attempt_began));
        self.outcome.status = Some(answer.status);
        // The request is not needed any more; its memory is.
        let mut head = std::mem::take(&mut self.request);
        head.clear();
        clock::with_http_date(clock::unix_micros() / 1_000_000, |date| {
            let client = Client {
                request_id: &self.exchange.request.id,
                keeps_alive: self.keeps_alive,
                date,
            };
            answer::write_head(answer, self.exchange.route(), &client, &mut head);
        });
        self.write(&head).await
    }

    fn method(&self) -> &Method {
        self.exchange
            .asked()
            .map_or(&Method::GET, |asked| &asked.method)
    }
}

/// An end that came before any byte of an answer leaves it open whether the service was asked.
fn silent_if_nothing_came(end: End, link: &Link) -> Miss {
    let is_broken = matches!(end, End::Rejected(_));
    if is_broken && !link.has_spoken {
        Miss::Silent {
            was_used: link.was_used,
        }
    } else {
        Miss::End(end)
    }
}
