//! What may somebody do? A set of scopes, as RFC 6749 section 3.3 spells them.

use std::fmt;

use smol_str::SmolStr;

pub const SCOPES_MAX: usize = 32;
pub const SCOPE_BYTES_MAX: usize = 64;

/// Sorted, each there once, as one text: it is written and told much more often than it is taken apart.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Scopes(SmolStr);

impl Scopes {
    /// Scopes separated by single spaces; nothing at all is no scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        Self::of(text.split(' '))
    }

    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut scopes = Vec::new();
        for name in names {
            if !is_scope(name) || scopes.len() == SCOPES_MAX {
                return None;
            }
            scopes.push(name);
        }
        Some(Self::spell(scopes))
    }

    fn spell(mut names: Vec<&str>) -> Self {
        names.sort_unstable();
        names.dedup();
        Self(names.join(" ").into())
    }

    /// The one spelling, with single spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|scope| scope == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    #[must_use]
    pub fn is_within(&self, allowed: &Self) -> bool {
        self.iter().all(|scope| allowed.has(scope))
    }

    /// Those of both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self::spell(self.iter().chain(other.iter()).collect())
    }

    /// Those that are allowed as well.
    #[must_use]
    pub fn meet(&self, allowed: &Self) -> Self {
        if self.is_within(allowed) {
            return self.clone();
        }
        Self::spell(self.iter().filter(|scope| allowed.has(scope)).collect())
    }
}

fn is_scope(name: &str) -> bool {
    (1..=SCOPE_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_with_one_spelling() {
        let many = vec!["a"; SCOPES_MAX + 1].join(" ");
        let long = "a".repeat(SCOPE_BYTES_MAX + 1);
        let cases = [
            ("", Some("")),
            ("b a b", Some("a b")),
            ("money.read openid", Some("money.read openid")),
            (" a", None),
            ("a  b", None),
            ("a\tb", None),
            ("a\"b", None),
            ("a\\b", None),
            (many.as_str(), None),
            (long.as_str(), None),
        ];
        for (text, expected) in cases {
            let found = Scopes::parse(text).map(|scopes| scopes.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn scopes_are_compared_as_sets() {
        let scopes = |text| Scopes::parse(text).unwrap();
        assert!(scopes("a").is_within(&scopes("a b")));
        assert!(!scopes("a c").is_within(&scopes("a b")));
        assert_eq!(scopes("a c").meet(&scopes("a b")), scopes("a"));
        assert_eq!(scopes("a c").join(&scopes("a b")), scopes("a b c"));
    }
}
