//! Where the truth is kept: the port that every store must fill.
//!
//! A store is an ordered map from keys to records, each with a version, and a queue of rows that
//! the relay empties. It knows nothing of sessions or tokens; it has four duties:
//!
//! - `read` shows the keys it is asked for as of one moment.
//! - `commit` is all or nothing: if every expectation still holds, the writes are done and the
//!   changes are in the outbox, and both survive whatever happens next; otherwise nothing is done.
//!   A transaction names all that its decision rests on, so transactions that commit could have
//!   run one after the other. Many may share one `fsync`, each with an outcome of its own.
//! - `scan` walks over a range of keys, page by page.
//! - `outbox` shows the oldest rows that are not settled. Rows are numbered in the order in which
//!   their transactions committed: a row that becomes visible is newer than any that was seen.
//!
//! `contract` tests a store on all of this.

use std::collections::HashSet;
use std::error::Error;
use std::future::Future;

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::change::{Change, announce};
use crate::record::{LastUse, Record};
use crate::view::View;

pub use key::{Key, Kind, Owner, Range};

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod key;
#[cfg(any(test, feature = "contract"))]
pub mod memory;

/// Fewer keys than this are compared sooner than hashed.
const FEW: usize = 16;

pub trait Store: Send + Sync {
    /// What lies under these keys, in their order, all of it at one moment.
    fn read(
        &self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<Option<Stored>>, StoreError>> + Send;

    fn commit(
        &self,
        transaction: Transaction,
    ) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// At most `limit` records of a range in the order of their keys, from the first one after the
    /// given key on. The page is of one moment, a walk over pages is not.
    fn scan(
        &self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Stored>, StoreError>> + Send;

    /// At most `limit` of the oldest rows that are not settled, oldest first.
    fn outbox(&self, limit: usize) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;
}

/// Which write a record is of. No two writes of a key ever have the same one, not even with a
/// removal between them; what is absent has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

#[derive(Debug, Clone)]
pub struct Stored {
    pub record: Record,
    pub version: Version,
}

/// The number of a row: greater than those of all rows committed before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: RowId,
    pub change: Change,
}

/// Nobody can tell: the request is answered with 503. A commit that failed so may have happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store cannot be asked")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    #[error("the store holds what cannot be read")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something that the decision rests on has changed, and nothing was written: read anew and
    /// decide anew.
    #[error("something else was committed in between")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be written if nothing that it rests on has changed.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Transaction {
    expectations: Vec<Expectation>,
    /// All of them, once there are so many that looking through them takes longer.
    expected: HashSet<Key>,
    writes: Vec<Write>,
    changes: Vec<Change>,
    settled: Option<RowId>,
}

/// The version that a key must still have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub key: Key,
    pub version: Option<Version>,
}

#[derive(Debug, Clone)]
pub enum Write {
    Put(Box<Record>),
    Remove(Key),
    /// Sets the last use to this one unless a later one is known. Merged by the store, so that it
    /// never conflicts; it need not survive a crash by itself.
    Raise(LastUse),
}

impl Transaction {
    /// Rests on everything that was read, and on nothing else.
    pub(crate) fn of(view: &View) -> Self {
        let mut transaction = Self::default();
        for expectation in view.expectations() {
            transaction.expect(expectation.key, expectation.version);
        }
        transaction
    }

    /// Rests on nothing: only the writes themselves must be of what the view shows.
    pub(crate) fn blank() -> Self {
        Self::default()
    }

    /// Writes a record over what the view shows, or where nothing was looked for and nothing may
    /// be, and announces what that takes away.
    pub(crate) fn put(&mut self, view: &View, record: Record, now: UnixSeconds) {
        let key = record.key();
        let before = view.peek(&key);
        self.changes
            .extend(announce(before.map(|it| &it.record), Some(&record), now));
        self.expect(key, before.map(|it| it.version));
        self.writes.push(Write::Put(Box::new(record)));
    }

    /// Writes a record over whatever is there, of which nobody hears: where nothing can be, or another
    /// record of the same transaction, which is looked for, says whether this one can be there.
    pub(crate) fn overwrite(&mut self, record: Record) {
        self.writes.push(Write::Put(Box::new(record)));
    }

    pub(crate) fn remove(&mut self, stored: &Stored, now: UnixSeconds) {
        let key = stored.record.key();
        self.changes
            .extend(announce(Some(&stored.record), None, now));
        self.expect(key.clone(), Some(stored.version));
        self.writes.push(Write::Remove(key));
    }

    pub(crate) fn raise(&mut self, session: SessionId, at: UnixSeconds, ends_at: UnixSeconds) {
        self.writes.push(Write::Raise(LastUse {
            session,
            at,
            ends_at,
        }));
    }

    /// Takes rows out of the outbox, up to this one.
    pub(crate) fn settle(&mut self, row: RowId) {
        self.settled = Some(row);
    }

    /// A key is expected once, however often it is named.
    fn expect(&mut self, key: Key, version: Option<Version>) {
        let is_expected = if self.expectations.len() < FEW {
            self.expectations.iter().any(|known| known.key == key)
        } else {
            if self.expected.is_empty() {
                let known = self.expectations.iter().map(|known| known.key.clone());
                self.expected.extend(known);
            }
            !self.expected.insert(key.clone())
        };
        if !is_expected {
            self.expectations.push(Expectation { key, version });
        }
    }

    /// Whether there is anything to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.settled.is_none()
    }

    #[must_use]
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }

    /// Each key is written at most once.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// To be appended to the outbox, in this order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    #[must_use]
    pub const fn settled(&self) -> Option<RowId> {
        self.settled
    }

    /// Whether its answer must wait until it is on disk. Last uses alone may be lost.
    #[must_use]
    pub fn must_survive(&self) -> bool {
        self.settled.is_some()
            || self
                .writes
                .iter()
                .any(|write| !matches!(write, Write::Raise(_)))
    }
}
