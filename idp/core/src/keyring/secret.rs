//! Keys as they are stored. They are shown nowhere and wiped when they are dropped.

use std::fmt;

use idp_token::value::{Algorithm, SigningKey, SigningKeyError};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// 256 random bits.
#[derive(Clone)]
pub struct KeySecret([u8; 32]);

impl KeySecret {
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for KeySecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for KeySecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeySecret {}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret([redacted])")
    }
}

/// A key to sign with, in PKCS#8.
#[derive(Clone)]
pub struct PrivateKey {
    algorithm: Algorithm,
    der: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    /// Takes a key that signing will not fail to read.
    pub fn new(algorithm: Algorithm, der: Zeroizing<Vec<u8>>) -> Result<Self, SigningKeyError> {
        let key = Self { algorithm, der };
        key.read()?;
        Ok(key)
    }

    /// As it was stored; it was looked at before.
    pub(crate) const fn stored(algorithm: Algorithm, der: Zeroizing<Vec<u8>>) -> Self {
        Self { algorithm, der }
    }

    pub(crate) fn read(&self) -> Result<SigningKey, SigningKeyError> {
        SigningKey::from_pkcs8(self.algorithm, &self.der)
    }

    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.der.ct_eq(&other.der).into()
    }
}

impl Eq for PrivateKey {}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
