//! Signs value tokens, and what else the identity provider says, with a key that was read once.
//!
//! The library beneath reads its private key anew for every signature; here the key pair and the
//! encoded header are kept.
//!
//! One key signs texts of several kinds, and their header tells them apart (RFC 8725 §3.11). A value
//! token is made of its claims and of nothing else: no payload that somebody put together can
//! become one.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};

use super::Algorithm;
use super::claims::Claims;
use super::jws::TOKEN_BYTES_MAX;
use super::keys::KeySet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    #[error("not a private key of this algorithm in PKCS#8")]
    Malformed,
    #[error("a key that no verifier takes")]
    Unacceptable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the claims make a token longer than any verifier takes")]
    TooLong,
    #[error("the key cannot sign")]
    Refused,
}

/// Of the 43 of a thumbprint.
const KEY_ID_CHARS: usize = 16;

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

/// What is signed beside value tokens, by the `typ` of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// OpenID Connect Core §2.
    IdToken,
    /// OpenID Connect Back-Channel Logout §2.4.
    LogoutToken,
    /// RFC 9701 §5.
    Introspection,
}

impl Statement {
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::IdToken => "JWT",
            Self::LogoutToken => "logout+jwt",
            Self::Introspection => "token-introspection+jwt",
        }
    }
}

pub struct SigningKey {
    pair: Pair,
    algorithm: Algorithm,
    id: String,
    header: String,
    published: String,
}

impl SigningKey {
    /// Reads a private key in PKCS#8. Its name is the beginning of its thumbprint (RFC 7638), so that no
    /// two keys are named alike: 96 bits of it, since every token says them to every service.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, SigningKeyError> {
        let pair = Pair::read(algorithm, der).ok_or(SigningKeyError::Malformed)?;
        let (id, published) = publish(&pair, algorithm).ok_or(SigningKeyError::Unacceptable)?;
        KeySet::parse(document([published.as_str()]).as_bytes())
            .map_err(|_| SigningKeyError::Unacceptable)?;
        Ok(Self {
            pair,
            algorithm,
            header: header("at+jwt", algorithm, &id),
            id,
            published,
        })
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        let payload = claims.write().map_err(|_| SignError::Refused)?;
        self.sign_under(self.header.clone(), &payload)
    }

    /// Signs claims, written as JSON, as something that is no value token.
    pub fn sign_as(&self, statement: Statement, payload: &[u8]) -> Result<String, SignError> {
        let header = header(statement.typ(), self.algorithm, &self.id);
        self.sign_under(header, payload)
    }

    fn sign_under(&self, header: String, payload: &[u8]) -> Result<String, SignError> {
        let mut token = header;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(token.as_bytes()).ok_or(SignError::Refused)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(SignError::TooLong);
        }
        Ok(token)
    }
}

#[cfg(test)]
impl SigningKey {
    pub(crate) fn sign_bytes(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.pair.sign(text)
    }
}

fn header(typ: &str, algorithm: Algorithm, id: &str) -> String {
    let algorithm = algorithm.as_str();
    let header = format!(r#"{{"typ":"{typ}","alg":"{algorithm}","kid":"{id}"}}"#);
    URL_SAFE_NO_PAD.encode(header)
}

/// The set of these keys as it is published: the one that signs, the ones that did until lately,
/// and the next.
#[must_use]
pub fn key_set<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> String {
    document(keys.into_iter().map(|key| key.published.as_str()))
}

fn document<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let keys: Vec<_> = keys.into_iter().collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn read(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                .map(Self::Ecdsa)
                .ok(),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Self::Edwards).ok(),
            Algorithm::Rs256 => rsa::KeyPair::from_pkcs8(der).map(Self::Rsa).ok(),
        }
    }

    fn public(&self) -> DecodingKey {
        match self {
            Self::Ecdsa(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Self::Edwards(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let (modulus, exponent) = (key.modulus(), key.exponent());
                DecodingKey::from_rsa_raw_components(
                    modulus.big_endian_without_leading_zero(),
                    exponent.big_endian_without_leading_zero(),
                )
            }
        }
    }

    fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(pair) => Some(pair.sign(&random, text).ok()?.as_ref().to_vec()),
            Self::Edwards(pair) => Some(pair.try_sign(text).ok()?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }
}

fn publish(pair: &Pair, algorithm: Algorithm) -> Option<(String, String)> {
    let mut jwk = Jwk::from_decoding_key(&pair.public(), Some(algorithm.of_library())).ok()?;
    let mut id = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
    id.truncate(KEY_ID_CHARS);
    jwk.common.key_id = Some(id.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let published = serde_json::to_string(&jwk).ok()?;
    Some((id, published))
}
