//! Getting a service to begin an answer.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use gateway_core::answer::{self, AnswerBody, AnswerHead, Client};
use gateway_core::rejection::Rejection;
use gateway_upstream::{Fault, Picked};
use h2::Reason;
use h2::client::ResponseFuture;
use http::{Method, Response, StatusCode};

use super::upload::Upload;
use super::{BROKEN, End, Run, size};
use crate::carrier::terms;
use crate::carrier::trunk::{Lane, NoLane};
use crate::{clock, random};

/// Informational heads that are passed on before the answer itself must come.
const INFORMATIONAL_MAX: usize = 16;

/// Why an attempt came to no answer.
pub(super) enum Miss {
    /// Nothing was done, or perhaps nothing was.
    Fault(Fault),
    End(End),
}

/// What of an answer came.
enum Heard {
    Informational(Response<()>),
    Answer(Response<h2::RecvStream>),
}

impl From<End> for Miss {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl Run<'_> {
    /// Tries endpoints until one begins to answer, as often as the call allows, and passes that answer
    /// on.
    pub(super) async fn ask(&mut self, upload: &mut Upload) -> Result<(), End> {
        self.call = Some(terms::admit(&self.exchange).map_err(End::Rejected)?);
        loop {
            self.attempt_began = clock::now();
            let picked = self.call.as_mut().and_then(|call| {
                let random = random::next_u64();
                call.pick(self.attempt_began, random)
            });
            let Some(picked) = picked else {
                return Err(Rejection::UpstreamUnreachable.into());
            };
            self.outcome.endpoint = Some(Arc::clone(&picked.endpoint));
            self.outcome.attempts += 1;
            let fault = match self.attempt(&picked, upload).await {
                Ok(()) => return Ok(()),
                Err(Miss::Fault(fault)) => fault,
                Err(Miss::End(end)) => return Err(end),
            };
            let is_read = self.exchange.may_be_repeated();
            let call = self.call.as_mut();
            let may_retry = call.is_some_and(|call| call.may_retry(fault, is_read, clock::now()));
            if !may_retry || !upload.may_be_sent() {
                return Err(End::Rejected(told(fault)));
            }
        }
    }

    async fn attempt(&mut self, picked: &Picked, upload: &mut Upload) -> Result<(), Miss> {
        let exchange = Arc::clone(&self.exchange);
        let Some(trunks) = exchange.upstream.trunks.get(picked.place) else {
            return Err(Miss::End(Rejection::Internal.into()));
        };
        self.both.set_sent(None);
        let asked = trunks.ask(&self.request, upload.is_nothing()).await;
        let (lane, (answer, sink)) = asked.map_err(|lack| match lack {
            NoLane::Unreachable => Miss::Fault(Fault::Unreachable),
            NoLane::Full => Miss::End(Rejection::UpstreamSaturated.into()),
        })?;
        self.outcome.connection_was_reused = !lane.is_first;
        self.outcome.connect = lane.is_first.then(|| self.since(self.attempt_began));

        let both = self.both;
        let sent = upload.send(both, sink, &exchange.route().request_fields);
        tokio::select! {
            biased;
            answered = self.answer(answer, &lane) => answered,
            end = sent => Err(Miss::End(end)),
        }
    }

    async fn answer(&mut self, mut answer: ResponseFuture, lane: &Lane) -> Result<(), Miss> {
        for count in 0..INFORMATIONAL_MAX {
            let heard = self.hear(&mut answer).await?;
            let heard = heard.map_err(|error| miss(&error, lane, count > 0))?;
            lane.note_heard();
            match heard {
                Heard::Informational(head) => self.pass_on(&head).await?,
                Heard::Answer(answer) => {
                    let (head, body) = answer.into_parts();
                    let told = self.begin(&head, body.is_end_stream()).await?;
                    return Ok(self.relay(told, body, lane).await?);
                }
            }
        }
        Err(BROKEN.into())
    }

    /// Waits for the next head; what is written for the client is sent meanwhile.
    async fn hear(&self, answer: &mut ResponseFuture) -> Result<Result<Heard, h2::Error>, End> {
        poll_fn(|context| {
            self.both.poll_send(context)?;
            // The answer itself is only looked for where no informational head is before it: looking
            // for it would pass over them.
            let heard = match ready!(answer.poll_informational(context)) {
                Some(informational) => informational.map(Heard::Informational),
                None => ready!(Pin::new(&mut *answer).poll(context)).map(Heard::Answer),
            };
            Poll::Ready(Ok(heard))
        })
        .await
    }

    async fn pass_on(&self, head: &Response<()>) -> Result<(), End> {
        let judged = self.judge(head.status(), head.headers(), false)?;
        if judged.status == 101 {
            return Err(BROKEN);
        }
        // HTTP/1.0 knows one answer to a request.
        if !self.reads_chunks() {
            return Ok(());
        }
        let mut informational = Vec::new();
        answer::write_informational(&judged, self.exchange.route(), &mut informational);
        self.both.write(&informational).await
    }

    fn judge<'h>(
        &self,
        status: StatusCode,
        fields: &'h http::HeaderMap,
        is_whole: bool,
    ) -> Result<AnswerHead<'h>, End> {
        let bytes_max = self.exchange.snapshot.limits.head_bytes_max;
        if size(fields) > bytes_max {
            return Err(BROKEN);
        }
        AnswerHead::of_stream(status, fields, is_whole, self.method()).map_err(|error| {
            tracing::debug!(request_id = %self.exchange.request.id, %error, "answer refused");
            BROKEN
        })
    }

    /// Tells the client the head of the answer; it leaves with the first of the body.
    async fn begin(
        &mut self,
        head: &http::response::Parts,
        is_whole: bool,
    ) -> Result<AnswerBody, End> {
        let exchange = Arc::clone(&self.exchange);
        let mut answer = self.judge(head.status, &head.headers, is_whole)?;
        let takes_trailers = exchange.asked().is_some_and(|asked| asked.takes_trailers);
        if takes_trailers && self.reads_chunks() {
            answer.make_room_for_trailers();
        }
        let now = clock::now();
        self.note_sent();
        if let Some(call) = &mut self.call {
            call.answered(answer.status, now, random::next_u64());
        }
        self.both.note_told();
        self.outcome.first_byte = Some(now.saturating_duration_since(self.attempt_began));
        self.outcome.status = Some(answer.status);
        let ends_with_connection = answer.body == AnswerBody::UntilClose && !self.reads_chunks();
        self.keeps_alive &= !self.lifecycle.is_closing() && !ends_with_connection;
        let mut written = Vec::with_capacity(1024);
        clock::with_http_date(clock::unix_micros() / 1_000_000, |date| {
            let client = Client {
                request_id: &exchange.request.id,
                keeps_alive: self.keeps_alive,
                reads_chunks: self.reads_chunks(),
                date,
                identified_in: exchange.timing(),
            };
            answer::write_head(&answer, exchange.route(), &client, &mut written);
        });
        self.both.write(&written).await?;
        Ok(answer.body)
    }

    fn method(&self) -> &Method {
        let asked = self.exchange.asked();
        asked.map_or(&Method::GET, |asked| &asked.method)
    }
}

/// What an error before an answer says of what the service did. Where it began to speak, it acted.
fn miss(error: &h2::Error, lane: &Lane, has_spoken: bool) -> Miss {
    tracing::debug!(%error, "no answer came");
    let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    if has_spoken || error.is_library() {
        BROKEN.into()
    } else if error.is_remote() && error.is_go_away() {
        // Only streams above the last one that was or will be acted on end so.
        Miss::Fault(Fault::Retired)
    } else if error.is_remote() && is_refused {
        Miss::Fault(Fault::Refused)
    } else if error.is_io() && lane.was_idle && !lane.is_first {
        Miss::Fault(Fault::KeptBroke)
    } else {
        Miss::Fault(Fault::Broken)
    }
}

/// What a client is told of a fault that was the last.
fn told(fault: Fault) -> Rejection {
    match fault {
        Fault::Unreachable => Rejection::UpstreamUnreachable,
        Fault::TimedOut => Rejection::UpstreamTimeout,
        Fault::KeptBroke | Fault::Retired | Fault::Refused | Fault::Broken => {
            Rejection::UpstreamBroken
        }
    }
}
