//! Reads, each of one snapshot.
//!
//! They run on the runtime's threads for blocking work, a few at a time: each is short, and more at
//! once than there are processors would only wait for each other.

use std::ops::Bound;
use std::sync::Arc;

use idp_core::record::Record;
use idp_core::store::{Key, Range, Row, RowId, StoreError, Stored, Version};
use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};
use tokio::sync::Semaphore;

use super::layout::{Moment, OUTBOX, RECORDS, SELF};
use super::sealing::{SealError, SealingKey, is_sealed};
use super::volume::{Refused, Volume, failed};

const RUNNING_MAX: usize = 4;
const WAITING_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Readers {
    volume: Arc<Volume>,
    places: Semaphore,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(volume: Arc<Volume>) -> Self {
        Self {
            volume,
            places: Semaphore::new(WAITING_MAX),
            turns: Arc::new(Semaphore::new(RUNNING_MAX)),
        }
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _place = self.places.try_acquire().map_err(|_| Refused::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Refused::Ended)?;
        let volume = Arc::clone(&self.volume);
        let reading = tokio::task::spawn_blocking(move || {
            // Until it has run and let go of the volume, even if nobody waits for it any more.
            let _turn = turn;
            let volume = volume;
            question(&Snapshot::take(&volume)?)
        });
        match reading.await {
            Ok(answer) => answer,
            Err(error) => Err(StoreError::Unavailable(Box::new(error))),
        }
    }

    /// Returns when nobody reads any more.
    pub(super) async fn rest(&self) {
        let all = u32::try_from(RUNNING_MAX).unwrap_or(u32::MAX);
        let _ = self.turns.acquire_many(all).await;
    }
}

pub(crate) struct Snapshot<'a> {
    reading: ReadTransaction,
    sealing: &'a SealingKey,
}

impl<'a> Snapshot<'a> {
    pub(super) fn take(volume: &'a Volume) -> Result<Self, StoreError> {
        Ok(Self {
            reading: volume.begin_read()?,
            sealing: volume.sealing(),
        })
    }

    pub(super) fn moment(&self) -> Result<Moment, StoreError> {
        let own = self.reading.open_table(SELF).map_err(failed)?;
        Ok(Moment::read(&own).map_err(failed)?)
    }

    pub(crate) fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        let records = self.reading.open_table(RECORDS).map_err(failed)?;
        let find = |key: &Key| {
            let key = key.encode();
            let kept = records.get(key.as_slice()).map_err(failed)?;
            kept.map(|kept| show(self.sealing, &key, kept.value()))
                .transpose()
        };
        keys.iter().map(find).collect()
    }

    pub(crate) fn scan(
        &self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let records = self.reading.open_table(RECORDS).map_err(failed)?;
        let after = after.map(Key::encode);
        let from = match &after {
            Some(after) if after.as_slice() >= range.prefix() => Bound::Excluded(after.as_slice()),
            Some(_) | None => Bound::Included(range.prefix()),
        };
        let found = records
            .range::<&[u8]>((from, Bound::Unbounded))
            .map_err(failed)?;
        let mut page = Vec::new();
        for entry in found.take(limit) {
            let (key, kept) = entry.map_err(failed)?;
            if !range.has(key.value()) {
                break;
            }
            page.push(show(self.sealing, key.value(), kept.value())?);
        }
        Ok(page)
    }

    pub(crate) fn outbox(&self, limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = self.reading.open_table(OUTBOX).map_err(failed)?;
        let mut oldest = Vec::new();
        for entry in rows.iter().map_err(failed)?.take(limit) {
            let (id, change) = entry.map_err(failed)?;
            oldest.push(read_row(id.value(), change.value())?);
        }
        Ok(oldest)
    }

    /// How many rows are not settled.
    pub(crate) fn outbox_rows(&self) -> Result<u64, StoreError> {
        let rows = self.reading.open_table(OUTBOX).map_err(failed)?;
        Ok(rows.len().map_err(failed)?)
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
