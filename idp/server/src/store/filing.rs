//! Brings what the journal holds into the database: in one transaction, sorted, on a thread of its own.
//!
//! A record that is filed by itself costs a copy of every page on the way to it. Of thousands that are
//! filed together most lie side by side. Nobody waits for it: what is being filed is read from memory,
//! and lies in the journal until the database has all of it on disk. So it rests after every few
//! records, for whoever has just been asked something; only when the journal is full it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use redb::Database;

use super::layers::row_of_key;
use super::layout::{Moment, OUTBOX, RECORDS, SELF};
use super::recent::Recent;
use super::volume::{Refused, Volume, failed};

/// So many records take a fraction of a millisecond.
const SLICE: usize = 256;
const REST: Duration = Duration::from_millis(1);

#[derive(Debug)]
enum Order {
    /// What leads to a moment.
    File(Arc<Recent>, Moment),
    /// Read by nobody any more, or soon: to give its memory back takes as long as many commits.
    LetGo(Arc<Recent>),
}

type Outcome = Result<(), Refused>;

#[derive(Debug)]
pub(super) struct Filing {
    orders: Option<SyncSender<Order>>,
    outcomes: Receiver<Outcome>,
    /// Whether somebody waits for the outcome.
    is_urgent: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Filing {
    pub(super) fn start(volume: &Arc<Volume>) -> io::Result<Self> {
        let (orders, ordered) = sync_channel(2);
        let (told, outcomes) = sync_channel(1);
        let volume = Arc::clone(volume);
        let is_urgent = Arc::<AtomicBool>::default();
        let hurry = Arc::clone(&is_urgent);
        let thread = thread::Builder::new()
            .name("store-filing".to_owned())
            .spawn(move || {
                for order in ordered {
                    match order {
                        Order::File(recent, moment) => {
                            let outcome = file(&volume, (&recent, moment), &hurry);
                            if told.send(outcome).is_err() {
                                return;
                            }
                        }
                        Order::LetGo(filed) => drop(filed),
                    }
                }
            })?;
        Ok(Self {
            orders: Some(orders),
            outcomes,
            is_urgent,
            thread: Some(thread),
        })
    }

    /// Begins to file what leads to a moment. One at a time.
    pub(super) fn begin(&self, recent: Arc<Recent>, moment: Moment) {
        self.is_urgent.store(false, Ordering::Relaxed);
        if let Some(orders) = &self.orders
            && orders.try_send(Order::File(recent, moment)).is_err()
        {
            tracing::error!("nothing is filed any more: the thread for it has ended");
        }
    }

    /// Of what was filed.
    pub(super) fn let_go(&self, recent: Arc<Recent>) {
        if let Some(orders) = &self.orders {
            // Without a place it goes here and now.
            let _ = orders.try_send(Order::LetGo(recent));
        }
    }

    /// What became of it, if that is known by then.
    pub(super) fn outcome(&self, patience: Duration) -> Option<Outcome> {
        if patience.is_zero() {
            return match self.outcomes.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(Refused::Ended)),
            };
        }
        self.is_urgent.store(true, Ordering::Relaxed);
        match self.outcomes.recv_timeout(patience) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(Refused::Ended)),
        }
    }
}

impl Drop for Filing {
    fn drop(&mut self) {
        drop(self.orders.take());
        self.is_urgent.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that files panicked");
        }
    }
}

fn file(volume: &Volume, what: (&Recent, Moment), is_urgent: &AtomicBool) -> Outcome {
    volume.check_room()?;
    let rest = || {
        if !is_urgent.load(Ordering::Relaxed) {
            thread::sleep(REST);
        }
    };
    volume.with(|database| write(database, what, rest).map_err(failed))
}

pub(super) fn write(
    database: &Database,
    (recent, moment): (&Recent, Moment),
    rest: impl Fn(),
) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let mut records = writing.open_table(RECORDS)?;
        let mut rows = writing.open_table(OUTBOX)?;
        let mut count = 0;
        recent.visit(moment.version, |key, value| {
            count += 1;
            if count % SLICE == 0 {
                rest();
            }
            match (row_of_key(key), value) {
                (Some(row), Some(value)) => drop(rows.insert(row.0, value)?),
                (Some(row), None) => drop(rows.remove(row.0)?),
                (None, Some(value)) => drop(records.insert(key, value)?),
                (None, None) => drop(records.remove(key)?),
            }
            Ok::<_, redb::Error>(())
        })?;
        moment.write(&mut writing.open_table(SELF)?)?;
    }
    Ok(writing.commit()?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytes::Bytes;
    use idp_core::store::{RowId, Version};
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::store::layout;

    #[test]
    fn whoever_files_rests_after_every_slice() {
        for (records, expected) in [(SLICE - 1, 0), (SLICE, 1), (2 * SLICE + 1, 2)] {
            let backend = InMemoryBackend::new();
            let database = Database::builder().create_with_backend(backend).unwrap();
            layout::migrate(&database, layout::STEPS).unwrap();
            let recent = Recent::default();
            let entries = (0..records).map(|at| {
                let key = Bytes::copy_from_slice(&at.to_be_bytes());
                (key, Some(Bytes::new()))
            });
            recent.write(Version(1), entries);
            let (moment, rested) = (
                Moment {
                    version: Version(1),
                    row: RowId(0),
                },
                Cell::new(0),
            );
            write(&database, (&recent, moment), || {
                rested.set(rested.get() + 1)
            })
            .unwrap();
            assert_eq!(rested.get(), expected, "{records}");
        }
    }
}
