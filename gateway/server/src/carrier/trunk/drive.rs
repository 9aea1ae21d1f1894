//! Driving a connection, and noticing when its other end is gone.
//!
//! An endpoint whose machine vanished closes nothing. So where answers are due and nothing comes for
//! long, the connection is asked for a sign of life (PING). Asked once for every silence and then
//! rarely: gRPC services end connections on which they are asked often.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::Trunk;
use crate::clock;

/// In units of the time that connecting may take: silence until a sign of life is asked for, and how
/// long it may take to come.
const SILENCE: u32 = 10;
const SIGN: u32 = 5;
/// Until a silence that was broken by a sign of life alone is looked into again.
const AGAIN: Duration = Duration::from_secs(5 * 60);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    Closed,
    /// The error is for the log.
    Broken(#[expect(dead_code, reason = "read by Debug, in the log")] h2::Error),
    /// No sign of life came.
    Dead,
    /// Nobody used it any more, and the endpoint did not let it end.
    Stuck,
}

/// Signs of life of a connection, as seen from time to time.
#[derive(Debug)]
pub(super) struct Signs {
    /// Between two looks.
    every: Duration,
    heard: u64,
    quiet_since: Instant,
    /// When a sign was asked for that did not come yet.
    asked: Option<Instant>,
    /// When a sign was last asked for in the present silence.
    asked_last: Option<Instant>,
}

/// What is to be done after a look.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Wait,
    Ask,
    Dead,
}

impl Signs {
    pub(super) fn new(connect: Duration, now: Instant) -> Self {
        Self {
            every: connect,
            heard: 0,
            quiet_since: now,
            asked: None,
            asked_last: None,
        }
    }

    fn look(&mut self, heard: u64, is_used: bool, now: Instant) -> Look {
        let since = |moment: Instant| now.saturating_duration_since(moment);
        if heard != self.heard {
            self.heard = heard;
            self.quiet_since = now;
            self.asked_last = None;
        }
        if let Some(asked) = self.asked {
            return match since(asked) >= self.every * SIGN {
                true => Look::Dead,
                false => Look::Wait,
            };
        }
        let is_due = self.asked_last.is_none_or(|asked| since(asked) >= AGAIN);
        if is_used && is_due && since(self.quiet_since) >= self.every * SILENCE {
            self.asked = Some(now);
            self.asked_last = Some(now);
            return Look::Ask;
        }
        Look::Wait
    }

    fn note_sign(&mut self) {
        self.asked = None;
    }
}

/// Drives a connection until it ends; `trunk` is gone when nobody can use it any more.
pub(super) async fn drive(
    mut connection: Connection<TcpStream, Bytes>,
    trunk: &Weak<Trunk>,
    mut signs: Signs,
) -> End {
    let mut pings = connection.ping_pong();
    let mut unused_since = None;
    loop {
        let mut next_look = pin!(sleep(signs.every));
        let ended = poll_fn(|context| {
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
                return Poll::Ready(Some(ended.map_or_else(End::Broken, |()| End::Closed)));
            }
            if signs.asked.is_some() && has_sign(pings.as_mut(), context) {
                signs.note_sign();
            }
            next_look.as_mut().poll(context).map(|()| None)
        })
        .await;
        if let Some(end) = ended {
            return end;
        }
        let now = clock::now();
        let Some(trunk) = trunk.upgrade() else {
            let since = *unused_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= signs.every * SIGN {
                return End::Stuck;
            }
            continue;
        };
        match signs.look(trunk.heard(), trunk.is_used(), now) {
            Look::Wait => {}
            Look::Dead => return End::Dead,
            Look::Ask => {
                if let Some(pings) = &mut pings
                    && let Err(error) = pings.send_ping(Ping::opaque())
                {
                    tracing::debug!(%error, "a sign of life could not be asked for");
                }
            }
        }
    }
}

fn has_sign(pings: Option<&mut PingPong>, context: &mut Context<'_>) -> bool {
    pings.is_some_and(|pings| matches!(pings.poll_pong(context), Poll::Ready(Ok(_))))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    /// The endpoint reads nothing, and there is more to say than the buffers between hold.
    #[tokio::test]
    async fn a_connection_that_nobody_uses_ends_even_if_the_endpoint_does_not_let_it() {
        const SMALL: u32 = 4 * 1024;
        let listener = TcpSocket::new_v4().unwrap();
        listener.set_recv_buffer_size(SMALL).unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(SMALL).unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, accepted) = tokio::join!(socket.connect(address), listener.accept());
        let (mut requests, connection) = h2::client::Builder::new()
            .handshake(stream.unwrap())
            .await
            .unwrap();
        let request = http::Request::post("http://h/").body(()).unwrap();
        let (answer, mut body) = requests.send_request(request, false).unwrap();
        body.send_data(vec![b'x'; 65_535].into(), true).unwrap();
        drop(requests);

        let every = Duration::from_millis(20);
        let nobody = Weak::new();
        let driven = drive(connection, &nobody, Signs::new(every, clock::now()));
        let end = tokio::time::timeout(Duration::from_secs(5), driven).await;
        assert!(matches!(end, Ok(End::Stuck)), "{end:?}");
        drop((answer, body, accepted));
    }

    #[test]
    fn a_sign_of_life_is_asked_for_once_in_a_silence_in_which_an_answer_is_due() {
        let began = clock::now();
        let mut signs = Signs::new(Duration::from_secs(1), began);
        #[rustfmt::skip]
        let looks = [
            // Seconds, what was heard so far, whether an answer is due, what is done, and whether a
            // sign comes then.
            (  9, 0, true,  Look::Wait, false),
            ( 10, 0, false, Look::Wait, false),
            ( 10, 0, true,  Look::Ask,  false),
            ( 14, 0, true,  Look::Wait, true),
            ( 60, 0, true,  Look::Wait, false),
            (309, 0, true,  Look::Wait, false),
            (310, 0, true,  Look::Ask,  true),
            (312, 7, true,  Look::Wait, false),
            (321, 7, true,  Look::Wait, false),
            (322, 7, true,  Look::Ask,  false),
            (326, 8, true,  Look::Wait, false),
            (327, 9, false, Look::Dead, false),
        ];
        for (seconds, heard, is_used, expected, has_sign) in looks {
            let now = began + Duration::from_secs(seconds);
            assert_eq!(signs.look(heard, is_used, now), expected, "{seconds} s");
            if has_sign {
                signs.note_sign();
            }
        }
    }
}
