//! One direction: bytes are read, wait until they are due, and pass in pieces until a mishap.

use std::future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::dice::Dice;

use super::conduct::{Mishap, Way};

const READ_BYTES: usize = 16 * 1024;
/// Read, but not yet due; beyond that the sender has to wait.
const PIECES_WAITING_MAX: usize = 16;
/// A cap on bandwidth is kept this often a second, rather than in one burst.
const PACES_PER_SECOND: u32 = 100;

/// Why a connection ended before both sides had said all.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// By a mishap, with a reset.
    Reset,
    /// By a mishap, with a FIN to both.
    Closed,
    /// A side is gone.
    Lost,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

pub(super) struct Passage<'a> {
    pub(super) way: &'a Way,
    pub(super) bytes: &'a AtomicU64,
    pub(super) mishaps: &'a AtomicU64,
    pub(super) is_frozen: watch::Receiver<bool>,
}

impl Passage<'_> {
    /// Carries everything from one to the other, the end included.
    pub(super) async fn carry(
        self,
        from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
        mut dice: Dice,
    ) -> Result<(), Broken> {
        let (queue, queued) = mpsc::channel(PIECES_WAITING_MAX);
        let delays = Dice::new(dice.throw());
        let writer = Writer {
            to,
            dice,
            passed: 0,
            ready_at: Instant::now(),
            mishap: self.way.mishap.as_ref(),
            is_swallowing: false,
            to_drop: 0,
            passage: &self,
        };
        let reading = read(from, queue, (self.way, delays));
        tokio::try_join!(reading, writer.pass_all(queued)).map(|_| ())
    }
}

/// Ends when there is nothing more to read, or nobody who would take it.
async fn read(
    mut from: impl AsyncRead + Unpin,
    queue: mpsc::Sender<Piece>,
    (way, mut dice): (&Way, Dice),
) -> Result<(), Broken> {
    let mut buffer = vec![0; READ_BYTES];
    let mut due = Instant::now();
    loop {
        let count = from.read(&mut buffer).await?;
        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
        if bytes.is_empty() {
            return Ok(());
        }
        due = due.max(Instant::now() + way.delay + dice.duration(way.jitter));
        if queue.send(Piece { due, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

struct Writer<'a, W> {
    to: W,
    dice: Dice,
    passed: u64,
    /// When the bandwidth allows the next piece.
    ready_at: Instant,
    /// What is still to happen.
    mishap: Option<&'a (u64, Mishap)>,
    is_swallowing: bool,
    /// How many bytes others have taken the place of.
    to_drop: usize,
    passage: &'a Passage<'a>,
}

impl<W: AsyncWrite + Unpin> Writer<'_, W> {
    async fn pass_all(mut self, mut queued: mpsc::Receiver<Piece>) -> Result<(), Broken> {
        let mut is_frozen = self.passage.is_frozen.clone();
        let mut thawed = async || {
            // Without anybody to freeze it, it is not.
            let _ = is_frozen.wait_for(|is_frozen| !is_frozen).await;
        };
        while let Some(piece) = queued.recv().await {
            sleep_until(piece.due).await;
            thawed().await;
            self.pass(&piece.bytes).await?;
        }
        thawed().await;
        if !self.is_swallowing {
            self.to.shutdown().await?;
        }
        Ok(())
    }

    async fn pass(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let before = self.mishap.map_or(bytes.len(), |(offset, _)| {
            let left = offset.saturating_sub(self.passed);
            usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
        });
        let (before, after) = bytes.split_at(before);
        self.forward(before).await?;
        if after.is_empty() {
            return Ok(());
        }
        if let Some((_, mishap)) = self.mishap.take() {
            self.passage.mishaps.fetch_add(1, Ordering::Relaxed);
            self.suffer(mishap).await?;
        }
        let dropped = self.to_drop.min(after.len());
        self.to_drop -= dropped;
        self.forward(after.get(dropped..).unwrap_or_default()).await
    }

    async fn suffer(&mut self, mishap: &Mishap) -> Result<(), Broken> {
        match mishap {
            Mishap::Reset => Err(Broken::Reset),
            Mishap::Close => Err(Broken::Closed),
            Mishap::HalfClose => {
                self.is_swallowing = true;
                Ok(self.to.shutdown().await?)
            }
            Mishap::Swallow => {
                self.is_swallowing = true;
                Ok(())
            }
            Mishap::Stall => future::pending().await,
            Mishap::Inject(bytes) => self.forward(bytes).await,
            Mishap::Replace(bytes) => {
                self.to_drop = bytes.len();
                self.forward(bytes).await
            }
        }
    }

    async fn forward(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !(bytes.is_empty() || self.is_swallowing) {
            let (piece, rest) = bytes.split_at(self.piece_bytes().min(bytes.len()));
            self.pace(piece.len()).await;
            self.to.write_all(piece).await?;
            self.to.flush().await?;
            self.passed += piece.len() as u64;
            self.passage
                .bytes
                .fetch_add(piece.len() as u64, Ordering::Relaxed);
            if self.passage.way.slice_bytes_max.is_some() {
                // Else the receiver would find all slices at once.
                tokio::task::yield_now().await;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn piece_bytes(&mut self) -> usize {
        let way = self.passage.way;
        let slice = way
            .slice_bytes_max
            .map_or(usize::MAX, |max| 1 + self.dice.below(max));
        let pace = way.bytes_per_second.map_or(usize::MAX, |bytes| {
            usize::try_from(bytes / PACES_PER_SECOND).unwrap_or(usize::MAX)
        });
        slice.min(pace).max(1)
    }

    /// Waits until the bandwidth allows so many bytes more.
    async fn pace(&mut self, count: usize) {
        let Some(bytes_per_second) = self.passage.way.bytes_per_second else {
            return;
        };
        self.ready_at = self.ready_at.max(Instant::now());
        sleep_until(self.ready_at).await;
        let nanos = count as u64 * 1_000_000_000 / u64::from(bytes_per_second.max(1));
        self.ready_at += Duration::from_nanos(nanos);
    }
}

#[cfg(test)]
mod tests;
