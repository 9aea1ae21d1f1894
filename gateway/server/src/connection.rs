//! One client connection, request after request.
//!
//! The loop owns the connection: it reads and judges every head, hands the exchange to the carrier,
//! takes the connection back, and writes every answer that is not a service's.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::rejection::Rejection;

use crate::answer::Answer;
use crate::carrier::Carried;
use crate::clock;
use crate::exchange::{Exchange, Outcome, Peer, Request};
use crate::gateway::{Admitted, Gateway, Refused};
use crate::streams;
use crate::unread::Unread;
use crate::wire::{Stream, Wire};

use head::Heard;

mod head;

/// A body that nobody wants is read up to this size to keep its connection.
const SKIPPED_BYTES_MAX: u64 = 64 * 1024;
/// How long a client that was told to go may take to do so.
const FAREWELL: Duration = Duration::from_secs(1);

/// What becomes of a connection after an answer.
enum Next {
    Listen(Wire),
    Close,
}

pub(crate) async fn serve(gateway: &Arc<Gateway>, stream: Stream, peer: Arc<Peer>) {
    let mut wire = Wire::new(stream);
    let mut phase = gateway.lifecycle.watch_phase();
    let mut is_first = true;
    loop {
        let heard = head::listen(&mut wire, gateway, (&mut phase, is_first)).await;
        let may_begin_http2 = std::mem::take(&mut is_first) && peer.may_begin_http2;
        if may_begin_http2 && streams::is_begun(&wire.ahead) {
            return streams::serve(gateway, wire, &peer).await;
        }
        let next = match heard {
            Heard::Head(length) => exchange(gateway, wire, length, &peer).await,
            Heard::Refusal(rejection) => {
                let request = Request::unread(&peer, clock::now(), &wire.ahead);
                refuse(gateway, wire, Refused { request, rejection }).await
            }
            Heard::Nothing => close(wire).await,
        };
        match next {
            Next::Listen(same) => wire = same,
            Next::Close => return,
        }
        // Whoever sends many requests at once takes turns with everybody else: what is refused is waited for
        // nowhere, and a hundred refusals in a row would be a millisecond or two.
        if !wire.ahead.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

/// An exchange while it is carried. Where carrying it neither succeeds nor fails, because it panicked
/// or its task was ended, the exchange is accounted for all the same.
struct InFlight<'a> {
    gateway: &'a Gateway,
    exchange: &'a Exchange,
    was_carried: bool,
}

impl<'a> InFlight<'a> {
    fn begin(gateway: &'a Gateway, exchange: &'a Exchange) -> Self {
        gateway.metrics.requests_in_flight.inc();
        Self {
            gateway,
            exchange,
            was_carried: false,
        }
    }

    fn end(mut self) {
        self.was_carried = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.gateway.metrics.requests_in_flight.dec();
        if !self.was_carried {
            let outcome = Outcome {
                rejection: Some(Rejection::Internal),
                ..Outcome::default()
            };
            self.gateway.account(self.exchange, &outcome, None);
        }
    }
}

async fn exchange(gateway: &Arc<Gateway>, mut wire: Wire, length: usize, peer: &Arc<Peer>) -> Next {
    let head = wire.ahead.split_to(length);
    let admitted = gateway.admit(&head, peer, clock::now()).await;
    drop(head);
    match admitted {
        Ok(admitted) => carry(gateway, wire, admitted).await,
        Err(refused) => refuse(gateway, wire, *refused).await,
    }
}

async fn carry(gateway: &Arc<Gateway>, wire: Wire, admitted: Admitted) -> Next {
    let exchange = Arc::clone(&admitted.exchange);
    let in_flight = InFlight::begin(gateway, &exchange);
    let carrying = gateway.carrier.carry(wire, admitted, &gateway.lifecycle);
    let carried = carrying.await;
    in_flight.end();

    let Carried {
        connection,
        mut outcome,
        keeps_alive,
    } = carried;
    let Some((mut wire, unread)) = connection else {
        gateway.account(&exchange, &outcome, None);
        return Next::Close;
    };
    if outcome.status.is_none()
        && let Some(rejection) = outcome.rejection.clone()
    {
        let wants_more = exchange.asked().is_some_and(|asked| asked.keeps_alive);
        let closes = !wants_more || !unread.is_nothing() || gateway.lifecycle.is_closing();
        let answer = Answer::new(&rejection, &exchange.request, closes);
        let was_sent = send(gateway, &mut wire, &answer).await;
        outcome.body_bytes_out = answer.body_bytes;
        gateway.account(&exchange, &outcome, Some(&answer.reply));
        return after_own_answer(wire, unread, was_sent && !answer.reply.closes).await;
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

/// Answers a request that no service is asked for.
async fn refuse(gateway: &Gateway, mut wire: Wire, refused: Refused) -> Next {
    let Refused { request, rejection } = refused;
    let mut unread = Unread::Nothing;
    let mut closes = gateway.lifecycle.is_closing();
    if let Some(asked) = &request.asked {
        unread = Unread::new(asked.framing);
        closes |= !asked.keeps_alive || asked.expects_continue;
        closes |= !may_be_skipped(&mut wire, &mut unread);
    }
    let answer = Answer::new(&rejection, &request, closes);
    let was_sent = send(gateway, &mut wire, &answer).await;
    gateway.account_refused(&request, &rejection, answer.body_bytes);
    let keeps = was_sent && !answer.reply.closes && skip(gateway, &mut wire, &mut unread).await;
    after_own_answer(wire, unread, keeps).await
}

async fn after_own_answer(mut wire: Wire, unread: Unread, keeps: bool) -> Next {
    if keeps && unread.is_nothing() {
        return Next::Listen(wire);
    }
    farewell(&mut wire).await;
    Next::Close
}

/// Whether the client took the answer in time.
async fn send(gateway: &Gateway, wire: &mut Wire, answer: &Answer) -> bool {
    let stall = gateway.snapshot.load().deadlines.stall;
    matches!(
        tokio::time::timeout(stall, wire.send(&answer.bytes)).await,
        Ok(Ok(()))
    )
}

/// Whether a body that nobody wants is worth reading for the sake of the next head behind it. What
/// was read of it already is dropped.
fn may_be_skipped(wire: &mut Wire, unread: &mut Unread) -> bool {
    if !drop_ahead(wire, unread) {
        return false;
    }
    match unread {
        Unread::Nothing => true,
        Unread::Bytes(left) => *left <= SKIPPED_BYTES_MAX,
        Unread::Chunks(_) => false,
    }
}

/// Drops what lies ahead of a body; `false` when it is not framed as announced.
fn drop_ahead(wire: &mut Wire, unread: &mut Unread) -> bool {
    let advanced = unread.advance(&wire.ahead);
    advanced.is_ok_and(|count| {
        drop(wire.ahead.split_to(count));
        true
    })
}

/// Reads the rest of a body that may be skipped.
async fn skip(gateway: &Gateway, wire: &mut Wire, unread: &mut Unread) -> bool {
    let stall = gateway.snapshot.load().deadlines.stall;
    let read = async {
        while !unread.is_nothing() {
            if !wire.read_more().await.unwrap_or(false) || !drop_ahead(wire, unread) {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(stall, read).await.unwrap_or(false)
}

/// Closes a connection whose answer was sent.
async fn part(mut wire: Wire, unread: &Unread) -> Next {
    if !unread.is_nothing() || !wire.ahead.is_empty() {
        farewell(&mut wire).await;
        return Next::Close;
    }
    close(wire).await
}

/// Closes a connection on which nothing is left to be read.
async fn close(mut wire: Wire) -> Next {
    // Whether the client heard it or not, the connection is closed afterwards.
    let _ = tokio::time::timeout(FAREWELL, wire.say_farewell()).await;
    Next::Close
}

/// A close with unread bytes would be a reset, which can overtake the answer; so the client is first
/// given the end of our side and a moment to go.
async fn farewell(wire: &mut Wire) {
    // Whether the client went or not, the connection is closed afterwards.
    let _ = wire.finish().await;
    let read = async {
        let mut budget = SKIPPED_BYTES_MAX;
        while let (true, Some(left)) = (
            wire.read_more().await.unwrap_or(false),
            budget.checked_sub(wire.ahead.len() as u64),
        ) {
            budget = left;
            wire.ahead.clear();
        }
    };
    let _ = tokio::time::timeout(FAREWELL, read).await;
}

#[cfg(test)]
mod tests {
    use gateway_core::level::Level;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;
    use tollgate_config::Environment;

    use super::*;
    use crate::carrier::Carriers;
    use crate::listener::Entrance;
    use crate::running::prepare;

    /// A gateway with one route, and where its access lines go.
    fn gateway() -> (Arc<Gateway>, tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        let file = format!(
            "listen: [{{ address: 127.0.0.1:0 }}]\nlog: {{ access: {} }}\n\
             services: {{ s: {{ endpoints: [\"127.0.0.1:1\"] }} }}\n\
             routes: [{{ match: \"/a/{{rest*}}\", to: s }}]\n",
            log.display()
        );
        let environment = Environment::of([], 1);
        let loaded = tollgate_config::compile("test.yaml", file.as_bytes(), &environment).unwrap();
        let gateway = prepare(Carriers::Both, &loaded.gateway.unwrap()).unwrap();
        (Arc::new(gateway), folder, log)
    }

    fn peer() -> Arc<Peer> {
        let entrance = Entrance {
            place: 0,
            level: Level::Open,
            h2c: false,
        };
        Peer::new("127.0.0.1:2".parse().unwrap(), entrance, "http")
    }

    #[tokio::test]
    async fn an_exchange_that_nobody_carries_to_its_end_is_accounted_for() {
        let (gateway, _folder, log) = gateway();
        let head = b"GET /a/b HTTP/1.1\r\nHost: h\r\n\r\n";
        let admitted = gateway.admit(head, &peer(), clock::now()).await.unwrap();

        let in_flight = InFlight::begin(&gateway, &admitted.exchange);
        assert_eq!(gateway.metrics.requests_in_flight.get(), 1);
        drop(in_flight);
        assert_eq!(gateway.metrics.requests_in_flight.get(), 0);
        InFlight::begin(&gateway, &admitted.exchange).end();
        assert_eq!(gateway.metrics.requests_in_flight.get(), 0);

        gateway.access_log.close();
        let lines = std::fs::read_to_string(log).unwrap();
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("\"code\":\"internal\""), "{lines:?}");
    }

    /// What many send at once lies ready before anybody is served.
    #[tokio::test]
    async fn whoever_sends_many_requests_at_once_takes_turns_with_others() {
        const MANY: usize = 100;
        let (gateway, _folder, log) = gateway();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let mut served = JoinSet::new();
        for (path, count) in [("many", MANY), ("one", 1)] {
            let mut client = TcpStream::connect(address).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            let request = format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n");
            client
                .write_all(request.repeat(count).as_bytes())
                .await
                .unwrap();
            client.shutdown().await.unwrap();
            clients.push(client);
            let (gateway, peer) = (Arc::clone(&gateway), peer());
            served.spawn(async move { serve(&gateway, Stream::Plain(accepted), peer).await });
        }
        for (mut client, count) in clients.into_iter().zip([MANY, 1]) {
            let mut answers = String::new();
            client.read_to_string(&mut answers).await.unwrap();
            assert_eq!(answers.matches("HTTP/1.1 404 ").count(), count);
        }
        served.join_all().await;

        gateway.access_log.close();
        let lines = std::fs::read_to_string(log).unwrap();
        assert_eq!(lines.lines().count(), MANY + 1);
        let turn = lines.lines().position(|line| line.contains("\"/one\""));
        assert!(turn.is_some_and(|turn| turn < 3), "{turn:?}");
    }
}
