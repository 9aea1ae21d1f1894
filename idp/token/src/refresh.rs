//! The refresh token: how a session lives on without a new login, and how a stolen one is noticed.
//!
//! `tg_rt_` and 52 base64url characters, which are 39 bytes exactly:
//!
//! | bits | what |
//! |---|---|
//! | 8 | version, 1 |
//! | 16 | partition |
//! | 128 | family: all the successors of one login |
//! | 32 | counter |
//! | 128 | tag over all of the above and the prefix |
//!
//! Here the tag is the security boundary. Its key is drawn with HKDF (RFC 5869) from a key that
//! never leaves the identity provider and a salt that is stored with the family: neither a stolen
//! store nor a stolen key alone makes a token. Since a token is a pure function of family and
//! counter, any older one is provably ours, and reuse is noticed for the whole life of a family by
//! storing no more than where it stands.

use std::{fmt, str};

use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::digest::{TokenDigest, leading};
use crate::reference::fill;

pub use family::{Family, RETRY_WINDOW, Redemption, Standing};

mod family;

pub const PREFIX: &[u8; 6] = b"tg_rt_";
pub const SPELLED_BYTES: usize = PREFIX.len() + 52;

const VERSION: u8 = 1;
const TAGGED_BYTES: usize = 23;
const TAG_BYTES: usize = 16;
const BYTES: usize = TAGGED_BYTES + TAG_BYTES;
const HKDF_INFO: &[u8] = b"tollgate refresh tag 1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId(pub [u8; 16]);

/// Stored with the family, drawn from a cryptographic generator, and gone when the family is.
#[derive(Clone)]
pub struct FamilySalt([u8; 16]);

impl FamilySalt {
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For the store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for FamilySalt {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for FamilySalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FamilySalt([redacted])")
    }
}

/// The key of the identity provider that all families' keys are drawn from.
pub struct RefreshKey([u8; 32]);

impl RefreshKey {
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    fn of_family(&self, salt: &FamilySalt) -> hmac::Key {
        let mut derived = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &salt.0)
            .extract(&self.0)
            .expand(&[HKDF_INFO], hkdf::HKDF_SHA256)
            .and_then(|key| key.fill(&mut derived))
            .expect("invariant: HKDF-SHA-256 has 32 bytes to give");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &derived);
        derived.zeroize();
        key
    }
}

impl Drop for RefreshKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for RefreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshKey([redacted])")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    #[error("not as long as a refresh token, or not named as one")]
    Shape,
    #[error("not base64url")]
    Alphabet,
    #[error("of another version")]
    Version,
    #[error("the tag is not ours")]
    Tag,
}

/// What somebody presented. Nothing in it is to be believed before `verify`; its family tells which
/// salt to look up.
pub struct PresentedRefresh {
    claims: RefreshToken,
    tag: [u8; TAG_BYTES],
}

impl PresentedRefresh {
    pub fn parse(text: &[u8]) -> Result<Self, RefreshError> {
        let is_long_enough = text.len() == SPELLED_BYTES;
        let body = text
            .strip_prefix(PREFIX)
            .filter(|_| is_long_enough)
            .ok_or(RefreshError::Shape)?;
        let mut bytes = [0; BYTES];
        URL_SAFE_NO_PAD
            .decode_slice(body, &mut bytes)
            .map_err(|_| RefreshError::Alphabet)?;

        let [version, p0, p1, rest @ ..] = bytes;
        if version != VERSION {
            return Err(RefreshError::Version);
        }
        let (family, rest) = rest.split_at(16);
        let (counter, tag) = rest.split_at(4);
        let claims = RefreshToken {
            partition: u16::from_be_bytes([p0, p1]),
            family: FamilyId(leading(family)),
            counter: u32::from_be_bytes(leading(counter)),
        };
        Ok(Self {
            claims,
            tag: leading(tag),
        })
    }

    /// Which family it claims to be of.
    #[must_use]
    pub const fn family(&self) -> FamilyId {
        self.claims.family
    }

    pub fn verify(
        &self,
        key: &RefreshKey,
        salt: &FamilySalt,
    ) -> Result<RefreshToken, RefreshError> {
        let expected = self.claims.tag(key, salt);
        if expected.ct_eq(&self.tag).into() {
            Ok(self.claims)
        } else {
            Err(RefreshError::Tag)
        }
    }
}

impl Drop for PresentedRefresh {
    fn drop(&mut self) {
        self.tag.zeroize();
    }
}

impl fmt::Debug for PresentedRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedRefresh")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// A token of ours, without the tag that makes it usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    pub partition: u16,
    pub family: FamilyId,
    pub counter: u32,
}

impl RefreshToken {
    /// The next of its family; none once a family is used up.
    #[must_use]
    pub fn successor(self) -> Option<Self> {
        let counter = self.counter.checked_add(1)?;
        Some(Self { counter, ..self })
    }

    #[must_use]
    pub fn spell(&self, key: &RefreshKey, salt: &FamilySalt) -> SpelledRefresh {
        let mut bytes = [0; BYTES];
        fill(&mut bytes, &[&self.covered(), &self.tag(key, salt)]);
        let mut text = [0; SPELLED_BYTES];
        let (prefix, body) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, body);
        debug_assert_eq!(written, Ok(body.len()));
        SpelledRefresh(text)
    }

    fn tag(&self, key: &RefreshKey, salt: &FamilySalt) -> [u8; TAG_BYTES] {
        let mut text = [0; PREFIX.len() + TAGGED_BYTES];
        fill(&mut text, &[PREFIX, &self.covered()]);
        leading(hmac::sign(&key.of_family(salt), &text).as_ref())
    }

    fn covered(&self) -> [u8; TAGGED_BYTES] {
        let mut out = [0; TAGGED_BYTES];
        let (partition, counter) = (self.partition.to_be_bytes(), self.counter.to_be_bytes());
        fill(
            &mut out,
            &[&[VERSION], &partition, &self.family.0, &counter],
        );
        out
    }
}

/// A token as the client is sent it.
pub struct SpelledRefresh([u8; SPELLED_BYTES]);

impl SpelledRefresh {
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl Drop for SpelledRefresh {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SpelledRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tg_rt_[redacted]")
    }
}

#[cfg(test)]
mod tests;
