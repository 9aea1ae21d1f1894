//! A copy of the store as it is at one moment, made while writing goes on.
//!
//! It is read from one snapshot and written record by record into a database of its own: copying
//! the file would copy what is half written. It comes under its name once all of it is on disk, and
//! never in the place of something else. Sealed records are copied as they lie, so the copy is as
//! useless to a thief as the store, and needs the same key.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::WriteTransaction;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::disk::{Disk, sync_folder_of};
use super::layout::{self, Moment, OUTBOX, RECORDS};
use super::reading::Snapshot;
use super::volume::{Refused, Volume};

const CACHE_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("another backup is being made")]
    Busy,
    #[error("there is something of that name already")]
    Exists,
    #[error("the store cannot be read")]
    Store(#[from] Refused),
    #[error("the copy cannot be written")]
    File(#[from] io::Error),
    #[error("the store cannot be copied")]
    Database(#[source] Box<redb::Error>),
    #[error("the copying was broken off")]
    Ended,
}

fn failed(error: impl Into<redb::Error>) -> BackupError {
    BackupError::Database(Box::new(error.into()))
}

pub(super) fn copy(volume: &Volume, to: &Path) -> Result<Moment, BackupError> {
    if to.try_exists()? {
        return Err(BackupError::Exists);
    }
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    // The lock is held until the copy has its name, so that no two are made in one place.
    let disk = Disk::open(&partial)?.ok_or(BackupError::Busy)?;
    let snapshot = volume.snapshot()?;
    let copied = fill(&snapshot, &disk, &partial).and_then(|()| {
        give_name(&partial, to)?;
        Ok(snapshot.moment())
    });
    if copied.is_err() {
        // Nothing may be there to remove; the error that counts is the one that is told.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn fill(snapshot: &Snapshot, disk: &Disk, partial: &Path) -> Result<(), BackupError> {
    let file = File::options().write(true).open(partial)?;
    // What a copy that was broken off has left.
    file.set_len(0)?;
    let database = redb::Database::builder()
        .set_cache_size(CACHE_BYTES_MAX)
        .create_with_backend(disk.clone())
        .map_err(failed)?;
    layout::migrate(&database, layout::STEPS).map_err(|_| BackupError::Ended)?;
    let writing = database.begin_write().map_err(failed)?;
    copy_records(snapshot, &writing)?;
    snapshot.layers().copy_self(&writing)?;
    layout::mark_copy(&writing, snapshot.moment())
        .map_err(|error| BackupError::Database(Box::new(error)))?;
    writing.commit().map_err(failed)?;
    drop(database);
    file.sync_all()?;
    Ok(())
}

fn copy_records(snapshot: &Snapshot, to: &WriteTransaction) -> Result<(), BackupError> {
    let mut records = to.open_table(RECORDS).map_err(failed)?;
    for entry in snapshot.layers().all_records()? {
        let (key, kept) = entry?;
        let inserted = records.insert(key.as_slice(), kept.as_slice());
        inserted.map_err(failed)?;
    }
    let mut rows = to.open_table(OUTBOX).map_err(failed)?;
    for row in snapshot.layers().rows()? {
        let (id, change) = row?;
        rows.insert(id, change.as_slice()).map_err(failed)?;
    }
    Ok(())
}

/// A plain rename would put the copy in the place of whatever came there meanwhile.
fn give_name(partial: &Path, to: &Path) -> Result<(), BackupError> {
    match renameat_with(CWD, partial, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(sync_folder_of(to)?),
        Err(rustix::io::Errno::EXIST) => Err(BackupError::Exists),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_there_meanwhile_keeps_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (partial, to) = (folder.path().join("partial"), folder.path().join("to"));
        fs::write(&partial, "copy").unwrap();
        fs::write(&to, "mine").unwrap();
        let refused = give_name(&partial, &to);
        assert!(matches!(refused, Err(BackupError::Exists)), "{refused:?}");
        assert_eq!(fs::read(&to).unwrap(), b"mine");

        fs::remove_file(&to).unwrap();
        give_name(&partial, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"copy");
    }
}
