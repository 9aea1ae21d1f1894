//! What did a client send, if it can be read in only one way?
//!
//! `application/x-www-form-urlencoded`, in a query or in a body. A parameter that is there twice is
//! refused whatever it is (RFC 6749 section 3.1): a proxy, a browser and a server may each take
//! another one of the two. One without a value counts as absent; unknown ones are passed over.

use std::fmt;
use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

pub const BYTES_MAX: usize = 16 * 1024;
pub const COUNT_MAX: usize = 64;
/// Most forms of machines have no more.
const USUAL_COUNT: usize = 4;

/// Holds secrets, so that it shows no values and is wiped.
#[derive(Default, PartialEq, Eq)]
pub struct Parameters {
    /// All names and values, one behind the other.
    text: String,
    /// Where each name and its value are.
    pairs: Vec<(Range<usize>, Range<usize>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    #[error("more parameters than anybody needs")]
    TooLong,
    #[error("a parameter is there twice")]
    Twice,
    #[error("an escape is cut short, or what it spells is no text")]
    Escape,
}

impl Parameters {
    pub fn parse(text: &[u8]) -> Result<Self, ParametersError> {
        if text.len() > BYTES_MAX {
            return Err(ParametersError::TooLong);
        }
        // Nothing is longer than its escapes, so no copy of a secret is left behind by a text that grows.
        let mut found = Self {
            text: String::with_capacity(text.len()),
            pairs: Vec::with_capacity(USUAL_COUNT),
        };
        let pairs = text.split(|byte| *byte == b'&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            if found.pairs.len() == COUNT_MAX {
                return Err(ParametersError::TooLong);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = found.take(halves.next().unwrap_or_default())?;
            let value = found.take(halves.next().unwrap_or_default())?;
            if found.value_of(found.at(&name)).is_some() {
                return Err(ParametersError::Twice);
            }
            found.pairs.push((name, value));
        }
        Ok(found)
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.value_of(name).filter(|value| !value.is_empty())
    }

    fn take(&mut self, escaped: &[u8]) -> Result<Range<usize>, ParametersError> {
        let from = self.text.len();
        if is_plain(escaped) {
            let plain = str::from_utf8(escaped).map_err(|_| ParametersError::Escape)?;
            self.text.push_str(plain);
        } else {
            self.text.push_str(&Zeroizing::new(unescape(escaped)?));
        }
        Ok(from..self.text.len())
    }

    fn at(&self, place: &Range<usize>) -> &str {
        self.text.get(place.clone()).unwrap_or_default()
    }

    fn value_of(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        let (_, value) = pairs.find(|(known, _)| self.at(known) == name)?;
        Some(self.at(value))
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.pairs.iter().map(|(name, _)| self.at(name));
        f.debug_set().entries(names).finish()
    }
}

/// Without anything in front or behind: no `+` escapes more than a space, no `%` less than a byte.
pub(crate) fn unescape(text: &[u8]) -> Result<String, ParametersError> {
    if is_plain(text) {
        let plain = str::from_utf8(text).map_err(|_| ParametersError::Escape)?;
        return Ok(plain.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, rest @ ..] => {
                let byte = digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| high << 4 | low);
                out.push(byte.ok_or(ParametersError::Escape)?);
                rest
            }
            [b'%', ..] => return Err(ParametersError::Escape),
            [b'+', rest @ ..] => {
                out.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
    String::from_utf8(out).map_err(|_| ParametersError::Escape)
}

fn is_plain(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Escapes all that could mean something to whoever reads a URL or a header.
pub(crate) fn escape(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_read_in_one_way_or_not_at_all() {
        let many = (0..=COUNT_MAX)
            .map(|at| format!("a{at}=1&"))
            .collect::<String>();
        let long = format!("a={}", "b".repeat(BYTES_MAX));
        #[rustfmt::skip]
        let cases: [(&str, Result<Option<&str>, ParametersError>); 14] = [
            ("a=1&b=2",         Ok(Some("1"))),
            ("b=2&a=x%20y+z",   Ok(Some("x y z"))),
            ("a=1%3D%26",       Ok(Some("1=&"))),
            ("a=b=c",           Ok(Some("b=c"))),
            ("a=",              Ok(None)),
            ("a",               Ok(None)),
            ("",                Ok(None)),
            ("a=1&a=1",         Err(ParametersError::Twice)),
            ("a=1&%61=2",       Err(ParametersError::Twice)),
            ("b=&b=1",          Err(ParametersError::Twice)),
            ("a=%4",            Err(ParametersError::Escape)),
            ("a=%ff",           Err(ParametersError::Escape)),
            (many.as_str(),     Err(ParametersError::TooLong)),
            (long.as_str(),     Err(ParametersError::TooLong)),
        ];
        for (text, expected) in cases {
            let found = Parameters::parse(text.as_bytes());
            let found = found
                .as_ref()
                .map(|found| found.find("a"))
                .map_err(|error| *error);
            assert_eq!(found, expected, "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn values_are_not_shown() {
        let found = Parameters::parse(b"client_secret=hunter2").unwrap();
        assert_eq!(format!("{found:?}"), "{\"client_secret\"}");
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_is_read_back_and_is_plain(text in ".{0,40}") {
            let mut escaped = String::new();
            escape(&text, &mut escaped);
            prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!escaped.contains(['&', '=', '#', '?', '"', '<']));
            prop_assert_eq!(unescape(escaped.as_bytes()).unwrap(), text);
        }
    }
}
