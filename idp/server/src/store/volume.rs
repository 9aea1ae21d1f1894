//! The open database, and what happens to it when the disk refuses.
//!
//! The database trusts nothing after an error of its file: it answers nothing until it is opened
//! anew. Opening checks what is there and takes the last commit that is whole, so the volume is
//! exchanged under everybody, the file staying locked meanwhile.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use idp_core::store::StoreError;
use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::disk::Disk;
use super::reading::Snapshot;
use super::sealing::SealingKey;
use super::{OpenError, Options};

/// Why the store says that nobody can tell.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    #[error("as many as may wait are waiting")]
    Busy,
    #[error("the disk has only {free} bytes left")]
    Full { free: u64 },
    #[error("the file of the store cannot be opened at present")]
    Closed,
    #[error("the disk did not keep what it was given; the process must be started anew")]
    Untrusted,
    #[error("the writer has ended")]
    Ended,
    #[error("a transaction is larger than any may be")]
    Large,
    #[error("the journal of the store cannot be written")]
    Journal(#[source] Arc<io::Error>),
    #[error("the database failed")]
    Failed(#[source] Arc<redb::Error>),
}

impl Refused {
    pub(super) fn journal(error: io::Error) -> Self {
        Self::Journal(Arc::new(error))
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        Self::Unavailable(Box::new(refused))
    }
}

#[derive(Debug)]
pub(super) struct Volume {
    disk: Disk,
    options: Options,
    sealing: Arc<SealingKey>,
    database: RwLock<Option<Database>>,
    /// Of the last commit. None before the beginning and after the end.
    shown: ArcSwapOption<Snapshot>,
}

pub(super) fn open_database(disk: &Disk, options: Options) -> Result<Database, OpenError> {
    Database::builder()
        .set_cache_size(options.cache_bytes_max)
        .create_with_backend(disk.clone())
        .map_err(|error| OpenError::Database(Box::new(error.into())))
}

impl Volume {
    pub(super) fn new(
        disk: Disk,
        options: Options,
        database: Database,
        sealing: SealingKey,
    ) -> Self {
        Self {
            disk,
            options,
            sealing: Arc::new(sealing),
            database: RwLock::new(Some(database)),
            shown: ArcSwapOption::empty(),
        }
    }

    pub(super) const fn options(&self) -> Options {
        self.options
    }

    pub(super) fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// Everything as of the last commit that somebody may have been told of.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, Refused> {
        self.shown.load_full().ok_or(Refused::Closed)
    }

    /// Shows what was committed. The writer alone does, before anybody is told.
    pub(super) fn show(&self, make: impl FnOnce(Arc<SealingKey>, Option<&Snapshot>) -> Snapshot) {
        let before = self.shown.load();
        let made = make(Arc::clone(&self.sealing), before.as_deref());
        self.shown.store(Some(Arc::new(made)));
    }

    /// Everything that is filed as of now, whatever is written later.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, Refused> {
        self.with(|database| database.begin_read().map_err(failed))
    }

    /// Runs on the database as it is open now; it is not exchanged meanwhile.
    pub(super) fn with<T>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        run(database.as_ref().ok_or(Refused::Closed)?)
    }

    /// Whether there is room for more. Asked before a write, since a write that fails costs all
    /// readers their database for as long as it takes to open it again.
    pub(super) fn check_room(&self) -> Result<(), Refused> {
        if self.disk.has_lost_writes() {
            return Err(Refused::Untrusted);
        }
        match self.disk.bytes_free() {
            Ok(free) if free < self.options.disk_free_bytes_min => Err(Refused::Full { free }),
            Ok(_) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Remembers for good that a sync has failed.
    pub(super) fn judge(&self, synced: io::Result<()>) -> io::Result<()> {
        self.disk.judge(synced)
    }

    /// Opens the database again after an error.
    pub(super) fn reopen(&self) {
        if self.disk.has_lost_writes() {
            tracing::error!("the disk lost writes: nothing is committed until a new start");
            return;
        }
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // The old one first: its buffers must not outlive it. Whoever holds a snapshot of it may be on the
        // way to be told that it failed.
        *database = None;
        match open_database(&self.disk, self.options) {
            Ok(opened) => *database = Some(opened),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store cannot be opened again yet"
                );
            }
        }
    }

    /// Lets go of what is shown, so that the file can be closed.
    pub(super) fn close(&self) {
        self.shown.store(None);
    }
}

pub(super) fn failed(error: impl Into<redb::Error>) -> Refused {
    Refused::Failed(Arc::new(error.into()))
}
