//! The file under the database.
//!
//! It is locked for as long as the store is open, however often the database on it is opened again
//! after an error, and it tells whether an error can be recovered from: of what a failed `fsync`
//! left in the page cache nobody knows whether it is on disk, so after one nothing is trusted any
//! more.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IoSliceMut};
use std::ops::Bound;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, StorageBackend};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Nobody but the owner reads or writes what is kept here.
pub(super) const FILE_MODE: u32 = 0o600;

#[derive(Debug, Clone)]
pub(super) struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    has_lost_writes: AtomicBool,
}

impl Disk {
    /// Opens or makes the file. None if another process has it.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Some(Self(Arc::new(Inner {
            file,
            has_lost_writes: AtomicBool::new(false),
        }))))
    }

    pub(super) fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.file.metadata()?.len())
    }

    /// What the file system has left for somebody who is not root.
    pub(super) fn bytes_free(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.0.file)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether an `fsync` has failed. Reading the file back would prove nothing.
    pub(super) fn has_lost_writes(&self) -> bool {
        self.0.has_lost_writes.load(Ordering::Acquire)
    }

    pub(super) fn judge(&self, synced: io::Result<()>) -> io::Result<()> {
        if synced.is_err() {
            self.0.has_lost_writes.store(true, Ordering::Release);
        }
        synced
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.bytes()
    }

    /// Reads happen on threads of the runtime too. What the page cache has is there at once; before
    /// one of these waits for the disk, whatever else it has to do goes to another.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at_hand = preadv2(
            &self.0.file,
            &mut [IoSliceMut::new(out)],
            offset,
            ReadWriteFlags::NOWAIT,
        );
        if at_hand == Ok(out.len()) {
            return Ok(());
        }
        aside(|| self.0.file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.judge(self.0.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.file.write_all_at(data, offset)
    }

    // The whole file is locked since it was opened, and stays so when a database on it is closed.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

/// Does what may take its time, without holding up a thread of the runtime.
fn aside<T>(run: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(run),
        Ok(_) | Err(_) => run(),
    }
}

/// Makes a change of names survive: a file is only as durable as the folder that names it.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failed_sync_nothing_is_trusted_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(&folder.path().join("store")).unwrap().unwrap();
        disk.judge(Ok(())).unwrap();
        assert!(!disk.has_lost_writes());
        assert!(disk.judge(Err(io::Error::other("gone"))).is_err());
        disk.judge(Ok(())).unwrap();
        assert!(disk.has_lost_writes(), "a later success proves nothing");
    }
}
