//! Where the truth is kept on disk: the `Store` port on an embedded database.
//!
//! - **Nothing is acknowledged before it is on disk.** One thread writes ([`writer`]). It gathers
//!   whatever waits, tries each transaction by itself on what those before it left, syncs once and then
//!   tells everybody. A transaction that conflicts fails alone.
//! - **What is synced is a journal** ([`journal`]), since a database copies every page on the way to a
//!   record. From there it is brought into the database in large pieces ([`filing`]); until it is there,
//!   it is read from memory ([`recent`], [`layers`]).
//! - **Readers never wait for the writer.** Each read is of one snapshot; what is not yet on disk
//!   is in none.
//! - **A disk that is full or fails loses nothing** ([`volume`]): whoever waited is told that nobody
//!   can tell, reads go on, and writing goes on by itself once there is room.
//! - **A stolen file opens nothing** ([`sealing`]), and neither does a stolen backup ([`backup`]).
//!
//! One process at a time: a second one is refused when it opens the file.

mod backup;
mod disk;
mod filing;
mod hot;
mod journal;
mod layers;
mod layout;
mod reading;
mod recent;
mod sealing;
mod sweep;
mod volume;
mod writer;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use idp_core::store::{CommitError, Key, Range, Row, Store, StoreError, Stored, Transaction};
use idp_core::view;
use tokio::sync::Semaphore;

use disk::Disk;
use journal::JournalId;
use layers::{Filed, Layers};
use layout::LayoutError;
use reading::Readers;
use volume::Volume;
use writer::{Beginning, Order, Outcome};

pub use backup::BackupError;
pub use journal::JournalError;
pub use layout::Moment;
pub(crate) use reading::Snapshot;
pub use sealing::{KeyError, KeySource, SealingKey};
pub use sweep::{Sweep, Swept};
pub use volume::Refused;

const FOLDER_MODE: u32 = 0o700;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the database may keep of its file in memory.
    pub cache_bytes_max: usize,
    /// With less than this left on the disk nothing is written any more, so that reading goes on.
    pub disk_free_bytes_min: u64,
    /// How much of what is acknowledged waits in the journal, and in memory, before it is filed, and how
    /// much may come while it is. No less than a few frames.
    pub journal_half_bytes: u64,
    /// How long what is acknowledged lies in the journal at the most before it is filed.
    pub file_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes_max: 16 * 1024 * 1024,
            disk_free_bytes_min: 64 * 1024 * 1024,
            journal_half_bytes: 8 * 1024 * 1024,
            file_after: Duration::from_secs(2),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process has the store open")]
    Locked,
    #[error("the store is of layout {found}, and this program knows none after {known}")]
    Newer { found: u32, known: u32 },
    #[error("the store was sealed with another key")]
    WrongKey,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the store cannot be opened as it was left")]
    Journal(#[from] JournalError),
    #[error("the store cannot be read")]
    Refused(#[from] Refused),
    #[error("the file of the store cannot be used")]
    File(#[from] io::Error),
    #[error("the file of the store cannot be read as one")]
    Database(#[source] Box<redb::Error>),
}

#[derive(Debug)]
pub struct EmbeddedStore {
    volume: Arc<Volume>,
    readers: Readers,
    backups: Semaphore,
    queue: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
    is_copy: bool,
}

impl EmbeddedStore {
    /// Opens the store, or makes an empty one. It blocks: after a crash the whole file is checked.
    pub fn open(path: &Path, key: &KeySource, options: Options) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(disk::folder_of(path))?;
        let disk = Disk::open(path)?.ok_or(OpenError::Locked)?;
        disk::sync_folder_of(path)?;
        let database = volume::open_database(&disk, options)?;
        layout::migrate(&database, layout::STEPS)?;
        let sealing = layout::unlock(&database, key)?;
        let is_copy = layout::is_copy(&database)?;
        let journal = layout::find_journal(&database)?;
        let volume = Arc::new(Volume::new(disk, options, database, sealing));
        let beginning = begin(&volume, path, journal)?;
        let (queue, writer) = writer::start(&volume, beginning)?;
        Ok(Self {
            readers: Readers::start(&volume)?,
            volume,
            backups: Semaphore::new(1),
            queue: Some(queue),
            writer: Some(writer),
            is_copy,
        })
    }

    /// Whether this was a backup when it was opened, with which nobody has worked before. What came
    /// after its moment is known to others, and its numbers must not be given again.
    #[must_use]
    pub const fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// From now on it is a store like any other.
    pub async fn own(&self) -> Result<(), StoreError> {
        let volume = Arc::clone(&self.volume);
        let writing = tokio::task::spawn_blocking(move || {
            volume.with(|database| layout::unmark_copy(database).map_err(volume::failed))
        });
        let written = writing.await;
        Ok(written.map_err(|error| StoreError::Unavailable(Box::new(error)))??)
    }

    /// All that is acknowledged, to read a few records of here and now.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        Ok(self.volume.snapshot()?)
    }

    /// Asks for what takes longer, of one snapshot.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Arc<Snapshot>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.ask(question).await
    }

    /// The last transaction and the last row that are on disk.
    pub fn moment(&self) -> Result<Moment, StoreError> {
        Ok(self.snapshot()?.moment())
    }

    /// Copies the store as it is at one moment into a file that is not there yet, while writing
    /// goes on. The copy is opened like any store, with the same key.
    pub async fn backup(&self, to: &Path) -> Result<Moment, BackupError> {
        let _turn = self.backups.try_acquire().map_err(|_| BackupError::Busy)?;
        let (volume, to) = (Arc::clone(&self.volume), to.to_owned());
        let copying = tokio::task::spawn_blocking(move || backup::copy(&volume, &to));
        copying.await.map_err(|_| BackupError::Ended)?
    }
}

/// Reads what is filed, and what is in the journal and not yet filed.
fn begin(volume: &Volume, path: &Path, journal: Option<JournalId>) -> Result<Beginning, OpenError> {
    let filed = volume.begin_read().and_then(Filed::new)?;
    let moment = filed.moment()?;
    let mut layers = Layers {
        filed: Some(Arc::new(filed)),
        filing: None,
        recent: Arc::default(),
        moment,
    };
    let journal = journal
        .map(|id| journal::replay(path, (id, writer::half_bytes(volume.options())), moment))
        .transpose()?
        .map(|replayed| {
            layers.moment = replayed.moment;
            if replayed.moment != moment {
                layers.filing = Some(Arc::new(replayed.recent));
            }
            replayed.journal
        });
    Ok(Beginning {
        store: path.to_owned(),
        layers,
        journal,
    })
}

/// Writes what waits, and closes the file.
impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the store panicked");
        }
        self.volume.close();
    }
}

impl Store for EmbeddedStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        let found = self.snapshot()?.read(keys)?;
        let owned = |found: view::Found| found.map(Arc::unwrap_or_clone);
        Ok(found.into_iter().map(owned).collect())
    }

    async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Refused::Ended);
        queue
            .and_then(|queue| writer::enqueue(queue, Order { transaction, reply }))
            .map_err(StoreError::from)?;
        let answer = outcome
            .await
            .map_err(|_| StoreError::from(Refused::Ended))?;
        match answer.into_outcome()? {
            Outcome::Done => Ok(()),
            Outcome::Conflict => Err(CommitError::Conflict),
        }
    }

    async fn scan(
        &self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let (range, after) = (range.clone(), after.cloned());
        let question = move |snapshot: &Arc<Snapshot>| snapshot.scan(&range, after.as_ref(), limit);
        self.readers.ask(question).await
    }

    async fn outbox(&self, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.readers
            .ask(move |snapshot| snapshot.outbox(limit))
            .await
    }
}

impl From<LayoutError> for OpenError {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Newer { found, known } => Self::Newer { found, known },
            LayoutError::WrongKey => Self::WrongKey,
            LayoutError::Key(error) => Self::Key(error),
            LayoutError::Database(error) => Self::Database(error),
        }
    }
}
