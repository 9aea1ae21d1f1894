//! By what are people, clients and tenants known?
//!
//! Ids come in two kinds: drawn at random, 128 bit, for what is made here; and names that an
//! operator chose. Names have one spelling, of characters that mean nothing in a URL, a header or
//! a log, so that they may be put into any of these as they are.

use std::fmt;

use smol_str::SmolStr;

/// A person, for as long as they are known here. This is the `sub` of their tokens, so it is never
/// given to anybody else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub [u8; 16]);

/// A person at one browser, who need not sign in again for the next client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginId(pub [u8; 16]);

fn write_hex(bytes: [u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{:032x}", u128::from_be_bytes(bytes))
}

impl UserId {
    /// Reads the one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The same 32 lower-case digits that sessions are spelled with.
        idp_token::session::SessionId::parse(text).map(|id| Self(id.0))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, f)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The cookie holds more than this, so an id that is logged opens nothing.
impl fmt::Debug for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, f)
    }
}

pub const NAME_BYTES_MAX: usize = 64;

/// Letters, digits, `.`, `_` and `-`, and not too many of them.
fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(SmolStr);

impl ClientId {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(SmolStr);

impl TenantId {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person types to say who they are. Upper and lower case are the same, and only printable
/// ASCII is taken, so that no two people have names which look alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

impl Username {
    pub const BYTES_MAX: usize = 128;

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_sound = (1..=Self::BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_sound.then(|| Self(text.to_ascii_lowercase()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username([redacted])")
    }
}

/// How often everything of an owner was ended at once. What was begun under an earlier one is over,
/// however many sessions there were, in one write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling_and_an_end() {
        let longest = "a".repeat(NAME_BYTES_MAX);
        let too_long = "a".repeat(NAME_BYTES_MAX + 1);
        let cases = [
            ("web", true),
            ("Web.App_1-b", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("a b", false),
            ("a:b", false),
            ("a/b", false),
            ("a\0b", false),
            ("ä", false),
        ];
        for (text, expected) in cases {
            assert_eq!(ClientId::parse(text).is_some(), expected, "{text}");
            assert_eq!(TenantId::parse(text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_username_is_the_same_in_either_case_and_never_looks_like_another() {
        let name = Username::parse("Ada@Example.org").unwrap();
        assert_eq!(name.as_str(), "ada@example.org");
        assert!(!format!("{name:?}").contains("ada"));
        for text in ["", "a b", "аda@example.org", "ada\n", "ada\0"] {
            assert_eq!(Username::parse(text), None, "{text:?}");
        }
        assert!(Username::parse(&"a".repeat(Username::BYTES_MAX)).is_some());
        assert!(Username::parse(&"a".repeat(Username::BYTES_MAX + 1)).is_none());
    }
}
