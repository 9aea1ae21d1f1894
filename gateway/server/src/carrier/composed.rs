//! The carrier for what is composed here: no service is asked, its answer is written like a service's.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use composer_engine::Reply;
use gateway_core::answer::{AnswerHead, Client, write_head};
use gateway_core::head::Framing;
use gateway_core::rejection::Rejection;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::timeout;

use super::Carried;
use crate::clock;
use crate::composed::Wish;
use crate::exchange::{Exchange, Outcome};
use crate::gateway::Admitted;
use crate::lifecycle::Lifecycle;
use crate::unread::Unread;
use crate::wire::Wire;

struct Run<'a> {
    exchange: Arc<Exchange>,
    lifecycle: &'a Lifecycle,
    wire: Wire,
    outcome: Outcome,
    keeps_alive: bool,
}

enum End {
    Rejected(Rejection),
    ClientLeft,
}

pub(super) async fn carry(wire: Wire, admitted: Admitted<Wish>, lifecycle: &Lifecycle) -> Carried {
    let Admitted {
        exchange,
        head: wish,
    } = admitted;
    let asked = exchange.asked();
    let unread = Unread::new(asked.map_or(Framing::NoBody, |asked| asked.framing));
    let mut run = Run {
        keeps_alive: asked.is_some_and(|asked| asked.keeps_alive) && unread.is_nothing(),
        lifecycle,
        wire,
        outcome: Outcome::default(),
        exchange: Arc::clone(&exchange),
    };
    match run.run(&wish).await {
        Ok(()) => run.outcome.is_complete = true,
        Err(End::Rejected(rejection)) => run.outcome.rejection = Some(rejection),
        Err(End::ClientLeft) => run.outcome.client_left = true,
    }
    Carried {
        connection: Some((run.wire, unread)),
        outcome: run.outcome,
        keeps_alive: run.keeps_alive,
    }
}

impl Run<'_> {
    async fn run(&mut self, wish: &Wish) -> Result<(), End> {
        let reply = self.compose(wish).await?;
        let began = self.exchange.request.began;
        self.outcome.first_byte = Some(clock::now().saturating_duration_since(began));
        self.outcome.status = Some(reply.status.as_u16());
        self.keeps_alive &= !self.lifecycle.is_closing();
        let (head, body) = self.write(reply)?;
        let stall = self.exchange.snapshot.deadlines.stall;
        let sending = async {
            self.wire.write(&head).await?;
            self.wire.send(&body).await
        };
        match timeout(stall, sending).await {
            Ok(Ok(())) => {
                self.outcome.body_bytes_out = body.len() as u64;
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(End::ClientLeft),
        }
    }

    /// Waits for the answer; a client that leaves takes its calls with it.
    async fn compose(&mut self, wish: &Wish) -> Result<Reply, End> {
        let exchange = Arc::clone(&self.exchange);
        let mut composing = pin!(wish.answer(exchange.request.id.as_str()));
        poll_fn(|context| match composing.as_mut().poll(context) {
            Poll::Ready(reply) => Poll::Ready(Ok(reply)),
            Poll::Pending => self.wire.poll_break(context).map(|()| Err(End::ClientLeft)),
        })
        .await
    }

    /// The head as any answer has it, by the rules of the route.
    fn write(&self, reply: Reply) -> Result<(Vec<u8>, bytes::Bytes), End> {
        let Reply {
            status,
            mut headers,
            mut body,
        } = reply;
        if self.exchange.route().admission.is_some() {
            keep_from_others(&mut headers);
        }
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let method = self.exchange.asked().map(|asked| &asked.method);
        let method = method.unwrap_or(&Method::GET);
        let answer = AnswerHead::of_stream(status, &headers, false, method);
        let answer = answer.map_err(|error| {
            tracing::error!(%error, "a composed answer could not be written");
            End::Rejected(Rejection::Internal)
        })?;
        let mut head = Vec::with_capacity(512);
        clock::with_http_date(clock::unix_micros() / 1_000_000, |date| {
            let client = Client {
                request_id: &self.exchange.request.id,
                keeps_alive: self.keeps_alive,
                reads_chunks: true,
                identified_in: self.exchange.timing(),
                date,
            };
            write_head(&answer, self.exchange.route(), &client, &mut head);
        });
        if *method == Method::HEAD {
            body.clear();
        }
        Ok((head, body))
    }
}

/// What was composed for a caller is no cache's to show to others, though services called all of it public:
/// those that are asked for everybody do not know what the route asks for.
fn keep_from_others(headers: &mut HeaderMap) {
    let told = headers.get(CACHE_CONTROL).map(HeaderValue::as_bytes);
    let Some(rest) = told.and_then(|told| told.strip_prefix(b"public")) else {
        return;
    };
    if let Ok(private) = HeaderValue::from_bytes(&[&b"private"[..], rest].concat()) {
        headers.insert(CACHE_CONTROL, private);
    }
}
