//! Is this text signed by a key we know? JWS compact serialization (RFC 7515), strictly.
//!
//! What the payload says is judged elsewhere, and only once it is known who said it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Algorithm;
use super::keys::{KeySet, PublicKey};
use super::signing::Statement;
use crate::json::{Json, Members};

/// Longer ones are refused unread.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
const HEADER_BYTES_MAX: usize = 1024;
/// An RSA signature of 4096 bit, in base64.
const SIGNATURE_BYTES_MAX: usize = 683;

/// What a header must not have: a key or a way to one, an extension that changes what is signed,
/// and marks of encryption.
const FORBIDDEN_MEMBERS: [&str; 8] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("longer than any token")]
    TooLong,
    #[error("not three parts")]
    Parts,
    #[error("a part is not base64url in its one spelling")]
    Base64,
    #[error("the header is not an object whose members are there once")]
    Header,
    #[error("the header has a member that is never taken")]
    ForbiddenMember,
    #[error("signed with an algorithm that is not supported")]
    UnsupportedAlgorithm,
    #[error("the header does not name a key")]
    KeyIdMissing,
    #[error("signed with a key that is not known")]
    UnknownKey,
    #[error("signed with another algorithm than the key is for")]
    WrongAlgorithm,
    #[error("the signature is not the key's")]
    Signature,
    #[error("signed as something else")]
    Statement,
}

/// A text whose signature was right.
pub(crate) struct Signed {
    pub(crate) header: Members,
    pub(crate) payload: Vec<u8>,
}

/// Verifies a text and gives out what was signed, whatever it was signed as.
pub fn verify(text: &str, keys: &KeySet) -> Result<Vec<u8>, JwsError> {
    verify_whole(text, keys).map(|signed| signed.payload)
}

/// Verifies a text that was signed as this. An ID token that comes back is looked at so: nothing
/// else that was signed here will do.
pub fn verify_as(text: &str, statement: Statement, keys: &KeySet) -> Result<Vec<u8>, JwsError> {
    let signed = verify_whole(text, keys)?;
    let typ = signed.header.find("typ").and_then(Json::as_text);
    if typ == Some(statement.typ()) {
        Ok(signed.payload)
    } else {
        Err(JwsError::Statement)
    }
}

pub(crate) fn verify_whole(text: &str, keys: &KeySet) -> Result<Signed, JwsError> {
    let parts = Parts::read(text)?;
    let algorithm = Algorithm::find(parts.algorithm()?);
    let algorithm = algorithm.ok_or(JwsError::UnsupportedAlgorithm)?;
    let id = parts.key_id()?.ok_or(JwsError::KeyIdMissing)?;
    let key = keys.find(id).ok_or(JwsError::UnknownKey)?;
    parts.check(algorithm, key)
}

/// A text that was taken apart, and of which nothing is believed yet.
pub(crate) struct Parts<'a> {
    header: Members,
    payload: Vec<u8>,
    /// What the signature covers.
    covered: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, JwsError> {
        let (header_text, payload_text, signature) = split(text)?;
        let header = decode(header_text)?;
        let payload = decode(payload_text)?;
        decode(signature)?;
        let header = Members::parse(&header).ok_or(JwsError::Header)?;
        if FORBIDDEN_MEMBERS.iter().any(|name| header.has(name)) {
            return Err(JwsError::ForbiddenMember);
        }
        // The dot between header and payload is there, or there would not be three parts.
        let covered = text.get(..header_text.len() + 1 + payload_text.len());
        Ok(Self {
            header,
            payload,
            covered: covered.unwrap_or_default(),
            signature,
        })
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The name of the algorithm that is asked for.
    pub(crate) fn algorithm(&self) -> Result<&str, JwsError> {
        let name = self.header.find("alg").and_then(Json::as_text);
        name.ok_or(JwsError::Header)
    }

    pub(crate) fn key_id(&self) -> Result<Option<&str>, JwsError> {
        let id = self.header.find("kid");
        id.map(|id| id.as_text().ok_or(JwsError::Header))
            .transpose()
    }

    /// Verifies with this key, whose algorithm must be the one that was asked for.
    pub(crate) fn check(self, algorithm: Algorithm, key: &PublicKey) -> Result<Signed, JwsError> {
        if key.algorithm() != algorithm {
            return Err(JwsError::WrongAlgorithm);
        }
        if !key.has_signed(self.covered.as_bytes(), self.signature) {
            return Err(JwsError::Signature);
        }
        Ok(Signed {
            header: self.header,
            payload: self.payload,
        })
    }
}

fn split(text: &str) -> Result<(&str, &str, &str), JwsError> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(JwsError::TooLong);
    }
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwsError::Parts);
    };
    if header.len() > HEADER_BYTES_MAX || signature.len() > SIGNATURE_BYTES_MAX {
        return Err(JwsError::TooLong);
    }
    Ok((header, payload, signature))
}

/// Bits that are left over must be zero, and there is no padding.
fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Base64)
}
