//! One transaction: does what it rests on still hold, and what does it leave?
//!
//! First everything that can go wrong with it alone, then the writes: so a transaction that fails
//! has written nothing, and those beside it in the group never notice.

use idp_core::change::Change;
use idp_core::record::{LastUse, Published, Record};
use idp_core::store::{Key, RowId, StoreError, Transaction, Version, Write};
use idp_token::epoch::Seq;
use idp_token::time::UnixSeconds;
use redb::{ReadableTable as _, Table};
use zeroize::Zeroizing;

use super::Outcome;
use crate::store::hot;
use crate::store::layout::Moment;
use crate::store::reading::{place, show, split};
use crate::store::sealing::{SealingKey, is_sealed};

/// Most records fit in, sealed or not.
const USUAL_BYTES: usize = 320;
/// So many are looked for again soon.
const KNOWN_MAX: usize = 8;

pub(super) struct Tables<'t> {
    records: Table<'t, &'static [u8], &'static [u8]>,
    outbox: Table<'t, u64, &'static [u8]>,
    sealing: &'t SealingKey,
    pub(super) moment: Moment,
    /// Versions of hot records, as they are now.
    known: Vec<(Key, Option<Version>)>,
}

/// What one write comes to. `None` removes.
type Prepared = (Vec<u8>, Option<Vec<u8>>);

impl<'t> Tables<'t> {
    pub(super) const fn new(
        records: Table<'t, &'static [u8], &'static [u8]>,
        outbox: Table<'t, u64, &'static [u8]>,
        sealing: &'t SealingKey,
        moment: Moment,
    ) -> Self {
        Self {
            records,
            outbox,
            sealing,
            moment,
            known: Vec::new(),
        }
    }

    /// The outer error is one of the whole group.
    pub(super) fn attempt(
        &mut self,
        transaction: &Transaction,
    ) -> redb::Result<Result<Outcome, StoreError>> {
        if !self.holds(transaction)? {
            return Ok(Ok(Outcome::Conflict));
        }
        let version = Version(self.moment.version.0 + 1);
        let mut prepared = Vec::with_capacity(transaction.writes().len());
        for write in transaction.writes() {
            match self.prepare(write, version)? {
                Ok(write) => prepared.extend(write),
                Err(error) => return Ok(Err(error)),
            }
        }
        self.moment.version = version;
        if hot::is_written_by(transaction) {
            self.known.clear();
        }
        self.write(prepared)?;
        for change in transaction.changes() {
            self.append(change)?;
        }
        if let Some(settled) = transaction.settled() {
            self.outbox.retain_in(..=settled.0, |_, _| false)?;
        }
        Ok(Ok(Outcome::Done))
    }

    fn holds(&mut self, transaction: &Transaction) -> redb::Result<bool> {
        for expectation in transaction.expectations() {
            if self.version(&expectation.key)? != expectation.version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What nearly every transaction rests on is looked for once in a group.
    fn version(&mut self, key: &Key) -> redb::Result<Option<Version>> {
        let mut known = self.known.iter();
        if let Some((_, version)) = known.find(|(known, _)| known == key) {
            return Ok(*version);
        }
        let kept = self.records.get(key.encode().as_slice())?;
        let version = kept.and_then(|kept| split(kept.value()).map(|(version, _)| version));
        if hot::is_hot(key.kind()) && self.known.len() < KNOWN_MAX {
            self.known.push((key.clone(), version));
        }
        Ok(version)
    }

    fn prepare(
        &self,
        write: &Write,
        version: Version,
    ) -> redb::Result<Result<Option<Prepared>, StoreError>> {
        Ok(match write {
            Write::Put(record) => self.spell(record, version).map(Some),
            Write::Remove(key) => Ok(Some((key.encode(), None))),
            Write::Raise(last) => match self.is_latest(last)? {
                Ok(true) => self
                    .spell(&Record::LastUse(last.clone()), version)
                    .map(Some),
                Ok(false) => Ok(None),
                Err(error) => Err(error),
            },
        })
    }

    fn spell(&self, record: &Record, version: Version) -> Result<Prepared, StoreError> {
        let spelled = record.key().encode();
        let mut kept = Vec::with_capacity(USUAL_BYTES);
        kept.extend_from_slice(&version.0.to_be_bytes());
        if is_sealed(&spelled) {
            let plain = Zeroizing::new(record.encode());
            self.sealing
                .seal(&plain, &place(&spelled, version), &mut kept)
                .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        } else {
            record.encode_to(&mut kept);
        }
        Ok((spelled, Some(kept)))
    }

    fn is_latest(&self, last: &LastUse) -> redb::Result<Result<bool, StoreError>> {
        let key = Key::LastUse(last.session).encode();
        let Some(kept) = self.records.get(key.as_slice())? else {
            return Ok(Ok(true));
        };
        let known = show(self.sealing, &key, kept.value());
        Ok(known
            .map(|known| !matches!(known.record, Record::LastUse(known) if known.at >= last.at)))
    }

    fn write(&mut self, prepared: Vec<Prepared>) -> redb::Result {
        for (key, kept) in prepared {
            match kept {
                Some(kept) => self.records.insert(key.as_slice(), kept.as_slice())?,
                None => self.records.remove(key.as_slice())?,
            };
        }
        Ok(())
    }

    /// As the entry of the log that will be made of it.
    fn append(&mut self, change: &Change) -> redb::Result {
        let row = RowId(self.moment.row.0 + 1);
        let entry = Record::Published(Published {
            seq: Seq(row.0),
            change: change.clone(),
            forgotten_at: UnixSeconds(0),
        });
        self.outbox.insert(row.0, entry.encode().as_slice())?;
        self.moment.row = row;
        Ok(())
    }
}
