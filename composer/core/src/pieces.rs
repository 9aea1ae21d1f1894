//! Appends bytes, most of which come in short pieces: names, amounts, dates.
//!
//! A short piece takes less than a call to somebody who can copy any. What stands behind it is copied along,
//! always as much, and taken back.

/// What is longer is copied as it is.
const SHORT_BYTES_MAX: usize = 32;

/// Bytes to be appended, and what stands behind them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'p> {
    from: &'p [u8],
    length: usize,
}

impl<'p> Piece<'p> {
    /// The first bytes of these.
    pub(crate) fn new(from: &'p [u8], length: usize) -> Self {
        Self { from, length }
    }

    pub(crate) fn append_to(self, out: &mut Vec<u8>) {
        let Self { from, length } = self;
        match from.first_chunk::<SHORT_BYTES_MAX>() {
            Some(chunk) if length <= SHORT_BYTES_MAX => {
                let end = out.len() + length;
                out.extend_from_slice(chunk);
                out.truncate(end);
            }
            Some(_) | None => out.extend_from_slice(from.get(..length).unwrap_or(from)),
        }
    }
}

/// A name as it is written into an object, quotes and colon with it.
#[derive(Debug)]
pub(crate) struct Label {
    /// Behind a comma, and with something behind it.
    padded: Box<[u8]>,
    length: usize,
}

impl Label {
    /// Of a name in its quotes.
    pub(crate) fn new(quoted: &str) -> Self {
        let mut padded = format!(",{quoted}:").into_bytes();
        let length = padded.len();
        padded.resize(length + SHORT_BYTES_MAX, 0);
        Self {
            padded: padded.into(),
            length,
        }
    }

    pub(crate) fn first(&self) -> Piece<'_> {
        let from = self.padded.get(1..).unwrap_or_default();
        Piece::new(from, self.length - 1)
    }

    /// With the comma between them.
    pub(crate) fn after_another(&self) -> Piece<'_> {
        Piece::new(&self.padded, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_any_length_is_appended_whole_and_nothing_behind_it() {
        let letters: Vec<u8> = (1..=70).collect();
        for room in [0, 1, 200] {
            for length in 0..=letters.len() {
                for end in [length, letters.len()] {
                    let mut out = Vec::with_capacity(room);
                    out.push(b'<');
                    Piece::new(&letters[..end], length).append_to(&mut out);
                    assert_eq!(out, [b"<", &letters[..length]].concat(), "{length} {end}");
                }
            }
        }
    }

    #[test]
    fn a_label_has_a_comma_where_it_is_not_the_first() {
        let label = Label::new("\"amount\"");
        let mut out = Vec::new();
        label.first().append_to(&mut out);
        label.after_another().append_to(&mut out);
        assert_eq!(out, b"\"amount\":,\"amount\":");
    }
}
