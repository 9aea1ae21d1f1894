//! Which keys are believed: a JWK set (RFC 7517), read strictly.
//!
//! Each key has one algorithm, whatever a token asks for. A set that holds a secret, or two keys
//! of one name, is no set of public keys and is refused whole; a key for something else is left
//! out.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;

use super::{Algorithm, roca};
use crate::json::{Json, Members};

pub const KEYS_MAX: usize = 32;
pub const SET_BYTES_MAX: usize = 64 * 1024;
const KEY_ID_BYTES_MAX: usize = 256;

/// Members that only a private or a symmetric key has.
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// 65537, as RFC 8017 keys have had it for decades. Small exponents are where forgeries start.
const EXPONENT: &[u8] = &[1, 0, 1];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("longer than any set of keys")]
    TooLong,
    #[error("not an object with a list of keys, or with a member twice")]
    Syntax,
    #[error("more than {KEYS_MAX} keys")]
    TooManyKeys,
    #[error("a symmetric or private key: whoever publishes it has no secret left")]
    Secret,
    #[error("a key without a name, or with one that is too long")]
    KeyId,
    #[error("two keys are named {0:?}")]
    SameKeyId(String),
    #[error("the key {0:?} is malformed, too weak, or not on its curve")]
    BadKey(String),
}

/// A key that signatures are verified with, by one algorithm.
#[derive(Clone)]
pub struct PublicKey {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl PublicKey {
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature is base64url in its one spelling; the caller made sure.
    pub(super) fn has_signed(&self, text: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, text, &self.key, self.algorithm.of_library())
            .unwrap_or(false)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Reads what an issuer publishes.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > SET_BYTES_MAX {
            return Err(KeySetError::TooLong);
        }
        let set = Members::parse(text).ok_or(KeySetError::Syntax)?;
        let keys = set
            .find("keys")
            .and_then(Json::as_list)
            .ok_or(KeySetError::Syntax)?;
        if keys.len() > KEYS_MAX {
            return Err(KeySetError::TooManyKeys);
        }
        let mut found = Self::default();
        for key in keys {
            let Json::Object(key) = key else {
                return Err(KeySetError::Syntax);
            };
            if SECRET_MEMBERS.iter().any(|name| key.has(name)) {
                return Err(KeySetError::Secret);
            }
            if let Some(key) = parse_key(key)? {
                found.add(key)?;
            }
        }
        Ok(found)
    }

    #[must_use]
    pub fn find(&self, id: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    fn add(&mut self, key: PublicKey) -> Result<(), KeySetError> {
        if self.find(&key.id).is_some() {
            return Err(KeySetError::SameKeyId(key.id));
        }
        self.keys.push(key);
        Ok(())
    }
}

/// A key that this crate has a use for, or none if it is for something else.
fn parse_key(key: &Members) -> Result<Option<PublicKey>, KeySetError> {
    let text = |name| key.find(name).and_then(Json::as_text);
    let Some(algorithm) = algorithm(key).filter(|_| is_for_signatures(key)) else {
        return Ok(None);
    };
    let id = text("kid")
        .filter(|id| (1..=KEY_ID_BYTES_MAX).contains(&id.len()))
        .ok_or(KeySetError::KeyId)?
        .to_owned();
    let bytes = |name| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let parsed = match algorithm {
        Algorithm::Es256 => bytes("x").zip(bytes("y")).and_then(|(x, y)| point(&x, &y)),
        Algorithm::EdDsa => bytes("x").and_then(|x| edwards_point(&x)),
        Algorithm::Rs256 => bytes("n")
            .zip(bytes("e"))
            .and_then(|(n, e)| modulus(&n, &e)),
    };
    match parsed {
        Some(key) => Ok(Some(PublicKey { id, algorithm, key })),
        None => Err(KeySetError::BadKey(id)),
    }
}

/// One algorithm per kind of key. A key that names another one is for something else.
fn algorithm(key: &Members) -> Option<Algorithm> {
    let text = |name| key.find(name).and_then(Json::as_text);
    let natural = match (text("kty")?, text("crv")) {
        ("EC", Some("P-256")) => Algorithm::Es256,
        ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
        ("RSA", None) => Algorithm::Rs256,
        (_, _) => return None,
    };
    let is_named = match key.find("alg") {
        Some(named) => named.as_text() == Some(natural.as_str()),
        None => true,
    };
    is_named.then_some(natural)
}

fn is_for_signatures(key: &Members) -> bool {
    let by_use = match key.find("use") {
        Some(named) => named.as_text() == Some("sig"),
        None => true,
    };
    let by_operations = match key.find("key_ops") {
        Some(named) => named.as_texts().is_some_and(|all| all.contains(&"verify")),
        None => true,
    };
    by_use && by_operations
}

fn point(x: &[u8], y: &[u8]) -> Option<DecodingKey> {
    if x.len() != 32 || y.len() != 32 {
        return None;
    }
    let uncompressed = [&[4], x, y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &uncompressed).ok()?;
    Some(DecodingKey::from_ec_der(&uncompressed))
}

fn edwards_point(x: &[u8]) -> Option<DecodingKey> {
    ParsedPublicKey::new(&ED25519, x).ok()?;
    (x.len() == 32).then(|| DecodingKey::from_ed_der(x))
}

fn modulus(n: &[u8], e: &[u8]) -> Option<DecodingKey> {
    let first = n.first().copied().unwrap_or_default();
    let bits = (n.len() * 8).checked_sub(usize::try_from(first.leading_zeros()).ok()?)?;
    let is_sound = first != 0 && MODULUS_BITS.contains(&bits) && e == EXPONENT && !roca::is_weak(n);
    if !is_sound {
        return None;
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .ok()?;
    Some(DecodingKey::from_rsa_raw_components(n, e))
}

#[cfg(test)]
mod tests;
