//! Which records hold secrets, and how are they kept from whoever steals the file?
//!
//! Sealed are the records with something that could be used or guessed at leisure: the keyring, users
//! (password hashes), clients (digests of their secrets), refresh families (salts) and codes
//! (challenge and nonce). The others hold ids, digests of random values and times, and lie open.
//!
//! A record is sealed with AES-256-GCM under a key of its own, derived from the store's key and 16
//! random bytes: a counter would repeat after a backup was restored, and random nonces under one
//! key run out. The seal covers the key and the version that the record lies under, so that it
//! opens nowhere else.

use std::fmt;
use std::path::PathBuf;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use idp_core::store::Kind;
use zeroize::{Zeroize as _, Zeroizing};

use crate::secret_file::{self, SecretFileError};

const KEY_BYTES: usize = 32;
const KEY_DIGITS: usize = 2 * KEY_BYTES;
const SALT_BYTES: usize = 16;
const HKDF_INFO: &[u8] = b"tollgate store 1";
/// Every derived key seals once.
const NONCE: [u8; 12] = [0; 12];

/// A kind that is new is weighed here.
const SECRET: [Kind; 5] = [
    Kind::Client,
    Kind::User,
    Kind::Code,
    Kind::Refresh,
    Kind::Keyring,
];

/// Whether what lies under this key is sealed. The first byte of a key is its kind.
pub(super) fn is_sealed(key: &[u8]) -> bool {
    SECRET
        .iter()
        .any(|kind| key.first() == Some(&(*kind as u8)))
}

/// Where the key is. Never beside what it opens if that can be helped.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file that only its owner may read. It is made, with a new key, for a store that is new.
    File(PathBuf),
    Key(SealingKey),
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a sealing key is {KEY_DIGITS} hexadecimal digits")]
    Spelling,
    #[error("without the sealing key the store cannot be read")]
    File(#[from] SecretFileError),
    #[error("there are no random bytes to be had")]
    Random,
}

impl KeySource {
    /// The key; a new one is made where there is none and none was needed so far.
    pub(super) fn find(&self, store_is_new: bool) -> Result<SealingKey, KeyError> {
        match self {
            Self::Key(key) => Ok(key.clone()),
            Self::File(path) if store_is_new => {
                let draw = || SealingKey::draw().map(|key| key.spell());
                SealingKey::parse(&secret_file::find_or_create(path, draw)?)
            }
            Self::File(path) => SealingKey::parse(&secret_file::read(path)?),
        }
    }
}

#[derive(Clone)]
pub struct SealingKey([u8; KEY_BYTES]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SealError {
    #[error("not sealed by this key for this place")]
    Foreign,
    #[error("the cipher refused")]
    Cipher,
}

impl SealingKey {
    /// Reads 64 hexadecimal digits, as they stand in the file or the environment.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.len() != KEY_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyError::Spelling);
        }
        let mut key = Self([0; KEY_BYTES]);
        for (byte, at) in key.0.iter_mut().zip((0..KEY_DIGITS).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or(KeyError::Spelling)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| KeyError::Spelling)?;
        }
        Ok(key)
    }

    fn draw() -> Result<Self, KeyError> {
        let mut key = Self([0; KEY_BYTES]);
        rand::fill(&mut key.0).map_err(|_| KeyError::Random)?;
        Ok(key)
    }

    fn spell(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(KEY_DIGITS));
        for byte in &self.0 {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        text
    }

    /// `salt | ciphertext | tag`, appended to `out`.
    pub(super) fn seal(
        &self,
        plain: &[u8],
        place: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| SealError::Cipher)?;
        out.extend_from_slice(&salt);
        let from = out.len();
        out.extend_from_slice(plain);
        let cipher = self.cipher(&salt)?;
        let text = out.get_mut(from..).unwrap_or_default();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let tag = cipher
            .seal_in_place_separate_tag(nonce, Aad::from(place), text)
            .map_err(|_| SealError::Cipher)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    pub(super) fn open(
        &self,
        sealed: &[u8],
        place: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (salt, body) = sealed
            .split_first_chunk::<SALT_BYTES>()
            .ok_or(SealError::Foreign)?;
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let count = self
            .cipher(salt)?
            .open_in_place(nonce, Aad::from(place), &mut body)
            .map_err(|_| SealError::Foreign)?
            .len();
        body.truncate(count);
        Ok(body)
    }

    fn cipher(&self, salt: &[u8; SALT_BYTES]) -> Result<LessSafeKey, SealError> {
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &self.0)
            .expand(&[HKDF_INFO, salt], hkdf::HKDF_SHA256)
            .and_then(|key| key.fill(derived.as_mut_slice()))
            .map_err(|_| SealError::Cipher)?;
        let key =
            UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| SealError::Cipher)?;
        Ok(LessSafeKey::new(key))
    }
}

impl Drop for SealingKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey([redacted])")
    }
}

#[cfg(test)]
mod tests;
