//! Getting a service to begin an answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use gateway_core::answer::{self, AnswerBody, AnswerHead, Client};
use gateway_core::head::find_end;
use gateway_core::rejection::Rejection;
use gateway_core::route::Route;
use gateway_upstream::{Fault, Picked};
use http::Method;
use tokio::io::AsyncWriteExt as _;

use super::{End, Run};
use crate::carrier::link::Link;
use crate::carrier::terms;
use crate::{clock, random};

/// Informational heads that are passed on before the answer itself must come.
const INFORMATIONAL_MAX: usize = 16;

/// A service that began to answer; the client was told the head.
pub(super) struct Answered {
    pub(super) link: Link,
    /// The place of the endpoint in its service.
    pub(super) place: usize,
    pub(super) body: AnswerBody,
    /// Whether the service will take another request on this connection.
    pub(super) keeps_alive: bool,
}

/// What a service began.
pub(super) enum Begun {
    Answer(Answered),
    WebSocket(Link),
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

/// Writes the head of an answer in one of the forms it can have.
type WriteHead = fn(&AnswerHead<'_>, &Route, &Client<'_>, &mut Vec<u8>);

const BROKEN: End = End::Rejected(Rejection::UpstreamBroken);

impl Run<'_> {
    /// Tries endpoints until one begins to answer, as often as the call allows.
    pub(super) async fn ask(&mut self) -> Result<Begun, End> {
        self.call = Some(terms::admit(&self.exchange).map_err(End::Rejected)?);
        loop {
            self.attempt_began = clock::now();
            let picked = self.call.as_mut().and_then(|call| {
                let random = random::next_u64();
                call.pick(self.attempt_began, random)
            });
            let Some(picked) = picked else {
                return Err(End::Rejected(Rejection::UpstreamUnreachable));
            };
            self.outcome.endpoint = Some(Arc::clone(&picked.endpoint));
            self.outcome.attempts += 1;
            let (fault, end) = match self.attempt(&picked).await {
                Ok(begun) => return Ok(begun),
                Err(Miss::Unreachable) => (Fault::Unreachable, Rejection::UpstreamUnreachable),
                Err(Miss::Silent { was_used: true }) => {
                    (Fault::KeptBroke, Rejection::UpstreamBroken)
                }
                Err(Miss::Silent { was_used: false }) => (Fault::Broken, Rejection::UpstreamBroken),
                Err(Miss::End(end)) => return Err(end),
            };
            let is_read = self.exchange.may_be_repeated();
            let call = self.call.as_mut();
            if !call.is_some_and(|call| call.may_retry(fault, is_read, clock::now())) {
                return Err(End::Rejected(end));
            }
        }
    }

    async fn attempt(&mut self, picked: &Picked) -> Result<Begun, Miss> {
        let mut link = self.connect(picked).await?;
        let was_used = link.was_used;
        link.stream
            .write_all(&self.request)
            .await
            .map_err(|_| Miss::Silent { was_used })?;
        if let Some(call) = &mut self.call {
            call.sent(clock::now());
        }
        for _ in 0..INFORMATIONAL_MAX {
            let head = self.hear(&mut link).await?;
            let answer = AnswerHead::parse(&head, self.method()).map_err(|error| {
                tracing::debug!(request_id = %self.exchange.request.id, %error, "answer refused");
                BROKEN
            })?;
            if answer.status == 101 {
                let exchange = Arc::clone(&self.exchange);
                let wish = exchange.websocket.as_ref();
                if !wish.is_some_and(|wish| wish.is_granted_by(&answer)) {
                    break;
                }
                if let Some(standing) = &exchange.standing {
                    standing.check().await.map_err(End::Rejected)?;
                }
                self.begin(&answer, answer::write_switch).await?;
                return Ok(Begun::WebSocket(link));
            }
            if !answer.is_informational() {
                self.begin(&answer, answer::write_head).await?;
                let (body, keeps_alive) = (answer.body, answer.keeps_alive);
                return Ok(Begun::Answer(Answered {
                    link,
                    place: picked.place,
                    body,
                    keeps_alive,
                }));
            }
            let mut informational = Vec::new();
            answer::write_informational(&answer, self.exchange.route(), &mut informational);
            self.write(&informational).await?;
        }
        Err(BROKEN.into())
    }

    async fn connect(&mut self, picked: &Picked) -> Result<Link, Miss> {
        let upstream = &self.exchange.upstream;
        let spares = upstream.spares.get(picked.place);
        if let Some(link) = spares.and_then(|spares| spares.take()) {
            self.outcome.connection_was_reused = true;
            return Ok(link);
        }
        self.outcome.connection_was_reused = false;
        let deadline = upstream.service.policy().timeouts.connect;
        let link = Link::connect(picked.endpoint.address(), deadline)
            .await
            .map_err(|error| {
                tracing::debug!(endpoint = picked.endpoint.text(), %error, "cannot connect");
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
            self.wire.poll_break(context).map(|()| Err(End::ClientLeft))
        })
        .await
    }

    /// Tells the client the head of the answer; it leaves with the first of the body.
    async fn begin(&mut self, answer: &AnswerHead<'_>, write: WriteHead) -> Result<(), End> {
        let now = clock::now();
        if let Some(call) = &mut self.call {
            call.answered(answer.status, now, random::next_u64());
        }
        self.outcome.first_byte = Some(now.saturating_duration_since(self.attempt_began));
        self.outcome.status = Some(answer.status);
        self.keeps_alive &= !self.lifecycle.is_closing();
        // The request is not needed any more; its memory is.
        let mut head = std::mem::take(&mut self.request);
        head.clear();
        clock::with_http_date(clock::unix_micros() / 1_000_000, |date| {
            let client = Client {
                request_id: &self.exchange.request.id,
                keeps_alive: self.keeps_alive,
                reads_chunks: true,
                date,
                identified_in: self.exchange.timing(),
            };
            write(answer, self.exchange.route(), &client, &mut head);
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
