//! Which credential did a client bring?
//!
//! A bearer token in the one `Authorization` field (RFC 6750 §2.1), and nowhere else. A token in a
//! query is refused, since it has gone through logs and histories already (§2.3 allows it, RFC 9700
//! §4.3.2 no more), and one of ours wherever it stands in the target and whoever is asked for on the route,
//! since the service would see it; so is a refresh token, which is for the identity provider alone. Of the token itself only the alphabet and
//! the length are judged here, and which kind of token it may be.

use std::borrow::Cow;

use idp_token::{reference, refresh};

use crate::fields::{holds_token, is_authorization, is_word};
use crate::head::{Head, are_marked, is_token_byte, marked};
use crate::query;

/// A longer one is no token of anybody.
pub const CREDENTIAL_BYTES_MAX: usize = 4096;

/// The parameter in which RFC 6750 §2.3 once allowed a token.
const IN_QUERY: &str = "access_token";
const SCHEME: &[u8; 6] = b"bearer";

/// What a client claims to hold, unproved. It borrows from the head, so it cannot outlive the
/// decision unless somebody copies it, which nobody may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// Named as a reference token of ours.
    Reference(&'a [u8]),
    /// Three parts with points between them, as a JWT has.
    Value(&'a str),
    /// Any other text, which an issuer may know what to do with.
    Other(&'a str),
}

/// Why a credential is refused before anybody looks at what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("`Authorization` is there twice")]
    Twice,
    #[error("the bearer token is not one word of the alphabet of tokens")]
    Malformed,
    #[error("the bearer token is longer than {CREDENTIAL_BYTES_MAX} bytes")]
    TooLong,
    #[error("a token stands in the path or the query")]
    InQuery,
    #[error("a refresh token was sent in place of an access token")]
    Refresh,
}

impl<'a> Credential<'a> {
    /// The bearer token of a request, if there is one. Another scheme is as good as none: its field
    /// never reaches a service that asks for callers.
    pub fn find(head: &Head<'a>) -> Result<Option<Self>, CredentialError> {
        if query::names(head.query, IN_QUERY) {
            return Err(CredentialError::InQuery);
        }
        check_target(head)?;
        let mut named = head
            .fields
            .iter()
            .filter(|field| is_authorization(field.name));
        let Some(field) = named.next() else {
            return Ok(None);
        };
        if named.next().is_some() {
            return Err(CredentialError::Twice);
        }
        match bearer(field.value) {
            None => Ok(None),
            Some(token) => Self::parse(token).map(Some),
        }
    }

    fn parse(token: &'a [u8]) -> Result<Self, CredentialError> {
        if token.len() > CREDENTIAL_BYTES_MAX {
            return Err(CredentialError::TooLong);
        }
        if token.starts_with(refresh::PREFIX) {
            return Err(CredentialError::Refresh);
        }
        if !is_b64token(token) {
            return Err(CredentialError::Malformed);
        }
        if token.starts_with(reference::PREFIX) {
            return Ok(Self::Reference(token));
        }
        let text = std::str::from_utf8(token).map_err(|_| CredentialError::Malformed)?;
        match text.bytes().filter(|byte| *byte == b'.').count() {
            2 => Ok(Self::Value(text)),
            _ => Ok(Self::Other(text)),
        }
    }

    /// The token as it was spelled. For digests and proofs; it may go nowhere else.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Reference(token) => token,
            Self::Value(token) | Self::Other(token) => token.as_bytes(),
        }
    }
}

/// Not the token: it is a secret.
impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reference(_) => "Reference([redacted])",
            Self::Value(_) => "Value([redacted])",
            Self::Other(_) => "Other([redacted])",
        })
    }
}

/// Refuses a request in whose target a token of ours stands, in a parameter of whatever name.
pub fn check_target(head: &Head<'_>) -> Result<(), CredentialError> {
    match holds_token(head.path.as_bytes()) || head.query.is_some_and(query_holds_token) {
        true => Err(CredentialError::InQuery),
        false => Ok(()),
    }
}

/// A path as it may be logged: without what stands in it of tokens of ours.
#[must_use]
pub fn without_tokens(path: &str) -> Cow<'_, str> {
    if !holds_token(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let mut shown = path.to_owned();
    for prefix in [reference::PREFIX, refresh::PREFIX] {
        let prefix = String::from_utf8_lossy(prefix);
        let mut parts = shown.split(&*prefix);
        let first = parts.next().unwrap_or_default().to_owned();
        shown = parts.fold(first, |so_far, part| {
            let behind = part.trim_start_matches(|letter: char| {
                letter.is_ascii_alphanumeric() || "-_".contains(letter)
            });
            format!("{so_far}{prefix}*{behind}")
        });
    }
    Cow::Owned(shown)
}

/// Most queries are shorter than any token.
fn query_holds_token(query: &str) -> bool {
    let holds = |prefix| query::holds(query, prefix);
    query.len() >= reference::SPELLED_BYTES && (holds(reference::PREFIX) || holds(refresh::PREFIX))
}

/// What stands behind `Bearer` and its spaces, in whatever case; none if the scheme is another.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, mut rest) = value.split_at_checked(SCHEME.len())?;
    let goes_on = rest.first().is_some_and(|byte| is_token_byte(*byte));
    if !is_word(scheme, SCHEME) || goes_on {
        return None;
    }
    while let Some(behind) = rest.strip_prefix(b" ") {
        rest = behind;
    }
    Some(rest)
}

/// RFC 6750 §2.1: letters, digits and `-._~+/`, then any number of `=`.
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = token.get(..token.len() - padding).unwrap_or_default();
    !body.is_empty() && are_marked(body, &PLAIN)
}

/// Whether a byte stands for itself in a token.
const PLAIN: [bool; 256] = marked(b"-._~+/");

#[cfg(test)]
mod tests;
