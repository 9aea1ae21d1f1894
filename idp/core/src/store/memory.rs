//! A store that forgets everything with its process. It is what the rules are tested on, and what
//! another adapter is compared with.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, ready};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    CommitError, Expectation, Key, Range, Row, RowId, Store, StoreError, Stored, Transaction,
    Version, Write,
};
use crate::record::{LastUse, Record};
use crate::view::{Found, Shelf};

/// Records are kept as bytes, so that every test of a rule is one of their spelling too.
#[derive(Debug, Default)]
pub struct Memory(Mutex<State>);

#[derive(Debug, Default, Clone)]
struct State {
    records: BTreeMap<Vec<u8>, (Version, Vec<u8>)>,
    outbox: VecDeque<Row>,
    commits: u64,
    rows: u64,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn read_now(&self, keys: &[Key]) -> Vec<Option<Stored>> {
        let state = self.state();
        keys.iter().map(|key| state.find(key)).collect()
    }

    pub fn commit_now(&self, transaction: &Transaction) -> Result<(), CommitError> {
        self.state().commit(transaction)
    }

    #[must_use]
    pub fn scan_now(&self, range: &Range, after: Option<&Key>, limit: usize) -> Vec<Stored> {
        let from = after.map_or_else(
            || Bound::Included(range.prefix().to_vec()),
            |key| Bound::Excluded(key.encode().max(range.prefix().to_vec())),
        );
        let state = self.state();
        let found = state.records.range((from, Bound::Unbounded));
        found
            .take_while(|(key, _)| range.has(key))
            .take(limit)
            .map(|(_, kept)| show(kept))
            .collect()
    }

    #[must_use]
    pub fn outbox_now(&self, limit: usize) -> Vec<Row> {
        self.state().outbox.iter().take(limit).cloned().collect()
    }
}

fn show((version, bytes): &(Version, Vec<u8>)) -> Stored {
    Stored {
        record: Record::decode(bytes).expect("invariant: it was encoded here"),
        version: *version,
    }
}

impl State {
    fn find(&self, key: &Key) -> Option<Stored> {
        self.records.get(&key.encode()).map(show)
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        let holds = |expectation: &Expectation| {
            let kept = self.records.get(&expectation.key.encode());
            kept.map(|(version, _)| *version) == expectation.version
        };
        if !transaction.expectations().iter().all(holds) {
            return Err(CommitError::Conflict);
        }
        self.commits += 1;
        for write in transaction.writes() {
            self.write(write);
        }
        for change in transaction.changes() {
            self.rows += 1;
            let id = RowId(self.rows);
            let change = change.clone();
            self.outbox.push_back(Row { id, change });
        }
        if let Some(settled) = transaction.settled() {
            self.outbox.retain(|row| row.id > settled);
        }
        Ok(())
    }

    fn write(&mut self, write: &Write) {
        let version = Version(self.commits);
        match write {
            Write::Put(record) => {
                let kept = (version, record.encode());
                self.records.insert(record.key().encode(), kept);
            }
            Write::Remove(key) => {
                self.records.remove(&key.encode());
            }
            Write::Raise(last) => self.raise(last, version),
        }
    }

    fn raise(&mut self, last: &LastUse, version: Version) {
        let key = Key::LastUse(last.session);
        let known = self.find(&key).map(|stored| stored.record);
        let is_older = matches!(known, Some(Record::LastUse(known)) if known.at >= last.at);
        if !is_older {
            let record = Record::LastUse(last.clone());
            self.records
                .insert(key.encode(), (version, record.encode()));
        }
    }
}

impl Shelf for Memory {
    fn find(&self, key: &Key) -> Option<Found> {
        Some(self.state().find(key).map(Arc::new))
    }
}

impl Store for Memory {
    fn read(
        &self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<Option<Stored>>, StoreError>> + Send {
        ready(Ok(self.read_now(keys)))
    }

    fn commit(
        &self,
        transaction: Transaction,
    ) -> impl Future<Output = Result<(), CommitError>> + Send {
        ready(self.commit_now(&transaction))
    }

    fn scan(
        &self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Stored>, StoreError>> + Send {
        ready(Ok(self.scan_now(range, after, limit)))
    }

    fn outbox(&self, limit: usize) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send {
        ready(Ok(self.outbox_now(limit)))
    }
}
