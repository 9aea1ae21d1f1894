//! Which keys are believed: a JWK set (RFC 7517), read strictly.
//!
//! Each key has one algorithm, whatever a token asks for. A set that holds a secret, or two keys
//! of one name, is no set of public keys and is refused whole; a key for something else is left
//! out. Of our own set a key that cannot be right is refused too: that of another issuer may hold
//! what we do not take.

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

/// The keys of another issuer.
#[derive(Debug, Clone, Default)]
pub struct ExternalKeys {
    pub set: KeySet,
    /// Keys that are there and are not used: for something else, too weak or malformed.
    pub left_out: usize,
}

impl KeySet {
    /// Reads what an issuer publishes.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        let mut found = Self::default();
        for key in list(&read(text)?)? {
            let Some((algorithm, key)) = kind(key)? else {
                continue;
            };
            let id = key_id(key).ok_or(KeySetError::KeyId)?;
            let parsed =
                parse_key(algorithm, key).ok_or_else(|| KeySetError::BadKey(id.to_owned()))?;
            found.add(id, algorithm, parsed)?;
        }
        Ok(found)
    }

    /// Reads what another issuer publishes, whose other keys are no worse for one that is of no use
    /// here. Its keys need no name, if there is one of an algorithm.
    pub fn parse_external(text: &[u8]) -> Result<ExternalKeys, KeySetError> {
        let mut found = ExternalKeys::default();
        for key in list(&read(text)?)? {
            let parsed = kind(key)?.and_then(|(algorithm, key)| {
                let id = if key.has("kid") { key_id(key)? } else { "" };
                Some((id, algorithm, parse_key(algorithm, key)?))
            });
            match parsed {
                Some((id, algorithm, key)) => found.set.add(id, algorithm, key)?,
                None => found.left_out += 1,
            }
        }
        Ok(found)
    }

    #[must_use]
    pub fn find(&self, id: &str) -> Option<&PublicKey> {
        let is_named = |key: &&PublicKey| !id.is_empty() && key.id == id;
        self.keys.iter().find(is_named)
    }

    /// The only key of an algorithm; none if there are several.
    pub(crate) fn only(&self, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut keys = self.keys.iter().filter(|key| key.algorithm == algorithm);
        keys.next().filter(|_| keys.next().is_none())
    }

    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    fn add(&mut self, id: &str, algorithm: Algorithm, key: DecodingKey) -> Result<(), KeySetError> {
        if self.find(id).is_some() {
            return Err(KeySetError::SameKeyId(id.to_owned()));
        }
        self.keys.push(PublicKey {
            id: id.to_owned(),
            algorithm,
            key,
        });
        Ok(())
    }
}

fn read(text: &[u8]) -> Result<Members, KeySetError> {
    if text.len() > SET_BYTES_MAX {
        return Err(KeySetError::TooLong);
    }
    Members::parse(text).ok_or(KeySetError::Syntax)
}

/// The keys of a set, as they are written.
fn list(set: &Members) -> Result<&[Json], KeySetError> {
    let keys = set.find("keys").and_then(Json::as_list);
    let keys = keys.ok_or(KeySetError::Syntax)?;
    if keys.len() > KEYS_MAX {
        return Err(KeySetError::TooManyKeys);
    }
    Ok(keys)
}

/// What a key is for; none if this crate has no use for it.
fn kind(key: &Json) -> Result<Option<(Algorithm, &Members)>, KeySetError> {
    let key = key.as_object().ok_or(KeySetError::Syntax)?;
    if SECRET_MEMBERS.iter().any(|name| key.has(name)) {
        return Err(KeySetError::Secret);
    }
    let algorithm = algorithm(key).filter(|_| is_for_signatures(key));
    Ok(algorithm.map(|algorithm| (algorithm, key)))
}

fn key_id(key: &Members) -> Option<&str> {
    let id = key.find("kid").and_then(Json::as_text);
    id.filter(|id| (1..=KEY_ID_BYTES_MAX).contains(&id.len()))
}

/// The key itself, if it is sound.
fn parse_key(algorithm: Algorithm, key: &Members) -> Option<DecodingKey> {
    let text = |name| key.find(name).and_then(Json::as_text);
    let bytes = |name| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    match algorithm {
        Algorithm::Es256 => point(&bytes("x")?, &bytes("y")?),
        Algorithm::EdDsa => edwards_point(&bytes("x")?),
        Algorithm::Rs256 => modulus(&bytes("n")?, &bytes("e")?),
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
        Some(named) => named.as_text().and_then(Algorithm::find_in_any_spelling) == Some(natural),
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
