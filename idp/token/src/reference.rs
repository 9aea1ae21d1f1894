//! The reference token: what a client holds. It says nothing to anybody but us.
//!
//! `tg_at_` and 44 base64url characters, which are 33 bytes exactly, so a token has one spelling:
//!
//! | bits | what |
//! |---|---|
//! | 4 | version, 1 |
//! | 4 | id of the filter key |
//! | 16 | partition |
//! | 32 | absolute end, in seconds since 1970 |
//! | 128 | secret |
//! | 80 | tag over all of the above and the prefix |
//!
//! Checks go from the cheapest to the dearest and none of them leaves the core, so that a flood of
//! forged or expired tokens reaches neither a cache nor a store.

use std::{fmt, str};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize;

use crate::digest::{TokenDigest, TokenName};
use crate::filter::{FilterKeys, Tag};
use crate::time::UnixSeconds;

pub const PREFIX: &[u8; 6] = b"tg_at_";
pub const SPELLED_BYTES: usize = PREFIX.len() + 44;

const VERSION: u8 = 1;
const BYTES: usize = TAGGED_BYTES + Tag::BYTES;
const TAGGED_BYTES: usize = 23;

/// A token whose tag was right, or that was just made. Only its digest may be kept.
pub struct ReferenceToken {
    bytes: [u8; BYTES],
}

/// What a client sent, if it may be a token of ours that is not over. Whoever knows its digest already
/// knows more than the tag can say; everybody else has it proved.
pub struct Unproved(ReferenceToken);

/// In the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("not as long as a reference token, or not named as one")]
    Shape,
    #[error("not base64url")]
    Alphabet,
    #[error("of another version")]
    Version,
    #[error("past its absolute end")]
    Expired,
    #[error("tagged with a key that is not known")]
    UnknownKey,
    #[error("the tag is not ours")]
    Tag,
}

impl ReferenceToken {
    /// The secret must come from a cryptographic generator and be used for nothing else.
    #[must_use]
    pub fn mint(keys: &FilterKeys, partition: u16, end: AbsoluteEnd, secret: [u8; 16]) -> Self {
        let mut bytes = [0; BYTES];
        let head = [(VERSION << 4) | keys.tagging_id().get()];
        let (partition, end) = (partition.to_be_bytes(), end.0.to_be_bytes());
        fill(&mut bytes, &[&head, &partition, &end, &secret]);
        let tag = keys.tag(&tagged(&bytes));
        let (_, place) = bytes.split_at_mut(TAGGED_BYTES);
        place.copy_from_slice(tag.as_bytes());
        Self { bytes }
    }

    /// Reads what a client sent.
    pub fn parse(text: &[u8], keys: &FilterKeys, now: UnixSeconds) -> Result<Self, ReferenceError> {
        Unproved::read(text, now)?.prove(keys)
    }

    #[must_use]
    pub fn spell(&self) -> Spelled {
        let mut text = [0; SPELLED_BYTES];
        let (prefix, body) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        let written = URL_SAFE_NO_PAD.encode_slice(self.bytes, body);
        debug_assert_eq!(written, Ok(body.len()));
        Spelled(text)
    }

    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.spell().0)
    }

    #[must_use]
    pub fn name(&self) -> TokenName {
        TokenName {
            digest: self.digest(),
            end: self.end(),
        }
    }

    pub(crate) const fn as_secret_bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[must_use]
    pub const fn partition(&self) -> u16 {
        u16::from_be_bytes([self.bytes[1], self.bytes[2]])
    }

    /// The token is refused from then on, whatever its session says.
    #[must_use]
    pub const fn end(&self) -> AbsoluteEnd {
        let [_, _, _, a, b, c, d, ..] = self.bytes;
        AbsoluteEnd(u32::from_be_bytes([a, b, c, d]))
    }
}

impl Unproved {
    /// All checks but that of the tag.
    pub fn read(text: &[u8], now: UnixSeconds) -> Result<Self, ReferenceError> {
        let is_long_enough = text.len() == SPELLED_BYTES;
        let body = text
            .strip_prefix(PREFIX)
            .filter(|_| is_long_enough)
            .ok_or(ReferenceError::Shape)?;
        let mut token = ReferenceToken { bytes: [0; BYTES] };
        let written = URL_SAFE_NO_PAD
            .decode_slice(body, &mut token.bytes)
            .map_err(|_| ReferenceError::Alphabet)?;
        debug_assert_eq!(written, BYTES);

        let [head, ..] = token.bytes;
        if head >> 4 != VERSION {
            return Err(ReferenceError::Version);
        }
        if u64::from(token.end().0) <= now.0 {
            return Err(ReferenceError::Expired);
        }
        Ok(Self(token))
    }

    /// Whether the tag is one of ours.
    pub fn prove(self, keys: &FilterKeys) -> Result<ReferenceToken, ReferenceError> {
        let Self(token) = self;
        let [head, ..] = token.bytes;
        let key = keys.find(head & 15).ok_or(ReferenceError::UnknownKey)?;
        let (_, tag) = token.bytes.split_at(TAGGED_BYTES);
        if !key.is_tag_of(tag, &tagged(&token.bytes)) {
            return Err(ReferenceError::Tag);
        }
        Ok(token)
    }
}

impl fmt::Debug for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unproved").field(&self.0).finish()
    }
}

impl Drop for ReferenceToken {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for ReferenceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceToken")
            .field("partition", &self.partition())
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

/// Seconds since 1970 as a token has room for them: until the year 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbsoluteEnd(u32);

impl AbsoluteEnd {
    #[must_use]
    pub fn new(time: UnixSeconds) -> Option<Self> {
        u32::try_from(time.0).ok().map(Self)
    }

    #[must_use]
    pub fn get(self) -> UnixSeconds {
        UnixSeconds(u64::from(self.0))
    }

    pub(crate) const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// A token as the client is sent it, once.
pub struct Spelled([u8; SPELLED_BYTES]);

impl Spelled {
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for Spelled {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tg_at_[redacted]")
    }
}

/// What the tag covers. The prefix keeps the kinds of token apart.
fn tagged(bytes: &[u8; BYTES]) -> [u8; PREFIX.len() + TAGGED_BYTES] {
    let mut out = [0; PREFIX.len() + TAGGED_BYTES];
    let (covered, _) = bytes.split_at(TAGGED_BYTES);
    fill(&mut out, &[PREFIX, covered]);
    out
}

/// Writes the parts one behind the other; what does not fit is left out.
pub(crate) fn fill(mut out: &mut [u8], parts: &[&[u8]]) {
    for part in parts {
        let count = part.len().min(out.len());
        let (place, rest) = out.split_at_mut(count);
        place.copy_from_slice(part.split_at(count).0);
        out = rest;
    }
}

#[cfg(test)]
mod tests;
