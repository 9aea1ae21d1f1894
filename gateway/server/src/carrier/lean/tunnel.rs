//! A connection that became a WebSocket: the bytes of both sides, passed on unread.
//!
//! It lasts until both sides ended, one of them broke, neither said anything for too long, or the caller it
//! was opened for is let through no more. Each direction reads no further before what it holds is taken, so that neither side can fill the
//! gateway's memory.

use std::future::{Future as _, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Buf as _;
use gateway_core::rejection::Rejection;
use tokio::io::AsyncWrite as _;

use super::{End, Run};
use crate::carrier::link::Link;
use crate::clock;
use crate::exchange::Exchange;
use crate::wire::Wire;

const BROKEN: End = End::Rejected(Rejection::UpstreamBroken);

/// Both connections, and how far each direction has come.
struct Tunnel<'a> {
    wire: &'a mut Wire,
    link: Link,
    there: Direction,
    back: Direction,
    last_moved: Instant,
}

#[derive(Debug, Default)]
struct Direction {
    bytes: u64,
    has_ended: bool,
}

impl Run<'_> {
    pub(super) async fn tunnel(&mut self, link: Link) -> Result<(), End> {
        self.keeps_alive = false;
        let silence_max = self.exchange.snapshot.deadlines.websocket;
        let mut tunnel = Tunnel {
            wire: &mut self.wire,
            link,
            there: Direction::default(),
            back: Direction::default(),
            last_moved: clock::now(),
        };
        let (was_used, mut known_bytes) = (AtomicBool::new(false), 0);
        let mut lost = pin!(lost(&self.exchange, &was_used));
        let mut silence = pin!(tokio::time::sleep(silence_max));
        let ended = poll_fn(|context| {
            if let Poll::Ready(rejection) = lost.as_mut().poll(context) {
                return Poll::Ready(Err(End::Rejected(rejection)));
            }
            if let Poll::Ready(ended) = tunnel.poll(context) {
                return Poll::Ready(ended);
            }
            if tunnel.there.bytes > known_bytes {
                known_bytes = tunnel.there.bytes;
                was_used.store(true, Ordering::Relaxed);
            }
            // The timer is moved when it fires, not with every byte.
            while silence.as_mut().poll(context).is_ready() {
                let until = tunnel.last_moved + silence_max;
                if until <= clock::now() {
                    return Poll::Ready(Ok(()));
                }
                silence.as_mut().reset(until.into());
            }
            Poll::Pending
        })
        .await;
        self.outcome.body_bytes_in = tunnel.there.bytes;
        self.outcome.body_bytes_out = tunnel.back.bytes;
        ended
    }
}

/// Ready when the caller is let through no more, where the route wants one.
async fn lost(exchange: &Exchange, was_used: &AtomicBool) -> Rejection {
    match &exchange.standing {
        Some(standing) => standing.lost(was_used).await,
        None => pending().await,
    }
}

impl Tunnel<'_> {
    /// Ready when both directions ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        let before = self.there.bytes + self.back.bytes;
        let there = self.poll_there(context)?;
        let back = self.poll_back(context)?;
        if self.there.bytes + self.back.bytes > before {
            self.last_moved = clock::now();
        }
        ready!(there);
        back.map(Ok)
    }

    fn poll_there(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        while !self.there.has_ended {
            while !self.wire.ahead.is_empty() {
                let stream = Pin::new(&mut self.link.stream);
                let written = ready!(stream.poll_write(context, &self.wire.ahead));
                let count = written.map_err(|_| BROKEN)?;
                self.wire.ahead.advance(count);
                self.there.bytes += count as u64;
            }
            let filled = ready!(self.wire.poll_fill(context));
            if !filled.map_err(|_| End::ClientLeft)? {
                let stream = Pin::new(&mut self.link.stream);
                ready!(stream.poll_shutdown(context)).map_err(|_| BROKEN)?;
                self.there.has_ended = true;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_back(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        while !self.back.has_ended {
            while !self.link.buffer.is_empty() {
                let written = ready!(self.wire.poll_write(context, &self.link.buffer));
                let count = written.map_err(|_| End::ClientLeft)?;
                self.link.buffer.advance(count);
                self.back.bytes += count as u64;
            }
            match self.link.poll_read(context).map_err(|_| BROKEN)? {
                Poll::Ready(0) => {
                    ready!(self.wire.poll_finish(context)).map_err(|_| End::ClientLeft)?;
                    self.back.has_ended = true;
                }
                Poll::Ready(_) => {}
                Poll::Pending => {
                    ready!(self.wire.poll_send(context)).map_err(|_| End::ClientLeft)?;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
