//! One connection and its other half, until the first of them is broken or both have ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::dice::Dice;

use super::conduct::Conduct;
use super::stats::Counters;
use super::way::{Broken, Passage};

const CONNECT: Duration = Duration::from_secs(2);
/// How long two sides that were sent a FIN may take to go.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection before it is one.
pub(super) struct Line {
    pub(super) target: SocketAddr,
    pub(super) conduct: Conduct,
    pub(super) dice: Dice,
    pub(super) counters: Arc<Counters>,
    pub(super) is_frozen: watch::Receiver<bool>,
}

impl Line {
    pub(super) async fn carry(self, near: TcpStream) {
        let counters = &self.counters;
        counters.connections.fetch_add(1, Ordering::Relaxed);
        match timeout(CONNECT, TcpStream::connect(self.target)).await {
            Ok(Ok(far)) => self.join(near, far).await,
            Ok(Err(_)) | Err(_) => {
                counters.unreachable.fetch_add(1, Ordering::Relaxed);
                reset(&near);
            }
        }
    }

    async fn join(mut self, mut near: TcpStream, mut far: TcpStream) {
        // Without it a slice would wait for the next one; a socket that cannot is broken anyway.
        let _ = near.set_nodelay(true).and(far.set_nodelay(true));

        let (from_near, to_near) = near.split();
        let (from_far, to_far) = far.split();
        let passage = |way, bytes| Passage {
            way,
            bytes,
            mishaps: &self.counters.mishaps,
            is_frozen: self.is_frozen.clone(),
        };
        let up = passage(&self.conduct.up, &self.counters.bytes_up);
        let down = passage(&self.conduct.down, &self.counters.bytes_down);
        let dice = [Dice::new(self.dice.throw()), Dice::new(self.dice.throw())];
        let [up_dice, down_dice] = dice;
        let carried = tokio::try_join!(
            up.carry(from_near, to_far, up_dice),
            down.carry(from_far, to_near, down_dice)
        );
        match carried {
            Ok(_) => {}
            Err(Broken::Closed) => {
                let farewell = async { tokio::join!(part(near.split()), part(far.split())) };
                // Whether they went or not, both are closed now.
                let _ = timeout(FAREWELL, farewell).await;
            }
            Err(Broken::Reset | Broken::Lost) => {
                reset(&near);
                reset(&far);
            }
        }
    }
}

/// Makes the coming close a reset.
fn reset(stream: &TcpStream) {
    // A socket that refuses has no peer any more to whom it would matter.
    let _ = stream.set_zero_linger();
}

/// Sends a FIN and reads until the peer's: a close with unread bytes would be a reset.
async fn part((mut from, mut to): (ReadHalf<'_>, WriteHalf<'_>)) {
    let mut lost = [0; 4096];
    if to.shutdown().await.is_ok() {
        while from.read(&mut lost).await.is_ok_and(|count| count > 0) {}
    }
}
