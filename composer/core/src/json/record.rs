//! A record that is kept and read often: where its members stand, and its bytes, in one piece of memory.
//!
//! Each list reads hundreds of records that nobody has read for a while, and waits for every place in memory
//! where a part of one lies.

use std::sync::Arc;

use super::Value;
use super::notes::{Member, Notes, Place};

/// Longer ones are read without notes.
const BYTES_MAX: usize = 0x7fff;
/// Of the first number of a note, which is never more than [`BYTES_MAX`].
const ESCAPED: u16 = 0x8000;

/// Its first byte counts the notes behind it.
#[derive(Clone)]
pub(super) struct Record(Arc<[u8]>);

/// A member: where its name begins and ends, and its value.
type Note = [u8; 8];

impl Record {
    pub(super) fn new(bytes: &[u8], notes: &Notes) -> Self {
        let packed: Option<Vec<Note>> = notes.members().iter().map(pack).collect();
        let packed = packed.filter(|_| bytes.len() <= BYTES_MAX);
        let noted = packed.and_then(|packed| Some((u8::try_from(packed.len()).ok()?, packed)));
        let (count, packed) = noted.unwrap_or_default();
        let mut whole = Vec::with_capacity(1 + packed.as_flattened().len() + bytes.len());
        whole.push(count);
        whole.extend_from_slice(packed.as_flattened());
        whole.extend_from_slice(bytes);
        Self(whole.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.parts().1
    }

    /// Those whose names may have so many bytes; none where none were noted.
    pub(super) fn members(&self, length: usize) -> impl Iterator<Item = Member> {
        let notes = self.parts().0.iter();
        let maybe = notes.filter(move |note| {
            let [first, end] = name_of(note);
            first & ESCAPED != 0 || usize::from(end - first) == length
        });
        maybe.filter_map(unpack)
    }

    pub(super) fn is_noted(&self) -> bool {
        self.0.first().is_some_and(|count| *count > 0)
    }

    /// With what counts its owners.
    pub(super) fn memory(&self) -> usize {
        2 * size_of::<usize>() + self.0.len()
    }

    fn parts(&self) -> (&[Note], &[u8]) {
        let parts = self.0.split_first().and_then(|(count, rest)| {
            let (notes, bytes) = rest.split_at_checked(usize::from(*count) * size_of::<Note>())?;
            Some((notes.as_chunks().0, bytes))
        });
        parts.expect("invariant: so many were written")
    }
}

fn pack(member: &Member) -> Option<Note> {
    let (name, value) = (member.name.range(), member.value.range());
    let places = [name.start, name.end, value.start, value.end];
    let flags = [u16::from(member.is_escaped) * ESCAPED, 0, 0, 0];
    let mut note = Note::default();
    for ((part, place), flag) in note
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(places)
        .zip(flags)
    {
        let place = u16::try_from(place).ok()?;
        *part = (place | flag).to_le_bytes();
    }
    Some(note)
}

fn unpack(note: &Note) -> Option<Member> {
    let [.., e, f, g, h] = *note;
    let [first, name_end] = name_of(note);
    let place = |start, end| Place::of(&(usize::from(start)..usize::from(end)));
    Some(Member {
        name: place(first & !ESCAPED, name_end)?,
        value: place(u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]))?,
        is_escaped: first & ESCAPED != 0,
    })
}

/// Where its name begins, perhaps marked, and ends.
fn name_of(note: &Note) -> [u16; 2] {
    let [a, b, c, d, ..] = *note;
    [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
}

impl Value<'_> {
    /// What is to be noted of a record that is copied out of a body.
    pub(super) fn notes(self) -> Notes {
        let mut notes = Notes::default();
        for (name, value) in self.members() {
            notes.member(self.0, &self.place_of(name), &self.place_of(value.0));
        }
        notes.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Json, Name};

    /// One that has its last member at the end of so many bytes.
    fn record(bytes: usize) -> Json {
        let filler = "x".repeat(bytes - r#"{"a\u0062":"","last":7}"#.len());
        let text = format!(r#"{{"a\u0062":"{filler}","last":7}}"#);
        assert_eq!(text.len(), bytes);
        Json::parse(&text.into()).unwrap().value().to_record()
    }

    #[test]
    fn members_of_a_long_record_are_found_whether_they_were_noted_or_not() {
        for (bytes, are_noted) in [
            (100, true),
            (0x7fff, true),
            (0x8000, false),
            (70_000, false),
        ] {
            let record = record(bytes);
            assert_eq!(record.memory() > bytes + 17, are_noted, "{bytes}");
            assert_eq!(record.bytes().len(), bytes);
            let of = |name: &str| record.follow(&[Name::new(name)], &mut 0);
            assert_eq!(of("last").unwrap().bytes(), b"7", "{bytes}");
            assert!(of("ab").is_some(), "{bytes}");
            assert!(of("a\\u0062").is_none(), "{bytes}");
        }
    }
}
