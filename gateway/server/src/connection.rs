//! One client connection, request after request.
//!
//! The loop owns the connection: it reads and judges every head, hands the exchange to the carrier,
//! takes the connection back, and writes every answer that is not a service's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::rejection::Rejection;
use tokio::net::TcpStream;

use crate::answer::Answer;
use crate::carrier::Carried;
use crate::clock;
use crate::envelope::Unread;
use crate::exchange::{Exchange, Request};
use crate::gateway::{Admitted, Gateway, Refused};
use crate::lifecycle::Phase;
use crate::wire::Wire;

use head::Heard;

mod head;

/// A body that nobody wants is read up to this size to keep its connection.
const DISCARD_BYTES_MAX: u64 = 64 * 1024;
/// How long a client that was told to go may take to do so.
const FAREWELL: Duration = Duration::from_secs(1);

/// What becomes of a connection after an answer.
enum Next {
    Listen(Wire),
    Close,
}

pub(crate) async fn serve(gateway: &Arc<Gateway>, stream: TcpStream, peer: SocketAddr) {
    let mut wire = Wire::new(stream);
    let mut phase = gateway.lifecycle.watch_phase();
    loop {
        let next = match head::listen(&mut wire, gateway, &mut phase).await {
            Heard::Head(length) => exchange(gateway, wire, length, peer).await,
            Heard::Refusal(rejection) => {
                let request = Request::new(peer, clock::now());
                refuse(gateway, wire, Refused { request, rejection }).await
            }
            Heard::Nothing => Next::Close,
        };
        match next {
            Next::Listen(same) => wire = same,
            Next::Close => return,
        }
    }
}

async fn exchange(gateway: &Arc<Gateway>, mut wire: Wire, length: usize, peer: SocketAddr) -> Next {
    let head = wire.ahead.split_to(length);
    let admitted = gateway.admit(&head, peer, clock::now());
    drop(head);
    match admitted {
        Ok(admitted) => carry(gateway, wire, admitted).await,
        Err(refused) => refuse(gateway, wire, *refused).await,
    }
}

async fn carry(gateway: &Arc<Gateway>, wire: Wire, admitted: Admitted) -> Next {
    let exchange = Arc::clone(&admitted.exchange);
    gateway.metrics.requests_in_flight.inc();
    let closing = gateway.lifecycle.watch_closing();
    let carried = Box::pin(gateway.carrier.carry(wire, admitted, &closing)).await;
    gateway.metrics.requests_in_flight.dec();

    let Carried {
        connection,
        outcome,
        keeps_alive,
    } = carried;
    let Some((wire, unread)) = connection else {
        gateway.account(&exchange, &outcome, None);
        return Next::Close;
    };
    let unanswered = outcome
        .rejection
        .as_ref()
        .filter(|_| outcome.status.is_none());
    if let Some(rejection) = unanswered {
        let sent = Failure {
            exchange: &exchange,
            rejection,
            unread,
        };
        return fail(gateway, wire, sent, &outcome).await;
    }
    gateway.account(&exchange, &outcome, None);
    if !outcome.is_complete {
        wire.make_close_abrupt();
        return Next::Close;
    }
    if keeps_alive && unread.is_nothing() {
        return Next::Listen(wire);
    }
    part(wire, &unread).await
}

/// An exchange for which the service gave no answer.
struct Failure<'a> {
    exchange: &'a Exchange,
    rejection: &'a Rejection,
    unread: Unread,
}

async fn fail(
    gateway: &Gateway,
    mut wire: Wire,
    failure: Failure<'_>,
    outcome: &crate::exchange::Outcome,
) -> Next {
    let Failure {
        exchange,
        rejection,
        unread,
    } = failure;
    let wants_more = exchange.asked().is_some_and(|asked| asked.keeps_alive);
    let closes = !wants_more || !unread.is_nothing() || is_closing(gateway);
    let answer = Answer::new(rejection, &exchange.request, closes);
    let sent = send(gateway, &mut wire, &answer).await;
    gateway.account(exchange, outcome, Some(&answer.reply));
    match sent {
        true if !answer.reply.closes => Next::Listen(wire),
        true => part(wire, &unread).await,
        false => Next::Close,
    }
}

/// Answers a request that no service is asked for.
async fn refuse(gateway: &Gateway, mut wire: Wire, refused: Refused) -> Next {
    let Refused { request, rejection } = refused;
    let mut unread = Unread::Nothing;
    let mut closes = is_closing(gateway);
    if let Some(asked) = &request.asked {
        unread = Unread::new(asked.framing);
        closes |= !asked.keeps_alive;
    }
    let may_keep = !closes && !rejection.reply().closes;
    closes |= may_keep && !discard(&mut wire, &mut unread, gateway).await;

    let answer = Answer::new(&rejection, &request, closes);
    let sent = send(gateway, &mut wire, &answer).await;
    gateway.account_refused(&request, &rejection, answer.body_bytes);
    match sent {
        true if !answer.reply.closes => Next::Listen(wire),
        true => {
            let _ = wire.finish().await;
            drain(&mut wire).await;
            Next::Close
        }
        false => Next::Close,
    }
}

fn is_closing(gateway: &Gateway) -> bool {
    gateway.lifecycle.phase() >= Phase::LameDuck
}

/// Whether the client took the answer in time.
async fn send(gateway: &Gateway, wire: &mut Wire, answer: &Answer) -> bool {
    let stall = gateway.snapshot.load().deadlines.stall;
    matches!(
        tokio::time::timeout(stall, wire.send(&answer.bytes)).await,
        Ok(Ok(()))
    )
}

/// Reads a small body that nobody wants, so that the next head can be found behind it.
async fn discard(wire: &mut Wire, unread: &mut Unread, gateway: &Gateway) -> bool {
    let stall = gateway.snapshot.load().deadlines.stall;
    let read = async {
        let mut budget = DISCARD_BYTES_MAX;
        while !unread.is_nothing() {
            if wire.ahead.is_empty() && !wire.read_more().await.unwrap_or(false) {
                return false;
            }
            let Ok(count) = unread.advance(&wire.ahead) else {
                return false;
            };
            let Some(left) = budget.checked_sub(count as u64) else {
                return false;
            };
            budget = left;
            drop(wire.ahead.split_to(count));
        }
        true
    };
    tokio::time::timeout(stall, read).await.unwrap_or(false)
}

/// Closes a connection whose answer was sent. A close with unread bytes would be a reset, which can
/// overtake the answer; so the client is first given the end of ours and a moment to go.
async fn part(mut wire: Wire, unread: &Unread) -> Next {
    if !unread.is_nothing() || !wire.ahead.is_empty() {
        let _ = wire.finish().await;
        drain(&mut wire).await;
    }
    Next::Close
}

async fn drain(wire: &mut Wire) {
    let read = async {
        let mut budget = DISCARD_BYTES_MAX;
        while let (true, Some(left)) = (
            wire.read_more().await.unwrap_or(false),
            budget.checked_sub(wire.ahead.len() as u64),
        ) {
            budget = left;
            wire.ahead.clear();
        }
    };
    // Whether the client went or not, the connection is closed now.
    let _ = tokio::time::timeout(FAREWELL, read).await;
}
