//! Does a query say what a route asks for?
//!
//! Read as services read it, the URL standard's `application/x-www-form-urlencoded`: pairs between
//! `&`, the first `=` ends the name, `%xx` is a byte, `+` a space, an escape that is none stands for
//! itself. So no spelling of a parameter slips past a condition that the service would see met.
//!
//! Other readers are thought of as well: those to whom a `;` ends a pair, and those who take `DRY_RUN` for
//! `dry-run`. Where they come to something else nobody can tell, nor where a parameter is there twice.

use std::iter;

use crate::fields::byte_folds_to;
use crate::route::{Found, Holds};

/// A parameter that must be there once, with exactly this value; both decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryCondition {
    pub name: String,
    pub value: String,
}

impl QueryCondition {
    #[must_use]
    pub fn holds(&self, query: Option<&str>) -> Holds {
        let query = query.unwrap_or_default();
        let holds = self.holds_between(query, &['&']);
        if query.contains(';') && self.holds_between(query, &['&', ';']) != holds {
            return Holds::Perhaps;
        }
        holds
    }

    fn holds_between(&self, query: &str, separators: &[char]) -> Holds {
        let pairs = query
            .split(separators)
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let named = pairs.filter(|(name, _)| folds_to(name, &self.name));
        Holds::of(named.map(|(name, value)| Found {
            is_spelled: spells(name, &self.name),
            is_right: spells(value, &self.value),
        }))
    }
}

/// Whether a query has a parameter of this name, with whatever value.
#[must_use]
pub fn names(query: Option<&str>, name: &str) -> bool {
    let Some(query) = query else {
        return false;
    };
    let mut pairs = query.split('&');
    pairs.any(|pair| spells(pair.split_once('=').unwrap_or((pair, "")).0, name))
}

/// Whether this stands anywhere in a query, however it is escaped.
#[must_use]
pub(crate) fn holds(query: &str, meant: &[u8]) -> bool {
    let Some(first) = meant.first() else {
        return true;
    };
    let stands_at = |at: usize| {
        let rest = query.get(at..).unwrap_or_default();
        decoded(rest).take(meant.len()).eq(meant.iter().copied())
    };
    memchr::memchr2_iter(*first, b'%', query.as_bytes()).any(stands_at)
}

fn spells(written: &str, meant: &str) -> bool {
    decoded(written).eq(meant.bytes())
}

/// Whether somebody may take what is written for the name that is meant.
fn folds_to(written: &str, meant: &str) -> bool {
    let mut bytes = meant.bytes();
    let is_like = |byte| {
        bytes
            .next()
            .is_some_and(|meant| byte_folds_to((byte, meant)))
    };
    decoded(written).all(is_like) && bytes.next().is_none()
}

fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    iter::from_fn(move || {
        let (&first, below) = rest.split_first()?;
        rest = below;
        let byte = match first {
            b'+' => b' ',
            b'%' => match escaped(below) {
                Some(byte) => {
                    rest = below.get(2..).unwrap_or_default();
                    byte
                }
                None => b'%',
            },
            _ => first,
        };
        Some(byte)
    })
}

fn escaped(below: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*below.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_compared_decoded_and_must_be_there_once() {
        use Holds::{No, Perhaps, Yes};
        #[rustfmt::skip]
        let cases = [
            (("dry-run", "1"), Some("dry-run=1"),               Yes),
            (("dry-run", "1"), Some("a=b&dry-run=1&c"),         Yes),
            (("dry-run", "1"), Some("dry%2Drun=%31"),           Yes),
            (("dry-run", "1"), Some("dry%2drun=1"),             Yes),
            (("dry-run", "1"), Some("dry-run=1&dry-run=1"),     Perhaps),
            (("dry-run", "1"), Some("dry-run=1&dry%2Drun=0"),   Perhaps),
            (("dry-run", "1"), Some("dry-run=0&dry-run=2&dry-run=1"), Perhaps),
            (("dry-run", "1"), Some("dry-run=0&dry-run=2"),     No),
            (("dry-run", "1"), Some("dry-run=10"),              No),
            (("dry-run", "1"), Some("dry-run"),                 No),
            (("dry-run", "1"), Some("Dry-Run=1"),               Perhaps),
            (("dry-run", "1"), Some("dry_run=1"),               Perhaps),
            (("dry-run", "1"), Some("dry.run=1"),               Perhaps),
            (("dry-run", "1"), Some("DRY%2BRUN=%31"),           Perhaps),
            (("dry-run", "1"), Some("dry-run=1&DRY-RUN=0"),     Perhaps),
            (("dry-run", "1"), Some("DRY-RUN=2"),               No),
            (("dry-run", "1"), Some("dryrun=1"),                No),
            (("dry-run", "1"), Some("dry-run-=1"),              No),
            (("dry-run", "1"), Some("xdry-run=1"),              No),
            (("dry-run", "1"), Some("dry-run=1;x"),             Perhaps),
            (("dry-run", "1"), Some("x;dry-run=1"),             Perhaps),
            (("dry-run", "1"), Some("dry-run=1&x;y"),           Yes),
            (("dry-run", "1"), Some("dry-run=1&x;dry-run=0"),   Perhaps),
            (("dry-run", "1"), Some("dry-run=1;dry-run=1"),     Perhaps),
            (("dry-run", "1"), Some("dry-run=0;x"),             No),
            (("dry-run", "1"), Some("x%3Bdry-run=1"),           No),
            (("dry-run", "1"), Some(""),                        No),
            (("dry-run", "1"), None,                            No),
            (("flag", ""),     Some("flag"),                    Yes),
            (("flag", ""),     Some("flag="),                   Yes),
            (("flag", ""),     Some("flag=1"),                  No),
            (("q", "a b"),     Some("q=a+b"),                   Yes),
            (("q", "a b"),     Some("q=a%20b"),                 Yes),
            (("q", "a+b"),     Some("q=a%2Bb"),                 Yes),
            (("q", "a+b"),     Some("q=a+b"),                   No),
            (("q", "é"),       Some("q=%C3%A9"),                Yes),
            (("q", "a=b"),     Some("q=a=b"),                   Yes),
            (("q", "%"),       Some("q=%"),                     Yes),
            (("q", "%z1"),     Some("q=%z1"),                   Yes),
            (("q", "%+1"),     Some("q=%+1"),                   No),
            (("q", "1"),       Some("q=%251"),                  No),
        ];
        for ((name, value), query, expected) in cases {
            let condition = QueryCondition {
                name: name.to_owned(),
                value: value.to_owned(),
            };
            assert_eq!(condition.holds(query), expected, "{name}={value} {query:?}");
        }
    }
}
