//! The canonical spelling of a key.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{KEY_BYTES_MAX, NoKey};
use crate::json::Value;

/// Most keys are no longer, and are copied where others are counted.
const SHORT_BYTES_MAX: usize = 22;

/// What a record is found by.
#[derive(Clone)]
pub struct Key(Spelling);

#[derive(Clone)]
enum Spelling {
    Short {
        length: u8,
        bytes: [u8; SHORT_BYTES_MAX],
    },
    Long(Arc<str>),
}

impl Key {
    pub fn parse(text: &str) -> Result<Self, NoKey> {
        let is_sound =
            !text.is_empty() && text.len() <= KEY_BYTES_MAX && !text.bytes().any(is_forbidden);
        if is_sound {
            Ok(Self(Spelling::of(text)))
        } else {
            Err(NoKey)
        }
    }

    /// The key of a raw string or number that reads as it is written, if it is short; nothing where
    /// that is not so, or it cannot be a key.
    pub(super) fn of_plain(raw: &[u8]) -> Option<Self> {
        if raw.is_empty() || raw.len() > SHORT_BYTES_MAX {
            return None;
        }
        let mut bytes = [0; SHORT_BYTES_MAX];
        for (place, byte) in bytes.iter_mut().zip(raw) {
            if is_forbidden(*byte) || *byte == b'\\' {
                return None;
            }
            *place = *byte;
        }
        let length = u8::try_from(raw.len()).ok()?;
        Some(Self(Spelling::Short { length, bytes }))
    }

    /// The key that a value stands for; none for `null`.
    pub fn of(value: Value<'_>) -> Result<Option<Self>, NoKey> {
        let text = super::text_of(value)?;
        text.map(|text| Self::parse(&text)).transpose()
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Spelling::Short { .. } => {
                std::str::from_utf8(self.as_bytes()).expect("invariant: it was made of a text")
            }
            Spelling::Long(text) => text,
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Spelling::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Spelling::Long(text) => text.as_bytes(),
        }
    }
}

fn is_forbidden(byte: u8) -> bool {
    matches!(byte, b',' | 0)
}

impl Spelling {
    fn of(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES_MAX];
        let place = bytes.get_mut(..text.len());
        match (place, u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short { length, bytes }
            }
            (_, _) => Self::Long(text.into()),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            // What a short one does not use is zero.
            (Spelling::Short { bytes, .. }, Spelling::Short { bytes: others, .. }) => {
                bytes == others
            }
            (Spelling::Long(text), Spelling::Long(others)) => text == others,
            (Spelling::Short { .. }, Spelling::Long(_))
            | (Spelling::Long(_), Spelling::Short { .. }) => false,
        }
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Keys name customers, so logs do not show them.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.as_bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_text_however_long() {
        for letter in ["x", "é"] {
            for count in 1..60 {
                let text = letter.repeat(count);
                let (key, same) = (Key::parse(&text).unwrap(), Key::parse(&text).unwrap());
                assert_eq!(key.as_str(), text);
                assert_eq!(key, same);
                let longer = Key::parse(&format!("{text}{letter}")).unwrap();
                assert_ne!(key, longer);
                assert!(key < longer);
            }
        }
    }
}
