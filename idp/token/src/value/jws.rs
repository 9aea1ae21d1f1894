//! Is this text signed by a key we know? JWS compact serialization (RFC 7515), strictly.
//!
//! What the payload says is judged elsewhere, and only once it is known who said it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Algorithm;
use super::keys::KeySet;
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
    let (header_text, payload_text, signature) = split(text)?;
    let header = decode(header_text)?;
    let payload = decode(payload_text)?;
    decode(signature)?;
    let header = Members::parse(&header).ok_or(JwsError::Header)?;
    if FORBIDDEN_MEMBERS.iter().any(|name| header.has(name)) {
        return Err(JwsError::ForbiddenMember);
    }

    let name = header
        .find("alg")
        .and_then(Json::as_text)
        .ok_or(JwsError::Header)?;
    let algorithm = Algorithm::find(name).ok_or(JwsError::UnsupportedAlgorithm)?;
    let id = header.find("kid").ok_or(JwsError::KeyIdMissing)?;
    let id = id.as_text().ok_or(JwsError::Header)?;
    let key = keys.find(id).ok_or(JwsError::UnknownKey)?;
    if key.algorithm() != algorithm {
        return Err(JwsError::WrongAlgorithm);
    }
    // The dot between header and payload is there, or there would not be three parts.
    let covered = text.get(..header_text.len() + 1 + payload_text.len());
    if !key.has_signed(covered.unwrap_or_default().as_bytes(), signature) {
        return Err(JwsError::Signature);
    }
    Ok(Signed { header, payload })
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
