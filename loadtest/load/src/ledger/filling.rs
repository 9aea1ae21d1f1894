//! The bytes of bodies. They follow from the id, so that whoever knows it can say whose a body is.

use std::fmt;

use crate::dice::Dice;

use super::entry::{Framing, Parcel};

const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// What of a body is kept to compare it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    pub bytes: usize,
    pub hash: u64,
}

impl Digest {
    pub const EMPTY: Self = Self { bytes: 0, hash: 0 };

    pub fn of(bytes: &[u8]) -> Self {
        let hash = bytes.chunks(8).fold(0, |hash: u64, chunk| {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            (hash ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
        Self {
            bytes: bytes.len(),
            hash,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:016x}", self.bytes, self.hash)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({self})")
    }
}

pub(super) fn request_body(id: &str, parcel: Parcel) -> Vec<u8> {
    Dice::of(0, &[id, "request"]).bytes(parcel.bytes)
}

/// Begins with the id in words, for whoever finds it where it does not belong.
pub(super) fn answer_body(id: &str, parcel: Parcel) -> Vec<u8> {
    let mut body = format!("{id}\n").into_bytes();
    body.extend(Dice::of(0, &[id, "answer"]).bytes(parcel.bytes));
    body
}

/// The rest of a message: the field that frames its body, the end of the head, the body framed.
pub(super) fn write_body(id: &str, framing: Framing, mut body: &[u8], wire: &mut Vec<u8>) {
    if framing == Framing::Length {
        wire.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        wire.extend_from_slice(body);
        return;
    }
    wire.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    let mut dice = Dice::of(0, &[id, "chunks"]);
    while !body.is_empty() {
        let size = 1 + dice.below(CHUNK_BYTES_MAX.min(body.len()));
        let (chunk, rest) = body.split_at(size);
        wire.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
        body = rest;
    }
    wire.extend_from_slice(b"0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_bytes_apart_by_value_length_and_place() {
        let cases: [&[u8]; 8] = [
            b"",
            b"\0",
            b"\0\0",
            b"abcdefgh",
            b"abcdefgi",
            b"abcdefghabcdefgi",
            b"abcdefgiabcdefgh",
            b"abcdefgh\0",
        ];
        for (place, bytes) in cases.iter().enumerate() {
            let same = cases
                .iter()
                .position(|other| Digest::of(other) == Digest::of(bytes));
            assert_eq!(same, Some(place), "{bytes:?}");
        }
        assert_eq!(Digest::of(b""), Digest::EMPTY);
    }

    #[test]
    fn a_body_belongs_to_one_id_and_one_direction() {
        let parcel = Parcel {
            framing: Framing::Length,
            bytes: 64,
        };
        let of_a = request_body("a", parcel);
        assert_eq!(of_a, request_body("a", parcel));
        assert_ne!(of_a, request_body("b", parcel));
        let answer = answer_body("a", parcel);
        assert!(answer.starts_with(b"a\n") && !answer.ends_with(&of_a));
        assert_eq!((of_a.len(), answer.len()), (64, 66));
    }
}
