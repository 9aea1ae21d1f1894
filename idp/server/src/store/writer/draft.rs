//! One transaction: does what it rests on still hold, and what does it leave?
//!
//! First everything that can go wrong with it alone, then the writes: so a transaction that fails
//! has written nothing, and those beside it in the group never notice. What it leaves is seen by those
//! after it at once, and by readers when the whole group is on disk.

use std::mem;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use idp_core::change::Change;
use idp_core::record::{LastUse, Published, Record};
use idp_core::store::{Key, RowId, StoreError, Transaction, Version, Write};
use idp_token::epoch::Seq;
use idp_token::time::UnixSeconds;
use zeroize::Zeroizing;

use super::Outcome;
use crate::store::hot;
use crate::store::journal::Frame;
use crate::store::layers::{Layers, key_of_row};
use crate::store::layout::Moment;
use crate::store::reading::{place, show, split};
use crate::store::sealing::{SealingKey, is_sealed};
use crate::store::volume::Refused;

/// Hundreds of transactions fit in.
const PIECE_BYTES: usize = 64 * 1024;
/// So many are looked for again soon.
const KNOWN_MAX: usize = 8;
/// More than any rule ever writes at once.
pub(super) const TRANSACTION_BYTES_MAX: usize = 256 * 1024;

pub(super) struct Draft<'w> {
    layers: &'w mut Layers,
    frame: &'w mut Frame,
    texts: &'w mut Texts,
    sealing: &'w SealingKey,
    /// Versions of hot records, as they are now.
    known: Vec<(Key, Option<Version>)>,
    /// The last one; its room is used again.
    spelled: Spelled,
}

/// What a transaction leaves, spelled: keys and values, and where each of them lies in the text.
struct Spelled {
    text: Vec<u8>,
    entries: Vec<(Range<usize>, Option<Range<usize>>)>,
    after: Moment,
}

/// Where what was spelled lies as long as it is read from memory: one text behind the other, many to a
/// piece, since all of them are filed and let go together.
#[derive(Default)]
pub(super) struct Texts(BytesMut);

impl Texts {
    fn keep(&mut self, text: &[u8]) -> Bytes {
        if self.0.capacity() < text.len() {
            self.0 = BytesMut::with_capacity(text.len().max(PIECE_BYTES));
        }
        self.0.extend_from_slice(text);
        self.0.split().freeze()
    }
}

impl<'w> Draft<'w> {
    pub(super) fn new(
        layers: &'w mut Layers,
        (frame, texts): (&'w mut Frame, &'w mut Texts),
        sealing: &'w SealingKey,
    ) -> Self {
        let spelled = Spelled::nothing(layers.moment);
        Self {
            layers,
            frame,
            texts,
            sealing,
            known: Vec::new(),
            spelled,
        }
    }

    /// How much of a frame is taken.
    pub(super) const fn bytes(&self) -> usize {
        self.frame.bytes()
    }

    /// The outer error is one of the whole group.
    pub(super) fn attempt(
        &mut self,
        transaction: &Transaction,
    ) -> Result<Result<Outcome, StoreError>, Refused> {
        if !self.holds(transaction)? {
            return Ok(Ok(Outcome::Conflict));
        }
        let before = self.layers.moment;
        let mut spelled = mem::replace(&mut self.spelled, Spelled::nothing(before));
        spelled.begin(before);
        if let Err(error) = self.spell(transaction, &mut spelled)? {
            return Ok(Err(error));
        }
        if hot::is_written_by(transaction) {
            self.known.clear();
        }
        // It has no version: one of which no frame tells would be a gap after a crash.
        if !spelled.entries.is_empty() {
            self.write(&mut spelled);
        }
        self.spelled = spelled;
        Ok(Ok(Outcome::Done))
    }

    fn holds(&mut self, transaction: &Transaction) -> Result<bool, Refused> {
        for expectation in transaction.expectations() {
            if self.version(&expectation.key)? != expectation.version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What nearly every transaction rests on is looked for once in a group.
    fn version(&mut self, key: &Key) -> Result<Option<Version>, Refused> {
        let mut known = self.known.iter();
        if let Some((_, version)) = known.find(|(known, _)| known == key) {
            return Ok(*version);
        }
        let kept = self.layers.find(&key.encode())?;
        let version = kept.and_then(|kept| split(kept.bytes()).map(|(version, _)| version));
        if hot::is_hot(key.kind()) && self.known.len() < KNOWN_MAX {
            self.known.push((key.clone(), version));
        }
        Ok(version)
    }

    fn spell(
        &self,
        transaction: &Transaction,
        spelled: &mut Spelled,
    ) -> Result<Result<(), StoreError>, Refused> {
        for write in transaction.writes() {
            if let Err(error) = self.spell_write(write, spelled)? {
                return Ok(Err(error));
            }
        }
        for change in transaction.changes() {
            spelled.append(change);
        }
        if let Some(settled) = transaction.settled() {
            self.settle(settled, spelled)?;
        }
        if spelled.text.len() > TRANSACTION_BYTES_MAX {
            return Ok(Err(Refused::Large.into()));
        }
        Ok(Ok(()))
    }

    fn spell_write(
        &self,
        write: &Write,
        spelled: &mut Spelled,
    ) -> Result<Result<(), StoreError>, Refused> {
        let done = match write {
            Write::Put(record) => spelled.put(record, self.sealing),
            Write::Remove(key) => {
                spelled.remove(&key.encode());
                Ok(())
            }
            Write::Raise(last) => match self.is_latest(last)? {
                Ok(true) => spelled.put(&Record::LastUse(last.clone()), self.sealing),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            },
        };
        Ok(done)
    }

    fn is_latest(&self, last: &LastUse) -> Result<Result<bool, StoreError>, Refused> {
        let key = Key::LastUse(last.session).encode();
        let Some(kept) = self.layers.find(&key)? else {
            return Ok(Ok(true));
        };
        let known = show(self.sealing, &key, kept.bytes());
        Ok(known
            .map(|known| !matches!(known.record, Record::LastUse(known) if known.at >= last.at)))
    }

    fn settle(&self, settled: RowId, spelled: &mut Spelled) -> Result<(), Refused> {
        for row in self.layers.rows()? {
            let (id, _) = row?;
            if id > settled.0 {
                break;
            }
            spelled.remove(&key_of_row(RowId(id)));
        }
        Ok(())
    }

    fn write(&mut self, spelled: &mut Spelled) {
        let text = self.texts.keep(&spelled.text);
        let frame = &mut *self.frame;
        let entries = spelled.entries.drain(..).map(|(key, value)| {
            let (key, value) = (text.slice(key), value.map(|value| text.slice(value)));
            frame.push((&key, value.as_deref()));
            (key, value)
        });
        self.layers.recent.write(spelled.after.version, entries);
        self.layers.moment = spelled.after;
    }
}

impl Spelled {
    const fn nothing(before: Moment) -> Self {
        Self {
            text: Vec::new(),
            entries: Vec::new(),
            after: before,
        }
    }

    fn begin(&mut self, before: Moment) {
        self.text.clear();
        self.entries.clear();
        self.after = Moment {
            version: Version(before.version.0 + 1),
            row: before.row,
        };
    }

    fn put(&mut self, record: &Record, sealing: &SealingKey) -> Result<(), StoreError> {
        let from = self.text.len();
        record.key().encode_to(&mut self.text);
        let key = from..self.text.len();
        let version = self.after.version;
        self.text.extend_from_slice(&version.0.to_be_bytes());
        let spelled_key = self.text.get(key.clone()).unwrap_or_default();
        if is_sealed(spelled_key) {
            let place = place(spelled_key, version);
            let plain = Zeroizing::new(record.encode());
            sealing
                .seal(&plain, &place, &mut self.text)
                .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        } else {
            record.encode_to(&mut self.text);
        }
        let value = key.end..self.text.len();
        self.entries.push((key, Some(value)));
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) {
        let from = self.text.len();
        self.text.extend_from_slice(key);
        self.entries.push((from..self.text.len(), None));
    }

    /// As the entry of the log that will be made of it.
    fn append(&mut self, change: &Change) {
        let row = RowId(self.after.row.0 + 1);
        let entry = Record::Published(Published {
            seq: Seq(row.0),
            change: change.clone(),
            forgotten_at: UnixSeconds(0),
        });
        let from = self.text.len();
        self.text.extend_from_slice(&key_of_row(row));
        let key = from..self.text.len();
        entry.encode_to(&mut self.text);
        let value = key.end..self.text.len();
        self.entries.push((key, Some(value)));
        self.after.row = row;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_what_it_is_whatever_is_kept_behind_it() {
        let lengths = [
            100,
            0,
            PIECE_BYTES - 101,
            1,
            1,
            PIECE_BYTES,
            PIECE_BYTES + 1,
            3 * PIECE_BYTES,
            TRANSACTION_BYTES_MAX,
            7,
        ];
        let texts_of = lengths
            .iter()
            .zip(b'a'..)
            .map(|(length, letter)| vec![letter; *length]);
        let mut texts = Texts::default();
        let kept: Vec<_> = texts_of.clone().map(|text| texts.keep(&text)).collect();
        assert!(kept.iter().eq(texts_of.collect::<Vec<_>>().iter()));
        // Short ones lie one behind the other.
        let first = &kept[0];
        assert_eq!(kept[2].as_ptr(), first.as_ptr().wrapping_add(first.len()));
    }
}
