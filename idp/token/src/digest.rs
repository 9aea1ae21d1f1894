//! By what is a token known where it must not be kept?
//!
//! Caches, stores and the wire know a token by its digest; logs know it by a second hash, so that
//! a log line leads to no record and a record leads to no token.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::reference::AbsoluteEnd;
use crate::session::SessionId;

const TID_DOMAIN: &[u8; 12] = b"tollgate tid";

/// 128 bit of SHA-256 over a token as it is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenDigest([u8; 16]);

impl TokenDigest {
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(leading(digest(&SHA256, token).as_ref()))
    }

    /// A digest that was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest(tid {})", Tid::of(self))
    }
}

/// By what a token is asked about: its digest, and what it says itself of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenName {
    pub digest: TokenDigest,
    pub end: AbsoluteEnd,
}

impl TokenName {
    /// The session that is for this token alone, if there is one. It is found without a record of the
    /// token, and what ends together lies together; of the digest it tells nothing.
    #[must_use]
    pub fn session(&self) -> SessionId {
        let mut id = [0; 16];
        let (end, own) = id.split_at_mut(4);
        end.copy_from_slice(&self.end.to_bytes());
        own.copy_from_slice(&Alias::of(&self.digest).session);
        SessionId(id)
    }
}

/// What logs call a token: 64 bit of a hash of its digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tid(u64);

/// By what a token may be named where its digest must not be told: a hash of the digest. No part of it
/// tells another.
#[derive(Clone, Copy)]
pub struct Alias {
    tid: [u8; 8],
    value_token: [u8; 12],
    session: [u8; 12],
}

impl Alias {
    #[must_use]
    pub fn of(digest_of_token: &TokenDigest) -> Self {
        let mut input = [0; TID_DOMAIN.len() + 16];
        let (domain, rest) = input.split_at_mut(TID_DOMAIN.len());
        domain.copy_from_slice(TID_DOMAIN);
        rest.copy_from_slice(&digest_of_token.0);
        let hash = digest(&SHA256, &input);
        let (tid, rest) = hash.as_ref().split_at(8);
        let (value_token, session) = rest.split_at(12);
        Self {
            tid: leading(tid),
            value_token: leading(value_token),
            session: leading(session),
        }
    }

    #[must_use]
    pub fn tid(&self) -> Tid {
        Tid(u64::from_be_bytes(self.tid))
    }

    /// The `jti` of a value token that is made for the token in that second. Of two that are made in
    /// the same second both say the same. It tells nothing of the tid, and need not be stored.
    #[must_use]
    pub fn value_token_id(&self, issued_at: u32) -> ValueTokenId {
        let mut id = [0; 16];
        let (own, second) = id.split_at_mut(12);
        own.copy_from_slice(&self.value_token);
        second.copy_from_slice(&issued_at.to_be_bytes());
        ValueTokenId(id)
    }
}

/// What a value token is called in its `jti`: 22 characters of base64url, since every request to a service
/// has one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ValueTokenId(pub [u8; 16]);

impl ValueTokenId {
    /// Reads the one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Appends its spelling.
    pub fn spell(&self, out: &mut Vec<u8>) {
        let mut text = [0; 22];
        // So long are 16 bytes.
        if URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).is_ok() {
            out.extend_from_slice(&text);
        }
    }
}

impl fmt::Display for ValueTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for ValueTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueTokenId({self})")
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alias(tid {})", self.tid())
    }
}

impl Tid {
    #[must_use]
    pub fn of(digest_of_token: &TokenDigest) -> Self {
        Alias::of(digest_of_token).tid()
    }
}

impl Tid {
    /// Its hexadecimal digits, without the detour of formatting: every log line has them.
    #[must_use]
    pub fn digits(self) -> [u8; 16] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 16];
        let (pairs, _) = digits.as_chunks_mut();
        for ([high, low], byte) in pairs.iter_mut().zip(self.0.to_be_bytes()) {
            *high = DIGITS[usize::from(byte >> 4)];
            *low = DIGITS[usize::from(byte & 15)];
        }
        digits
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first bytes of a hash, which has at least so many.
pub(crate) fn leading<const N: usize>(hash: &[u8]) -> [u8; N] {
    hash.first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use crate::time::UnixSeconds;

    use super::*;

    #[test]
    fn a_digest_and_its_tid_never_change_their_meaning() {
        let digest = TokenDigest::of(b"abc");
        assert_eq!(
            digest.as_bytes(),
            b"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
        );
        assert_eq!(Tid::of(&digest).to_string(), "4edd9997df85cbcd");
        assert_eq!(&Tid::of(&digest).digits(), b"4edd9997df85cbcd");
        let id = Alias::of(&digest).value_token_id(0x0102_0304);
        assert_eq!(id.to_string(), "0tsGHUS5moOQEG-EAQIDBA");
        assert_eq!(ValueTokenId::parse("0tsGHUS5moOQEG-EAQIDBA"), Some(id));
        // The last character holds four bits that mean nothing.
        for other in [
            "0tsGHUS5moOQEG-EAQIDBB",
            "0tsGHUS5moOQEG-EAQIDBA==",
            "0tsG",
            "",
        ] {
            assert_eq!(ValueTokenId::parse(other), None, "{other}");
        }
        let end = AbsoluteEnd::new(UnixSeconds(0x0102_0304)).unwrap();
        let name = TokenName { digest, end };
        assert_eq!(
            name.session().to_string(),
            "010203045ae5e1bd104a6ed85a64a85e"
        );
    }

    #[test]
    fn a_digest_shows_its_tid_and_not_itself() {
        let digest = TokenDigest::of(b"abc");
        let shown = format!("{digest:?}");
        assert_eq!(shown, format!("TokenDigest(tid {})", Tid::of(&digest)));
        assert!(!shown.contains("ba78"), "{shown}");
    }
}
