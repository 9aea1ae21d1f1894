//! Was this token made here? Decided without looking anything up.
//!
//! A tag keeps forged floods out of caches and off the network. It proves nothing else: what makes
//! a reference token good is its secret, which only the store can tell. So gateways may hold these
//! keys; one that leaks lets strangers cost look-ups, and `valid_tag_unknown_token` counts them.

use std::fmt;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

use crate::digest::leading;

/// Four bits of a token name the key of its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterKeyId(u8);

impl FilterKeyId {
    pub const MAX: u8 = 15;
    pub const FIRST: Self = Self(0);

    #[must_use]
    pub const fn new(id: u8) -> Option<Self> {
        if id <= Self::MAX {
            Some(Self(id))
        } else {
            None
        }
    }

    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The one that comes after it; after the last comes the first.
    #[must_use]
    pub const fn next(self) -> Self {
        Self((self.0 + 1) % (Self::MAX + 1))
    }
}

#[derive(Clone)]
pub struct FilterKey {
    id: FilterKeyId,
    key: hmac::Key,
}

impl FilterKey {
    #[must_use]
    pub fn new(id: FilterKeyId, secret: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self { id, key }
    }

    #[must_use]
    pub const fn id(&self) -> FilterKeyId {
        self.id
    }

    /// Whether a tag is this key's, told in a time that depends on neither.
    pub(crate) fn is_tag_of(&self, tag: &[u8], text: &[u8]) -> bool {
        self.tag(text).0.as_slice().ct_eq(tag).into()
    }

    fn tag(&self, text: &[u8]) -> Tag {
        Tag(leading(hmac::sign(&self.key, text).as_ref()))
    }
}

impl fmt::Debug for FilterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The first 80 bit of an HMAC. It has no `==`: tags are compared in constant time.
pub(crate) struct Tag([u8; Tag::BYTES]);

impl Tag {
    pub(crate) const BYTES: usize = 10;

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two filter keys have the same id")]
pub struct SameKeyId;

/// The key that new tokens are tagged with, and another that is taken as well.
///
/// A rotation goes in three steps, each of them everywhere before the next: the new key is taken,
/// the new key tags, the old key is taken no more.
#[derive(Debug, Clone)]
pub struct FilterKeys {
    tagging: FilterKey,
    other: Option<FilterKey>,
}

impl FilterKeys {
    #[must_use]
    pub const fn new(tagging: FilterKey) -> Self {
        Self {
            tagging,
            other: None,
        }
    }

    /// Takes tokens of this key too, and of no third one any more.
    pub fn with_other(self, other: FilterKey) -> Result<Self, SameKeyId> {
        if other.id == self.tagging.id {
            return Err(SameKeyId);
        }
        Ok(Self {
            tagging: self.tagging,
            other: Some(other),
        })
    }

    #[must_use]
    pub const fn tagging_id(&self) -> FilterKeyId {
        self.tagging.id
    }

    pub(crate) fn tag(&self, text: &[u8]) -> Tag {
        self.tagging.tag(text)
    }

    pub(crate) fn find(&self, id: u8) -> Option<&FilterKey> {
        let named = |key: &&FilterKey| key.id.0 == id;
        Some(&self.tagging)
            .filter(named)
            .or_else(|| self.other.as_ref().filter(named))
    }
}
