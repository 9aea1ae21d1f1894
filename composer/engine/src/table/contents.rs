//! What a table holds, and what becomes of it with a new reading.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use composer_core::freshness::{Control, Reuse, date_text, parse_date};
use composer_core::json::Json;
use composer_core::keys::Key;
use composer_core::plan::Lookup;
use composer_core::records::{Changes, of_table};
use foldhash::fast::RandomState;
use http::HeaderMap;
use http::header::LAST_MODIFIED;

use crate::metrics::LookupMetrics;

/// Changes are asked for since so long before the last that is known.
const OVERLAP: Duration = Duration::from_secs(2);
/// A table of fewer records may become as small as it likes, save empty.
const SHRINKS_FREELY: usize = 10;
/// What a record takes besides its key and itself.
const OVERHEAD_BYTES: usize = 80;

#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    records: HashMap<Key, Json, RandomState>,
    bytes: usize,
    /// As the service says it, where it does.
    last_modified: Option<String>,
    /// What the service said of whoever keeps it.
    control: Control,
    /// How long after this it is fresh by what the service said.
    said: (Option<Instant>, Duration),
}

/// What came back from a reading.
pub(crate) struct Update<'a> {
    pub(super) lookup: &'a Lookup,
    pub(super) body: &'a Bytes,
    pub(super) headers: &'a HeaderMap,
    /// How long it is fresh by what the service said, from now on.
    pub(super) said: Duration,
    pub(super) now: Instant,
    pub(super) bytes_max: usize,
    pub(super) metrics: &'a LookupMetrics,
    /// Whether somebody said that it is to be believed.
    pub(super) is_ordered: bool,
}

/// Why a reading is not put in the place of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unbelieved {
    #[error("what came is no list of records")]
    Undecodable,
    #[error("it would be empty, or less than half of what it was")]
    Shrunken,
    #[error("it would be larger than it may be")]
    TooLarge,
}

impl Snapshot {
    pub(crate) fn find(&self, key: &Key) -> Option<&Json> {
        self.records.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// What it means for whoever keeps what is made of it.
    pub(crate) fn reuse(&self, now: Instant) -> Reuse {
        let (known, said) = self.said;
        let age = known.map(|known| now.saturating_duration_since(known));
        Reuse::of(&self.control, said.saturating_sub(age.unwrap_or_default()))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when changes are asked for, as a date of HTTP.
    pub(super) fn changed_since(&self) -> Option<String> {
        let last = parse_date(self.last_modified.as_deref()?)?;
        Some(date_text(last.checked_sub(OVERLAP)?))
    }
}

impl Update<'_> {
    /// The whole table anew.
    pub(super) fn replace(&self, held: Option<&Snapshot>) -> Result<Option<Snapshot>, Unbelieved> {
        let changes = self.read()?;
        let mut snapshot = self.begin(HashMap::default());
        let rows = changes.rows.into_iter();
        snapshot
            .records
            .extend(rows.filter_map(|(key, record)| Some((key, record?))));
        self.check(snapshot, held.map(Snapshot::len))
    }

    /// The changes applied to a copy; nothing where they change nothing.
    pub(super) fn apply_to(&self, held: &Snapshot) -> Result<Option<Snapshot>, Unbelieved> {
        let changes = self.read()?;
        let mut snapshot = self.begin(held.records.clone());
        let mut has_changed = snapshot.last_modified != held.last_modified;
        for (key, record) in changes.rows {
            let before = match &record {
                Some(record) => snapshot.records.insert(key, record.clone()),
                None => snapshot.records.remove(&key),
            };
            has_changed |= before != record;
        }
        if !has_changed {
            return Ok(None);
        }
        self.check(snapshot, Some(held.len()))
    }

    fn begin(&self, records: HashMap<Key, Json, RandomState>) -> Snapshot {
        let last_modified = self.headers.get(LAST_MODIFIED);
        Snapshot {
            records,
            bytes: 0,
            control: Control::of(self.headers),
            said: (Some(self.now), self.said),
            last_modified: last_modified.and_then(|date| Some(date.to_str().ok()?.to_owned())),
        }
    }

    fn read(&self) -> Result<Changes, Unbelieved> {
        let body = Json::parse(self.body).map_err(|_| Unbelieved::Undecodable)?;
        let changes = of_table(&body, self.lookup).map_err(|_| Unbelieved::Undecodable)?;
        self.metrics.note(changes.odd);
        Ok(changes)
    }

    fn check(
        &self,
        mut snapshot: Snapshot,
        held: Option<usize>,
    ) -> Result<Option<Snapshot>, Unbelieved> {
        let (now, before) = (snapshot.len(), held.unwrap_or(0));
        let is_halved = before >= SHRINKS_FREELY && now < before.div_ceil(2);
        let is_emptied = before > 0 && now == 0;
        if (is_halved || is_emptied) && !self.is_ordered {
            return Err(Unbelieved::Shrunken);
        }
        let sizes = snapshot.records.iter();
        snapshot.bytes = sizes
            .map(|(key, record)| key.as_str().len() + record.memory() + OVERHEAD_BYTES)
            .sum();
        if snapshot.bytes > self.bytes_max {
            return Err(Unbelieved::TooLarge);
        }
        Ok(Some(snapshot))
    }
}

#[cfg(test)]
mod tests;
