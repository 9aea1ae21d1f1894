//! One frame: what a group of transactions leaves, as bytes that say whether they are whole.
//!
//! `salt 16 | body bytes 4 | version before 8 | version after 8 | row after 8 | sum 16 | body`, padded
//! to whole pages. The sum is the first half of SHA-256 over everything else; the salt is that of the
//! half that the frame lies in, so what an earlier use left there is no frame of this one. The body is
//! a list of what lies where from now on: `key bytes 2 | key | value bytes 4 | value`, with a length
//! that no value has for what was removed.

use aws_lc_rs::digest::{Context, SHA256};
use idp_core::store::{RowId, Version};

use crate::store::layout::Moment;

pub(super) const SALT_BYTES: usize = 16;
/// A page is written by one frame alone, so that nothing that was acknowledged is ever written over.
pub(super) const PAGE_BYTES: usize = 4096;

const SUM_BYTES: usize = 16;
const HEAD_BYTES: usize = SALT_BYTES + 4 + 3 * 8 + SUM_BYTES;
const REMOVED: u32 = u32::MAX;

pub(super) type Salt = [u8; SALT_BYTES];

/// A frame that is being filled. Its buffer is used again and again.
#[derive(Debug, Default)]
pub(in crate::store) struct Frame(Vec<u8>);

/// What lies under a key from now on; none if nothing does.
pub(in crate::store) type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

impl Frame {
    pub(in crate::store) fn clear(&mut self) {
        self.0.clear();
        self.0.resize(HEAD_BYTES, 0);
    }

    pub(in crate::store) const fn is_empty(&self) -> bool {
        self.0.len() <= HEAD_BYTES
    }

    /// How much of a half it needs.
    pub(in crate::store) const fn bytes(&self) -> usize {
        self.0.len().next_multiple_of(PAGE_BYTES)
    }

    pub(in crate::store) fn push(&mut self, (key, value): Entry<'_>) {
        let key_bytes = u16::try_from(key.len()).expect("invariant: names in keys are capped");
        self.0.extend_from_slice(&key_bytes.to_be_bytes());
        self.0.extend_from_slice(key);
        let Some(value) = value else {
            self.0.extend_from_slice(&REMOVED.to_be_bytes());
            return;
        };
        let bytes = u32::try_from(value.len()).expect("invariant: a transaction is capped");
        self.0.extend_from_slice(&bytes.to_be_bytes());
        self.0.extend_from_slice(value);
    }

    /// Whole, with its head and its padding.
    pub(super) fn seal(&mut self, salt: &Salt, before: Version, after: Moment) -> &[u8] {
        let body_bytes = self.0.len().saturating_sub(HEAD_BYTES);
        let body_bytes = u32::try_from(body_bytes).expect("invariant: a frame is capped");
        let head = Head {
            body_bytes,
            before,
            after,
        };
        let mut spelled = head.spell(salt);
        let body = self.0.get(HEAD_BYTES..).unwrap_or_default();
        let sum = sum(&spelled, body);
        spelled.extend_from_slice(&sum);
        if let Some(place) = self.0.get_mut(..HEAD_BYTES) {
            place.copy_from_slice(&spelled);
        }
        self.0.resize(self.bytes(), 0);
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    body_bytes: u32,
    before: Version,
    after: Moment,
}

impl Head {
    /// Without the sum.
    fn spell(&self, salt: &Salt) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.extend_from_slice(salt);
        out.extend_from_slice(&self.body_bytes.to_be_bytes());
        for number in [self.before.0, self.after.version.0, self.after.row.0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (body_bytes, rest) = bytes.split_first_chunk()?;
        let (before, rest) = rest.split_first_chunk()?;
        let (version, row) = rest.split_first_chunk()?;
        Some(Self {
            body_bytes: u32::from_be_bytes(*body_bytes),
            before: Version(u64::from_be_bytes(*before)),
            after: Moment {
                version: Version(u64::from_be_bytes(*version)),
                row: RowId(u64::from_be_bytes(row.try_into().ok()?)),
            },
        })
    }
}

fn sum(head: &[u8], body: &[u8]) -> [u8; SUM_BYTES] {
    let mut context = Context::new(&SHA256);
    context.update(head);
    context.update(body);
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&context.finish().as_ref()[..SUM_BYTES]);
    sum
}

/// A frame that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) before: Version,
    pub(super) after: Moment,
    body: &'a [u8],
}

impl<'a> Found<'a> {
    /// What begins here, if that is a whole frame of this salt.
    pub(super) fn at(bytes: &'a [u8], salt: &Salt) -> Option<Self> {
        let (spelled, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let (spelled, known_sum) = spelled.split_last_chunk::<SUM_BYTES>()?;
        let head = Head::read(spelled.strip_prefix(salt)?)?;
        let body = rest.get(..usize::try_from(head.body_bytes).ok()?)?;
        (sum(spelled, body) == *known_sum).then_some(Self {
            before: head.before,
            after: head.after,
            body,
        })
    }

    pub(super) const fn bytes(&self) -> usize {
        (HEAD_BYTES + self.body.len()).next_multiple_of(PAGE_BYTES)
    }

    /// In the order in which it was written; none if it is not a list of entries.
    pub(super) fn entries(&self) -> Option<Vec<Entry<'a>>> {
        let mut entries = Vec::new();
        let mut rest = self.body;
        while !rest.is_empty() {
            let entry;
            (entry, rest) = read_entry(rest)?;
            entries.push(entry);
        }
        Some(entries)
    }
}

fn read_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (key_bytes, rest) = bytes.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u16::from_be_bytes(*key_bytes).into())?;
    let (value_bytes, rest) = rest.split_first_chunk()?;
    let value_bytes = u32::from_be_bytes(*value_bytes);
    if value_bytes == REMOVED {
        return Some(((key, None), rest));
    }
    let (value, rest) = rest.split_at_checked(usize::try_from(value_bytes).ok()?)?;
    Some(((key, Some(value)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = *b"salt of one half";
    const AFTER: Moment = Moment {
        version: Version(9),
        row: RowId(4),
    };

    fn sealed(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut frame = Frame::default();
        frame.clear();
        for entry in entries {
            frame.push(*entry);
        }
        frame.seal(&SALT, Version(7), AFTER).to_vec()
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let long = vec![7; 3 * PAGE_BYTES];
        let entries: [Entry<'_>; 4] = [
            (b"one", Some(b"value")),
            (b"gone", None),
            (b"", Some(b"")),
            (b"long", Some(&long)),
        ];
        let bytes = sealed(&entries);
        assert_eq!(bytes.len() % PAGE_BYTES, 0);
        let found = Found::at(&bytes, &SALT).unwrap();
        assert_eq!((found.before, found.after), (Version(7), AFTER));
        assert_eq!(found.bytes(), bytes.len());
        assert_eq!(found.entries().unwrap(), entries);
        assert_eq!(Found::at(&bytes, b"salt of another!"), None);
    }

    #[test]
    fn a_frame_with_any_bit_flipped_or_its_end_missing_is_none() {
        let bytes = sealed(&[(b"key", Some(&[1; 200])), (b"gone", None)]);
        let used = HEAD_BYTES + Found::at(&bytes, &SALT).unwrap().body.len();
        for at in 0..used {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(Found::at(&flipped, &SALT), None, "bit {bit} of byte {at}");
            }
            assert_eq!(Found::at(&bytes[..at], &SALT), None, "cut at byte {at}");
        }
    }
}
