//! The three places where a record may lie, one over the other: what the journal took last, what of it
//! is being filed, and the database.
//!
//! Whatever is written is in the uppermost; what lies in one hides what lies below, and so does the
//! mark of a removal. Rows of the outbox lie among the records there, under keys of their own.

use std::fmt;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;
use idp_core::store::{RowId, Version};
use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable as _, WriteTransaction};

use super::layout::{Moment, OUTBOX, RECORDS, SELF};
use super::recent::Recent;
use super::volume::{Refused, failed};

/// No kind of record has this number.
const ROW: u8 = 0xF0;

/// What is filed, as of one moment.
pub(super) struct Filed {
    reading: ReadTransaction,
    records: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl fmt::Debug for Filed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filed").finish_non_exhaustive()
    }
}

impl Filed {
    pub(super) fn new(reading: ReadTransaction) -> Result<Self, Refused> {
        Ok(Self {
            records: reading.open_table(RECORDS).map_err(failed)?,
            reading,
        })
    }

    pub(super) fn moment(&self) -> Result<Moment, Refused> {
        let own = self.reading.open_table(SELF).map_err(failed)?;
        Moment::read(&own).map_err(failed)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Layers {
    /// None while the database is not open.
    pub(super) filed: Option<Arc<Filed>>,
    pub(super) filing: Option<Arc<Recent>>,
    pub(super) recent: Arc<Recent>,
    /// Of the last transaction. What came later is in none.
    pub(super) moment: Moment,
}

/// Bytes as they lie somewhere.
pub(super) enum Kept<'l> {
    InMemory(Bytes),
    Filed(AccessGuard<'l, &'static [u8]>),
}

impl Kept<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::InMemory(bytes) => bytes,
            Self::Filed(guard) => guard.value(),
        }
    }
}

impl Layers {
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Kept<'_>>, Refused> {
        for layer in self.in_memory() {
            if let Some(found) = layer.find(key, self.moment.version) {
                return Ok(found.map(Kept::InMemory));
            }
        }
        let filed = self.filed()?.records.get(key).map_err(failed)?;
        Ok(filed.map(Kept::Filed))
    }

    fn filed(&self) -> Result<&Filed, Refused> {
        self.filed.as_deref().ok_or(Refused::Closed)
    }

    fn in_memory(&self) -> impl Iterator<Item = &Arc<Recent>> {
        std::iter::once(&self.recent).chain(&self.filing)
    }

    /// Records whose keys have a prefix, in the order of their keys. So many are taken out of memory at a
    /// time, where they lie in no order.
    pub(super) fn records<'l>(
        &'l self,
        from: Bound<&[u8]>,
        prefix: &'l [u8],
        batch: usize,
    ) -> Result<Merged<'l>, Refused> {
        let filed = self
            .filed()?
            .records
            .range::<&[u8]>((from, Bound::Unbounded));
        let filed = filed.map_err(failed)?.map(|entry| {
            let (key, value) = entry?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        let is_meant = |entry: &redb::Result<Pair>| match entry {
            Ok((key, _)) => key.starts_with(prefix),
            Err(_) => true,
        };
        let filed = Box::new(filed.take_while(is_meant));
        Ok(self.merged((from, prefix, batch), filed))
    }

    /// Records of every kind.
    pub(super) fn all_records(
        &self,
    ) -> Result<impl Iterator<Item = Result<Pair, Refused>>, Refused> {
        let all = self.records(Bound::Unbounded, &[], usize::MAX)?;
        Ok(all.filter(|entry| {
            !entry
                .as_ref()
                .is_ok_and(|(key, _)| row_of_key(key).is_some())
        }))
    }

    /// Rows that are not settled, oldest first.
    pub(super) fn rows(
        &self,
    ) -> Result<impl Iterator<Item = Result<(u64, Vec<u8>), Refused>>, Refused> {
        let table = self.filed()?.reading.open_table(OUTBOX).map_err(failed)?;
        let filed = table.range::<u64>(..).map_err(failed)?.map(|entry| {
            let (id, value) = entry?;
            Ok((key_of_row(RowId(id.value())), value.value().to_vec()))
        });
        let all = (Bound::Unbounded, [ROW].as_slice(), usize::MAX);
        let rows = self.merged(all, Box::new(filed));
        Ok(rows.map(|row| {
            let (key, value) = row?;
            let id = row_of_key(&key).ok_or_else(|| {
                failed(redb::StorageError::Corrupted(
                    "a row without a number".to_owned(),
                ))
            })?;
            Ok((id.0, value))
        }))
    }

    /// What the database knows of itself.
    pub(super) fn copy_self(&self, to: &WriteTransaction) -> Result<(), Refused> {
        let from = self.filed()?.reading.open_table(SELF).map_err(failed)?;
        let mut to = to.open_table(SELF).map_err(failed)?;
        for entry in from.iter().map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            to.insert(key.value(), value.value()).map_err(failed)?;
        }
        Ok(())
    }

    fn merged<'l>(
        &self,
        (from, prefix, batch): (Bound<&[u8]>, &[u8], usize),
        filed: FiledPairs<'l>,
    ) -> Merged<'l> {
        let cursors = self.in_memory().map(|layer| {
            let behind = prefix.first().map(|kind| layer.least(*kind));
            Cursor {
                layer: Arc::clone(layer),
                prefix: prefix.to_vec(),
                version: self.moment.version,
                batch: batch.max(1),
                at_hand: Vec::new().into_iter().peekable(),
                next: match behind {
                    Some(None) => Next::Nothing,
                    Some(Some(least)) => Next::Begin(from.map(<[u8]>::to_vec), least),
                    None => Next::Begin(from.map(<[u8]>::to_vec), Bytes::new()),
                },
            }
        });
        Merged {
            cursors: cursors.collect(),
            filed,
            next_filed: None,
        }
    }
}

pub(super) fn key_of_row(RowId(id): RowId) -> Vec<u8> {
    let mut key = vec![ROW];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

/// The row that a key stands for; none if it is the key of a record.
pub(super) fn row_of_key(key: &[u8]) -> Option<RowId> {
    let number = key.strip_prefix(&[ROW])?.try_into().ok()?;
    Some(RowId(u64::from_be_bytes(number)))
}

type Pair = (Vec<u8>, Vec<u8>);
type FiledPairs<'l> = Box<dyn Iterator<Item = redb::Result<Pair>> + 'l>;

/// What one layer in memory has of a walk.
struct Cursor {
    layer: Arc<Recent>,
    prefix: Vec<u8>,
    version: Version,
    batch: usize,
    at_hand: Peekable<IntoIter<(Bytes, Option<Bytes>)>>,
    next: Next,
}

/// What comes when nothing is at hand any more.
enum Next {
    /// The first batch, with no key before this one.
    Begin(Bound<Vec<u8>>, Bytes),
    /// What lies behind this key.
    Behind(Bytes),
    Nothing,
}

impl Cursor {
    fn take_batch(&mut self, from: Bound<&[u8]>) {
        let (prefix, version) = (&self.prefix, self.version);
        let found = self.layer.range(from, prefix, version, self.batch);
        let last = found.last().filter(|_| found.len() == self.batch);
        self.next = last.map_or(Next::Nothing, |(key, _)| Next::Behind(key.clone()));
        self.at_hand = found.into_iter().peekable();
    }

    /// The next key, if it may lie before that one or there is none.
    fn peek(&mut self, before: Option<&[u8]>) -> Option<&Bytes> {
        if self.at_hand.peek().is_none() {
            match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::Begin(from, least) if before.is_some_and(|it| it < &*least) => {
                    self.next = Next::Begin(from, least);
                }
                Next::Begin(from, _) => self.take_batch(from.as_ref().map(Vec::as_slice)),
                Next::Behind(last) => self.take_batch(Bound::Excluded(&last)),
                Next::Nothing => {}
            }
        }
        self.at_hand.peek().map(|(key, _)| key)
    }

    /// What was written under a key, if that is the next one.
    fn take(&mut self, key: &[u8]) -> Option<Option<Bytes>> {
        let (_, written) = self.at_hand.next_if(|(next, _)| next == key)?;
        Some(written)
    }
}

/// A walk over all layers, each key once and what was removed left out.
pub(super) struct Merged<'l> {
    /// The uppermost first.
    cursors: Vec<Cursor>,
    filed: FiledPairs<'l>,
    next_filed: Option<Pair>,
}

impl Iterator for Merged<'_> {
    type Item = Result<Pair, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.next_filed.is_none() {
                match self.filed.next().transpose() {
                    Ok(next) => self.next_filed = next,
                    Err(error) => return Some(Err(failed(error))),
                }
            }
            let filed = self.next_filed.as_ref().map(|(key, _)| key.as_slice());
            let in_memory = self.cursors.iter_mut();
            let keys = in_memory.filter_map(|cursor| cursor.peek(filed).cloned());
            let first = keys.min();
            let Some(first) = first.filter(|key| self.is_before_filed(key)) else {
                return self.next_filed.take().map(Ok);
            };
            if let Some(value) = self.take(&first) {
                return Some(Ok((first.to_vec(), value.to_vec())));
            }
        }
    }
}

impl Merged<'_> {
    fn is_before_filed(&self, key: &[u8]) -> bool {
        self.next_filed
            .as_ref()
            .is_none_or(|(filed, _)| key <= filed.as_slice())
    }

    /// What lies under a key, from the uppermost layer that has it. All others go past it.
    fn take(&mut self, key: &[u8]) -> Option<Bytes> {
        if self
            .next_filed
            .as_ref()
            .is_some_and(|(filed, _)| filed == key)
        {
            self.next_filed = None;
        }
        let mut found = None;
        for cursor in &mut self.cursors {
            if let Some(written) = cursor.take(key) {
                found.get_or_insert(written);
            }
        }
        found.flatten()
    }
}

#[cfg(test)]
mod tests;
