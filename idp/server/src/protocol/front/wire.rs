//! A connection on which only plain requests come, without an HTTP library.
//!
//! To read such a request and to write its answer costs less than what a library does around it. The
//! first one that is not plain ([`plain`]) goes to the library with all that was read, and the
//! connection with it. Limits are the same: what is not there as a whole after one read is the
//! library's, with its deadlines.

use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::plain::{self, Plain};
use super::{Call, in_time};
use crate::clock;
use crate::desk::Desk;
use crate::listener::{Phase, Prompt};
use crate::protocol::reply::{Date, Reply};
use crate::protocol::{introspect, token};

/// Any plain request of a machine that is in its right mind; longer ones go to the library.
const AHEAD_BYTES: usize = 4096;
/// How long a connection may idle at the least. It is looked at once in that time.
const IDLE: Duration = Duration::from_secs(75);

/// What became of a connection.
#[derive(Debug)]
pub(crate) enum Left {
    Over,
    /// These bytes were read of a request that is not plain.
    Other(Vec<u8>),
}

/// Answers for as long as requests are plain.
pub(crate) async fn converse(
    desk: &Desk,
    stream: &mut Prompt,
    mut phase: watch::Receiver<Phase>,
) -> Left {
    let watched = phase.clone();
    let mut ended = pin!(phase.wait_for(|phase| *phase != Phase::Serving));
    let mut idle = pin!(sleep_until(Instant::now() + IDLE));
    let mut is_idle = true;
    let mut wire = Wire::default();
    loop {
        let read = tokio::select! {
            biased;
            read = stream.read_buf(&mut wire.ahead) => read,
            _ = &mut ended => return Left::Over,
            () = &mut idle => {
                if std::mem::replace(&mut is_idle, true) {
                    return Left::Over;
                }
                idle.as_mut().reset(Instant::now() + IDLE);
                continue;
            }
        };
        is_idle = false;
        // Nothing is half read, so an end is an end.
        if !matches!(read, Ok(1..)) {
            return Left::Over;
        }
        let is_last = wire.answer_all(desk, &watched).await;
        if !wire.out.is_empty() && stream.write_all(&wire.out).await.is_err() || is_last {
            return Left::Over;
        }
        wire.out.clear();
        if !wire.ahead.is_empty() {
            return Left::Other(wire.ahead);
        }
    }
}

struct Wire {
    ahead: Vec<u8>,
    out: Vec<u8>,
    date: Date,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            ahead: Vec::with_capacity(AHEAD_BYTES),
            out: Vec::new(),
            date: Date::default(),
        }
    }
}

impl Wire {
    /// All plain requests that are there. The rest is left. Says whether the process is about to end, of
    /// which the last answer tells.
    async fn answer_all(&mut self, desk: &Desk, phase: &watch::Receiver<Phase>) -> bool {
        let (mut used, mut is_last) = (0, false);
        while let Some(plain) = plain::read(self.ahead.get(used..).unwrap_or_default()) {
            used += plain.bytes;
            let reply = in_time(pin!(answer(desk, &plain))).await;
            is_last = *phase.borrow() != Phase::Serving;
            reply.write(&mut self.out, self.date.at(clock::now()), is_last);
            if is_last {
                break;
            }
        }
        self.ahead.drain(..used);
        is_last
    }
}

async fn answer(desk: &Desk, plain: &Plain<'_>) -> Reply {
    let asking = idp_core::token::Asking::read(plain.authorization, plain.body);
    let answered = match plain.call {
        Call::Token => token::token(desk, &asking).await,
        Call::Introspect => introspect::introspect(desk, plain.wants_token, &asking).await,
    };
    answered.unwrap_or_else(Reply::from)
}
