//! Waiting for the next head, and no longer than allowed.

use std::pin::pin;
use std::time::Duration;

use gateway_core::head::{HeadError, find_end};
use gateway_core::rejection::Rejection;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::lifecycle::{Phase, draining};
use crate::wire::Wire;

/// How long a connection without a request is kept once the drain has begun: what was sent before
/// the client could know is still on its way.
const LAST_REQUEST: Duration = Duration::from_millis(250);
/// The same for a connection that had no request yet. It was opened for one, and may have been so just
/// now.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// What came of waiting.
pub(super) enum Heard {
    /// A whole head lies ahead, so many bytes long.
    Head(usize),
    Refusal(Rejection),
    /// The client left, stayed silent too long, or the process is about to end.
    Nothing,
}

pub(super) async fn listen(
    wire: &mut Wire,
    gateway: &Gateway,
    (phase, is_first): (&mut watch::Receiver<Phase>, bool),
) -> Heard {
    let (deadlines, head_bytes_max) = {
        let snapshot = gateway.snapshot.load();
        (snapshot.deadlines, snapshot.limits.head_bytes_max)
    };
    let last = if is_first {
        FIRST_REQUEST
    } else {
        LAST_REQUEST
    };
    let patience = (deadlines.idle, last);
    if wire.ahead.is_empty() && !await_first_byte(wire, patience, phase).await {
        return Heard::Nothing;
    }
    let whole = read_head(wire, head_bytes_max);
    tokio::time::timeout(deadlines.head, whole)
        .await
        .unwrap_or(Heard::Refusal(Rejection::HeadTimeout))
}

/// An idle connection is closed without a word: after `idle`, or `last` after the drain begins.
async fn await_first_byte(
    wire: &mut Wire,
    (idle, last): (Duration, Duration),
    phase: &mut watch::Receiver<Phase>,
) -> bool {
    wire.release_memory();
    let mut read = pin!(tokio::time::timeout(idle, wire.read_more()));
    let read = tokio::select! {
        read = &mut read => read,
        () = draining(phase) => match tokio::time::timeout(last, read).await {
            Ok(read) => read,
            Err(silent) => Err(silent),
        },
    };
    matches!(read, Ok(Ok(true)))
}

async fn read_head(wire: &mut Wire, head_bytes_max: usize) -> Heard {
    let mut searched = 0;
    loop {
        match find_end(&wire.ahead, searched) {
            Ok(Some(length)) => return Heard::Head(length),
            Ok(None) if wire.ahead.len() > head_bytes_max => {
                return Heard::Refusal(HeadError::TooLarge.into());
            }
            Ok(None) => searched = wire.ahead.len(),
            Err(error) => return Heard::Refusal(error.into()),
        }
        if !wire.read_more().await.unwrap_or(false) {
            return Heard::Nothing;
        }
    }
}
