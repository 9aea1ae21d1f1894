//! Reads, each of one snapshot.
//!
//! After each commit, and before anybody is told of it, the writer takes the snapshot that all reads
//! are asked of until the next one: whatever was acknowledged is in it. Reading a few records takes
//! microseconds and happens where it is asked for; walks over many of them take longer, and happen
//! on a few threads of their own.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::{io, thread};

use idp_core::record::Record;
use idp_core::store::{Key, Range, Row, RowId, StoreError, Stored, Version};
use idp_core::view::{Found, Shelf};
use tokio::sync::oneshot;

use super::hot::Hot;
use super::layers::Layers;
use super::layout::Moment;
use super::sealing::{SealError, SealingKey, is_sealed};
use super::volume::{Refused, Volume};

const THREADS: usize = 4;
const WAITING_MAX: usize = 1024;
/// Some questions take long, and those behind them in a group wait.
const GROUP_MAX: usize = 16;

/// What is asked of a snapshot, if one is to be had.
type Question = Box<dyn FnOnce(Result<&Arc<Snapshot>, &Refused>) + Send>;

#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<SyncSender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(volume: &Arc<Volume>) -> io::Result<Self> {
        let (queue, questions) = sync_channel(WAITING_MAX);
        let questions = Arc::new(Mutex::new(questions));
        let start = |_| {
            let (volume, questions) = (Arc::clone(volume), Arc::clone(&questions));
            thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || answer_groups(&volume, &questions))
        };
        Ok(Self {
            threads: (0..THREADS).map(start).collect::<io::Result<_>>()?,
            queue: Some(queue),
        })
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Arc<Snapshot>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |snapshot| {
            let answer = match snapshot {
                Ok(snapshot) => question(snapshot),
                Err(refused) => Err(refused.clone().into()),
            };
            // Whoever asked may have gone.
            let _ = reply.send(answer);
        });
        let queue = self.queue.as_ref().ok_or(Refused::Ended)?;
        queue.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Ended,
        })?;
        answer.await.map_err(|_| Refused::Ended)?
    }
}

/// Answers what waits, and lets go of the volume.
impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reader of the store panicked");
            }
        }
    }
}

fn answer_groups(volume: &Volume, questions: &Mutex<Receiver<Question>>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    loop {
        {
            let questions = questions.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(first) = questions.recv() else {
                return;
            };
            group.push(first);
            group.extend(questions.try_iter().take(GROUP_MAX - 1));
        }
        let snapshot = volume.snapshot();
        for question in group.drain(..) {
            let answering = AssertUnwindSafe(|| question(snapshot.as_ref()));
            if catch_unwind(answering).is_err() {
                tracing::error!("a question to the store panicked");
            }
        }
    }
}

/// Everything as of one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    layers: Layers,
    sealing: Arc<SealingKey>,
    hot: Arc<Hot>,
}

impl Snapshot {
    /// With the hot records of the snapshot before, if none of them was written since.
    pub(super) const fn new(layers: Layers, sealing: Arc<SealingKey>, hot: Arc<Hot>) -> Self {
        Self {
            layers,
            sealing,
            hot,
        }
    }

    pub(super) const fn hot(&self) -> &Arc<Hot> {
        &self.hot
    }

    pub(super) const fn layers(&self) -> &Layers {
        &self.layers
    }

    pub(super) const fn moment(&self) -> Moment {
        self.layers.moment
    }

    pub(crate) fn read(&self, keys: &[Key]) -> Result<Vec<Found>, StoreError> {
        keys.iter().map(|key| self.find_one(key)).collect()
    }

    fn find_one(&self, key: &Key) -> Result<Found, StoreError> {
        if let Some(found) = self.hot.find(key) {
            return Ok(found);
        }
        let spelled = key.encode();
        let Some(kept) = self.layers.find(&spelled)? else {
            self.hot.keep(key, &None, 0);
            return Ok(None);
        };
        let kept = kept.bytes();
        let found = Some(Arc::new(show(&self.sealing, &spelled, kept)?));
        self.hot.keep(key, &found, kept.len());
        Ok(found)
    }

    pub(crate) fn scan(
        &self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let after = after.map(Key::encode);
        let from = match &after {
            Some(after) if after.as_slice() >= range.prefix() => Bound::Excluded(after.as_slice()),
            Some(_) | None => Bound::Included(range.prefix()),
        };
        let mut page = Vec::new();
        for entry in self
            .layers
            .records(from, range.prefix(), limit)?
            .take(limit)
        {
            let (key, kept) = entry?;
            page.push(show(&self.sealing, &key, &kept)?);
        }
        Ok(page)
    }

    pub(crate) fn outbox(&self, limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut oldest = Vec::new();
        for entry in self.layers.rows()?.take(limit) {
            let (id, change) = entry?;
            oldest.push(read_row(id, &change)?);
        }
        Ok(oldest)
    }

    /// How many rows are not settled. They are numbered without a gap and settled in their order.
    pub(crate) fn outbox_rows(&self) -> Result<u64, StoreError> {
        let Some(oldest) = self.layers.rows()?.next().transpose()? else {
            return Ok(0);
        };
        Ok((self.moment().row.0 + 1).saturating_sub(oldest.0))
    }
}

/// An error is told when the record is read on purpose.
impl Shelf for Snapshot {
    fn find(&self, key: &Key) -> Option<Found> {
        self.find_one(key).ok()
    }
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("there is no version in front of a record")]
    Version,
    #[error("a row of the outbox holds no change")]
    Row,
    #[error("a record was changed, or moved from another place")]
    Seal(#[source] SealError),
}

fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt(Box::new(error))
}

/// What was kept under a key, opened if it is sealed.
pub(super) fn show(sealing: &SealingKey, key: &[u8], kept: &[u8]) -> Result<Stored, StoreError> {
    let (version, body) = split(kept).ok_or_else(|| corrupt(Unreadable::Version))?;
    let record = if is_sealed(key) {
        let opened = sealing
            .open(body, &place(key, version))
            .map_err(|error| corrupt(Unreadable::Seal(error)))?;
        Record::decode(&opened)
    } else {
        Record::decode(body)
    };
    let record = record.map_err(corrupt)?;
    Ok(Stored { record, version })
}

pub(super) fn split(kept: &[u8]) -> Option<(Version, &[u8])> {
    let (version, body) = kept.split_first_chunk()?;
    Some((Version(u64::from_be_bytes(*version)), body))
}

/// What a seal is bound to. A version has a fixed length, so no two places are spelled alike.
pub(super) fn place(key: &[u8], version: Version) -> Vec<u8> {
    [key, &version.0.to_be_bytes()].concat()
}

/// A row is spelled as the entry of the log that will be made of it.
fn read_row(id: u64, bytes: &[u8]) -> Result<Row, StoreError> {
    if let Record::Published(entry) = Record::decode(bytes).map_err(corrupt)?
        && entry.seq.0 == id
    {
        let (id, change) = (RowId(id), entry.change);
        return Ok(Row { id, change });
    }
    Err(corrupt(Unreadable::Row))
}
