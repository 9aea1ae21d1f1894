//! How can a store keep a signed record that is useless to whoever steals the store?
//!
//! A value token in a dump would be as good as cash for some minutes. So it is stored encrypted
//! (AES-256-GCM) under a key that only the reference token yields: a gateway has it while the token
//! is before it, and the store knows no more than the token's digest, from which there is no way
//! back.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::{Zeroize, Zeroizing};

use crate::digest::{TokenDigest, TokenName};
use crate::reference::ReferenceToken;

pub const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HKDF_INFO: &[u8] = b"tollgate seal 1";

/// Opens what is stored for one reference token, and nothing else.
pub struct SealKey {
    key: [u8; 32],
    of: TokenName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("not sealed for this token")]
    Foreign,
    #[error("the cipher refused")]
    Cipher,
}

impl SealKey {
    #[must_use]
    pub fn of(token: &ReferenceToken) -> Self {
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(token.as_secret_bytes())
            .expand(&[HKDF_INFO], hkdf::HKDF_SHA256)
            .and_then(|derived| derived.fill(&mut key))
            .expect("invariant: HKDF-SHA-256 has 32 bytes to give");
        let of = token.name();
        Self { key, of }
    }

    /// What a gateway that asks about a token sent along with its name.
    #[must_use]
    pub const fn from_bytes(key: [u8; 32], of: TokenName) -> Self {
        Self { key, of }
    }

    /// Of the token that this is the key of.
    #[must_use]
    pub const fn name(&self) -> TokenName {
        self.of
    }

    #[must_use]
    pub const fn digest(&self) -> TokenDigest {
        self.of.digest
    }

    /// To be sent to the identity provider with the digest; never stored.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key)
    }

    /// Seals a value token. The nonce must come from a cryptographic generator.
    pub fn seal(&self, text: &str, nonce: [u8; NONCE_BYTES]) -> Result<Sealed, SealError> {
        let mut out = Vec::with_capacity(NONCE_BYTES + text.len() + TAG_BYTES);
        out.extend_from_slice(&nonce);
        let mut body = text.as_bytes().to_vec();
        self.cipher()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.of.digest.as_bytes()),
                &mut body,
            )
            .map_err(|_| SealError::Cipher)?;
        out.append(&mut body);
        Ok(Sealed(out))
    }

    pub fn open(&self, sealed: &Sealed) -> Result<Zeroizing<String>, SealError> {
        let (nonce, body) = sealed
            .0
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Foreign)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = self
            .cipher()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(self.of.digest.as_bytes()),
                &mut body,
            )
            .map_err(|_| SealError::Foreign)?;
        let text = str::from_utf8(opened).map_err(|_| SealError::Foreign)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, &self.key).map_err(|_| SealError::Cipher)?;
        Ok(LessSafeKey::new(key))
    }
}

impl Drop for SealKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey")
            .field("digest", &self.of.digest)
            .finish_non_exhaustive()
    }
}

/// Bytes that may be stored anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::{FilterKey, FilterKeyId, FilterKeys};
    use crate::reference::AbsoluteEnd;
    use crate::time::UnixSeconds;

    use super::*;

    fn token(secret: u8) -> ReferenceToken {
        let id = FilterKeyId::new(1).unwrap();
        let end = AbsoluteEnd::new(UnixSeconds(2_000_000_000)).unwrap();
        let keys = FilterKeys::new(FilterKey::new(id, &[1; 32]));
        ReferenceToken::mint(&keys, 0, end, [secret; 16])
    }

    #[test]
    fn only_the_token_itself_opens_what_is_stored_for_it() {
        let key = SealKey::of(&token(1));
        let sealed = key.seal("a value token", [7; NONCE_BYTES]).unwrap();
        assert_eq!(key.open(&sealed).unwrap().as_str(), "a value token");
        assert_eq!(
            SealKey::of(&token(2)).open(&sealed),
            Err(SealError::Foreign)
        );

        let sent = SealKey::from_bytes(*key.expose(), token(1).name());
        assert_eq!(sent.open(&sealed).unwrap().as_str(), "a value token");
        let moved = SealKey::from_bytes(*key.expose(), token(2).name());
        assert_eq!(moved.open(&sealed), Err(SealError::Foreign));
    }

    #[test]
    fn a_changed_or_cut_seal_is_refused() {
        let key = SealKey::of(&token(1));
        let sealed = key.seal("a value token", [7; NONCE_BYTES]).unwrap();
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert_eq!(key.open(&changed), Err(SealError::Foreign), "byte {at}");
            changed.0.truncate(at);
            assert_eq!(key.open(&changed), Err(SealError::Foreign), "cut at {at}");
        }
    }

    #[test]
    fn what_is_stored_holds_nothing_of_the_token_or_the_key() {
        let key = SealKey::of(&token(1));
        let sealed = key.seal("a value token", [7; NONCE_BYTES]).unwrap();
        let holds = |part: &[u8]| sealed.0.windows(part.len()).any(|window| window == part);
        assert!(!holds(b"value") && !holds(&key.key[..4]));
        let shown = format!("SealKey {{ digest: {:?}, .. }}", token(1).digest());
        assert_eq!(format!("{key:?}"), shown);
    }
}
