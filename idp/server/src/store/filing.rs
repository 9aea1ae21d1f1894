//! Brings what the journal holds into the database: in one transaction, sorted, on a thread of its own.
//!
//! A record that is filed by itself costs a copy of every page on the way to it. Of thousands that are
//! filed together most lie side by side. Nobody waits for it: what is being filed is read from memory,
//! and lies in the journal until the database has all of it on disk.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use redb::Database;

use super::layers::row_of_key;
use super::layout::{Moment, OUTBOX, RECORDS, SELF};
use super::recent::Recent;
use super::volume::{Refused, Volume, failed};

type Order = (Arc<Recent>, Moment);
type Outcome = Result<(), Refused>;

#[derive(Debug)]
pub(super) struct Filing {
    orders: Option<SyncSender<Order>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
}

impl Filing {
    pub(super) fn start(volume: &Arc<Volume>) -> io::Result<Self> {
        let (orders, ordered) = sync_channel::<Order>(1);
        let (told, outcomes) = sync_channel(1);
        let volume = Arc::clone(volume);
        let thread = thread::Builder::new()
            .name("store-filing".to_owned())
            .spawn(move || {
                for (recent, moment) in ordered {
                    let outcome = file(&volume, &recent, moment);
                    if told.send(outcome).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            orders: Some(orders),
            outcomes,
            thread: Some(thread),
        })
    }

    /// Begins to file what leads to a moment. One at a time.
    pub(super) fn begin(&self, recent: Arc<Recent>, moment: Moment) {
        if let Some(orders) = &self.orders
            && orders.try_send((recent, moment)).is_err()
        {
            tracing::error!("nothing is filed any more: the thread for it has ended");
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
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that files panicked");
        }
    }
}

fn file(volume: &Volume, recent: &Recent, moment: Moment) -> Outcome {
    volume.check_room()?;
    volume.with(|database| write(database, recent, moment).map_err(failed))
}

pub(super) fn write(
    database: &Database,
    recent: &Recent,
    moment: Moment,
) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let mut records = writing.open_table(RECORDS)?;
        let mut rows = writing.open_table(OUTBOX)?;
        for (key, value) in recent.range(Bound::Unbounded, &[], moment.version) {
            match (row_of_key(&key), value.as_deref()) {
                (Some(row), Some(value)) => drop(rows.insert(row.0, value)?),
                (Some(row), None) => drop(rows.remove(row.0)?),
                (None, Some(value)) => drop(records.insert(key.as_ref(), value)?),
                (None, None) => drop(records.remove(key.as_ref())?),
            }
        }
        moment.write(&mut writing.open_table(SELF)?)?;
    }
    Ok(writing.commit()?)
}
