//! Which request is sent, once the values are known?
//!
//! ```text
//! GET remittance /remittances?member={memberId}&cursor={query.cursor?}
//! ```
//!
//! A value is written into the target so that it stays one value: everything but the unreserved
//! characters of RFC 3986 is encoded, and what would change the path by being empty or by being dots
//! is refused. A parameter of the query whose value is optional and not there is left out as a whole.

use std::borrow::Cow;

use crate::keys::Wanted;
use crate::plan::{ServiceId, Value};

pub(crate) use template::{Part, Slot, Template, parse};

mod template;

#[cfg(test)]
mod tests;

/// Of a value that is written into a target.
pub const VALUE_BYTES_MAX: usize = 4_096;

/// A `GET` to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub service: ServiceId,
    pub(crate) path: Vec<Piece>,
    pub(crate) query: Vec<Pair>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Sent as it is.
    Literal(Box<str>),
    Insert(Insert),
}

/// What is written into a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insert {
    Value {
        value: Value,
        is_optional: bool,
    },
    /// The keys of a batch, with commas between them.
    Keys,
    /// The versions held of these keys, in the same order; nothing where none is held.
    Versions,
    /// When the table was last modified.
    LastModified,
}

/// A parameter of the query, or a piece of it without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) pieces: Vec<Piece>,
}

/// Why a call cannot be made of the values at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("a value for the call is not there")]
    Missing,
    #[error("a value for the call is empty, dots, or no scalar")]
    Unusable,
    #[error("a value for the call is longer than {VALUE_BYTES_MAX} bytes")]
    TooLong,
}

impl Call {
    /// The request target for values that `find` finds.
    pub fn target<'v>(
        &self,
        mut find: impl FnMut(&Value) -> Result<Option<Cow<'v, str>>, Unfit>,
    ) -> Result<String, Unfit> {
        self.write(&mut |insert, out| match insert {
            Insert::Value { value, is_optional } => match find(value)? {
                Some(text) => push_value(&text, out),
                None if *is_optional => Ok(false),
                None => Err(Unfit::Missing),
            },
            Insert::Keys | Insert::Versions | Insert::LastModified => Ok(false),
        })
    }

    /// The request target for the records of these keys.
    pub fn batch_target(&self, wanted: &[Wanted]) -> String {
        self.write_without_values(&mut |insert, out| match insert {
            Insert::Keys => {
                push_list(wanted.iter().map(|want| want.key.as_str()), out);
                true
            }
            Insert::Versions => {
                let versions = wanted.iter().map(|want| want.version.as_deref());
                push_list(versions.map(Option::unwrap_or_default), out);
                true
            }
            Insert::Value { .. } | Insert::LastModified => false,
        })
    }

    /// The request target for what changed in a table since, or for all of it.
    pub fn table_target(&self, last_modified: Option<&str>) -> String {
        self.write_without_values(&mut |insert, out| match (insert, last_modified) {
            (Insert::LastModified, Some(date)) => {
                push_encoded(date, out);
                true
            }
            (_, _) => false,
        })
    }

    /// Whether a table can be asked for its changes alone.
    pub fn asks_for_changes(&self) -> bool {
        self.has(&Insert::LastModified)
    }

    /// Whether a batch says which versions are held.
    pub fn asks_for_versions(&self) -> bool {
        self.has(&Insert::Versions)
    }

    /// Every value that is written into the target.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.inserts().filter_map(|insert| match insert {
            Insert::Value { value, .. } => Some(value),
            Insert::Keys | Insert::Versions | Insert::LastModified => None,
        })
    }

    fn has(&self, wanted: &Insert) -> bool {
        self.inserts().any(|insert| insert == wanted)
    }

    fn inserts(&self) -> impl Iterator<Item = &Insert> {
        let of_query = self.query.iter().flat_map(|pair| &pair.pieces);
        self.path
            .iter()
            .chain(of_query)
            .filter_map(|piece| match piece {
                Piece::Insert(insert) => Some(insert),
                Piece::Literal(_) => None,
            })
    }

    fn write_without_values(&self, fill: &mut dyn FnMut(&Insert, &mut String) -> bool) -> String {
        let written = self.write(&mut |insert, out| Ok(fill(insert, out)));
        written.unwrap_or_default()
    }

    /// `fill` writes an insert and says whether it was there; a pair in which one was not is left out.
    fn write(
        &self,
        fill: &mut dyn FnMut(&Insert, &mut String) -> Result<bool, Unfit>,
    ) -> Result<String, Unfit> {
        let mut out = String::with_capacity(128);
        for piece in &self.path {
            write_piece(piece, fill, &mut out)?;
        }
        let ends_in_slash = match self.path.last() {
            Some(Piece::Literal(text)) => text.ends_with('/'),
            Some(Piece::Insert(_)) | None => false,
        };
        check_path(&out, ends_in_slash)?;
        let mut separator = '?';
        for pair in &self.query {
            let start = out.len();
            out.push(separator);
            let mut is_there = true;
            for piece in &pair.pieces {
                is_there &= write_piece(piece, fill, &mut out)?;
            }
            if is_there {
                separator = '&';
            } else {
                out.truncate(start);
            }
        }
        Ok(out)
    }
}

fn write_piece(
    piece: &Piece,
    fill: &mut dyn FnMut(&Insert, &mut String) -> Result<bool, Unfit>,
    out: &mut String,
) -> Result<bool, Unfit> {
    match piece {
        Piece::Literal(text) => {
            out.push_str(text);
            Ok(true)
        }
        Piece::Insert(insert) => fill(insert, out),
    }
}

fn push_value(text: &str, out: &mut String) -> Result<bool, Unfit> {
    if text.len() > VALUE_BYTES_MAX {
        return Err(Unfit::TooLong);
    }
    push_encoded(text, out);
    Ok(true)
}

/// A segment that a value made empty or dots would lead somewhere else.
fn check_path(path: &str, ends_in_slash: bool) -> Result<(), Unfit> {
    let path = path
        .strip_suffix('/')
        .filter(|_| ends_in_slash)
        .unwrap_or(path);
    let mut segments = path.split('/').skip(1);
    if segments.any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(Unfit::Unusable);
    }
    Ok(())
}

fn push_list<'t>(texts: impl Iterator<Item = &'t str>, out: &mut String) {
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_encoded(text, out);
    }
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_encoded(text: &str, out: &mut String) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or('0');
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// How long a text is once it is encoded.
pub fn encoded_len(text: &str) -> usize {
    let width = |byte| if is_unreserved(byte) { 1 } else { 3 };
    text.bytes().map(width).sum()
}
