//! How are a code and the cookie of a login spelled?
//!
//! A prefix that tells what it is, and 128 random bits. Only digests are stored, of the whole
//! spelling, so that one kind can never stand for the other.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp_token::digest::TokenDigest;
use zeroize::Zeroizing;

use crate::id::LoginId;

const CODE_PREFIX: &str = "tg_ac_";
const COOKIE_PREFIX: &str = "tg_li_";

/// Sent to its owner once.
pub struct Handle(Zeroizing<String>);

impl Handle {
    pub(crate) fn code(secret: &[u8; 16]) -> Self {
        Self::spell(CODE_PREFIX, secret)
    }

    pub(crate) fn cookie(secret: &[u8; 16]) -> Self {
        Self::spell(COOKIE_PREFIX, secret)
    }

    fn spell(prefix: &str, secret: &[u8; 16]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 22));
        text.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(secret, &mut text);
        Self(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle([redacted])")
    }
}

/// What is stored of a code.
pub(crate) fn code_digest(presented: &str) -> Option<TokenDigest> {
    let is_code = presented.starts_with(CODE_PREFIX);
    is_code.then(|| TokenDigest::of(presented.as_bytes()))
}

impl LoginId {
    /// The login whose cookie this is, if it is one.
    #[must_use]
    pub fn of_cookie(presented: &str) -> Option<Self> {
        let is_cookie = presented.starts_with(COOKIE_PREFIX);
        is_cookie.then(|| Self(*TokenDigest::of(presented.as_bytes()).as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_no_cookie_and_neither_is_shown() {
        let (code, cookie) = (Handle::code(&[1; 16]), Handle::cookie(&[1; 16]));
        assert_eq!(code.as_str(), "tg_ac_AQEBAQEBAQEBAQEBAQEBAQ");
        assert_eq!(cookie.as_str(), "tg_li_AQEBAQEBAQEBAQEBAQEBAQ");
        assert_eq!(LoginId::of_cookie(code.as_str()), None);
        assert_eq!(code_digest(cookie.as_str()), None);
        let stored = LoginId::of_cookie(cookie.as_str()).unwrap();
        assert_ne!(stored.0, [1; 16]);
        assert!(!format!("{code:?}{cookie:?}").contains("AQEB"));
    }
}
