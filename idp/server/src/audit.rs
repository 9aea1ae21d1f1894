//! What was done, by whom and when: one JSON line per entry, only ever appended.
//!
//! A line holds ids and the names of events, in the order of arrival, and never a token, a secret
//! or what a stranger typed. One thread writes, so that no request waits for a disk that has time.
//!
//! What must not be lost without a word are entries about what administrators did and about
//! sessions that were ended: for them a caller waits while the queue is full, and what
//! administrators did is on the disk (`fsync`) when its batch is done. Of other entries those that
//! find the queue full are dropped. Whatever is lost is counted, and the first loss of a kind is
//! complained about. Entries that matter and could not be written go to the server's own log.

mod line;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use idp_core::audit::{Entry, Event};
use tokio::sync::{mpsc, oneshot};
use tollgate_config::AuditLog as Target;

use self::writer::{Order, Sink, Writer};

/// Entries that may wait for the writer.
const QUEUE_MAX: usize = 1_024;

/// How much it matters that an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Ordinary,
    SessionEnded,
    Administrative,
}

#[derive(Debug)]
pub struct Audit {
    orders: mpsc::Sender<Order>,
    lost: Arc<Lost>,
}

impl Audit {
    /// Opens the target and starts the writer. A file that cannot be written is an error now.
    pub fn open(target: &Target) -> io::Result<Self> {
        let sink = Sink::open(target)?;
        let lost = Arc::<Lost>::default();
        let (orders, queue) = mpsc::channel(QUEUE_MAX);
        let writer = Writer::new(sink, Arc::clone(&lost));
        std::thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(move || writer.run(queue))?;
        Ok(Self { orders, lost })
    }

    /// Hands an entry to the writer. It waits for a place in the queue only with what matters.
    pub async fn log(&self, entry: Entry) {
        let mut pending = Pending {
            entry: Some(entry),
            lost: &self.lost,
        };
        let place = match pending.weight() {
            Weight::Ordinary => self.orders.try_reserve().ok(),
            Weight::SessionEnded | Weight::Administrative => self.orders.reserve().await.ok(),
        };
        if let Some(place) = place
            && let Some(entry) = pending.entry.take()
        {
            place.send(Order::Write(entry));
        }
    }

    /// Opens the file anew, as after a rotation. What is logged afterwards goes to the new one.
    pub async fn reopen(&self) {
        // A writer that has ended has nothing open.
        let _ = self.orders.send(Order::Reopen).await;
    }

    /// Returns once all that was logged is written, and ends the writer.
    pub async fn close(&self) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_ok() {
            let _ = is_done.await;
        }
        if self.lost() > 0 {
            tracing::error!(entries = self.lost(), "audit entries were lost");
        }
    }

    /// Entries that were not written, or of which nobody knows whether they were.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.count.load(Ordering::Relaxed)
    }
}

/// An entry on its way to the queue. A caller that leaves while it waits for a place takes nothing
/// with it unsaid.
struct Pending<'a> {
    entry: Option<Entry>,
    lost: &'a Lost,
}

impl Pending<'_> {
    fn weight(&self) -> Weight {
        self.entry
            .as_ref()
            .map_or(Weight::Ordinary, |entry| Weight::of(entry.event))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            self.lost.add([entry]);
            if !self.lost.is_queue_reported.swap(true, Ordering::Relaxed) {
                tracing::error!("audit entries find no place in the queue and are lost");
            }
        }
    }
}

#[derive(Debug, Default)]
struct Lost {
    count: AtomicU64,
    is_queue_reported: AtomicBool,
}

impl Lost {
    /// Counts entries, and says in the server's log what those that matter were.
    fn add<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        for entry in entries {
            self.count.fetch_add(1, Ordering::Relaxed);
            if Weight::of(entry.event) > Weight::Ordinary {
                let line = line::text(entry);
                tracing::error!(entry = line.trim_end(), "an audit entry is lost");
            }
        }
    }
}

impl Weight {
    fn of(event: Event) -> Self {
        match event {
            Event::Administered(_) | Event::Keys(_) => Self::Administrative,
            // A code or a refresh token that comes back ends the session it was for.
            Event::SignedOut
            | Event::TokenRevoked
            | Event::CodeReplayed
            | Event::RefreshReused
            | Event::ConsentWithdrawn => Self::SessionEnded,
            Event::SignedIn
            | Event::SignInFailed
            | Event::SignInLocked
            | Event::ConsentGiven
            | Event::CodeIssued
            | Event::CodeBurnt
            | Event::TokenIssued
            | Event::Refused(_)
            | Event::TokenRefreshed
            | Event::RefreshNeverIssued
            | Event::RefreshForeign => Self::Ordinary,
        }
    }
}

#[cfg(test)]
mod tests;
