//! One path, one spelling: what routes, policies, caches and services all see.
//!
//! RFC 3986 §6.2.2 normalisation, with everything two servers could read differently refused
//! instead of repaired: empty segments, encoded slashes and backslashes, path parameters, control
//! bytes and text that is not UTF-8. Canonical paths are a fixed point: `canon(canon(x)) == canon(x)`.

use std::borrow::Cow;

pub use pattern::{PathPattern, PatternError, Segment};

mod pattern;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path does not start with a slash")]
    NotAbsolute,
    #[error("the path has a byte that must be percent-encoded")]
    Byte,
    #[error("a percent sign is not followed by two hex digits")]
    Escape,
    #[error("the path has an encoded slash or backslash")]
    EncodedSeparator,
    #[error("the path has an encoded control byte")]
    EncodedControl,
    #[error("the escaped bytes are not UTF-8")]
    NotUtf8,
    #[error("the path has path parameters")]
    Parameters,
    #[error("the path has an empty segment")]
    EmptySegment,
    #[error("the path leads above its root")]
    AboveRoot,
}

/// Brings a path into its one spelling, borrowing when it already is.
pub fn canonical(path: &str) -> Result<Cow<'_, str>, PathError> {
    if is_plainly_canonical(path) {
        return Ok(Cow::Borrowed(path));
    }
    let rest = path.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
    let mut out: Vec<Cow<'_, str>> = Vec::new();
    let mut segments = rest.split('/').peekable();
    while let Some(raw) = segments.next() {
        let is_last = segments.peek().is_none();
        let segment = decode_segment(raw)?;
        match segment.as_ref() {
            "" if !is_last => return Err(PathError::EmptySegment),
            "." | ".." => {
                if segment == ".." {
                    out.pop().ok_or(PathError::AboveRoot)?;
                }
                if is_last {
                    out.push(Cow::Borrowed(""));
                }
            }
            _ => out.push(segment),
        }
    }
    Ok(Cow::Owned(format!("/{}", out.join("/"))))
}

/// The case of nearly every request, decided in one pass: nothing to decode, remove or refuse.
fn is_plainly_canonical(path: &str) -> bool {
    let mut before = b'x';
    for (index, byte) in path.bytes().enumerate() {
        let is_fine = match byte {
            b'/' => before != b'/',
            b'.' => before != b'/',
            _ => index > 0 && is_segment_byte(byte),
        };
        if !is_fine {
            return false;
        }
        before = byte;
    }
    path.starts_with('/')
}

fn decode_segment(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if !raw.contains('%') {
        check_bytes(raw)?;
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('%') {
        let (plain, escape) = rest.split_at(at);
        check_bytes(plain)?;
        out.push_str(plain);
        decoded.extend_from_slice(plain.as_bytes());
        let digits = escape.get(1..3).ok_or(PathError::Escape)?;
        let byte = decode_escape(digits)?;
        push_canonical(&mut out, byte);
        decoded.push(byte);
        rest = escape.get(3..).unwrap_or_default();
    }
    check_bytes(rest)?;
    out.push_str(rest);
    decoded.extend_from_slice(rest.as_bytes());
    // Overlong forms and surrogates are not UTF-8 to `std`, so they end here as well.
    std::str::from_utf8(&decoded).map_err(|_| PathError::NotUtf8)?;
    Ok(Cow::Owned(out))
}

fn decode_escape(digits: &str) -> Result<u8, PathError> {
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(PathError::Escape);
    }
    let byte = u8::from_str_radix(digits, 16).map_err(|_| PathError::Escape)?;
    match byte {
        b'/' | b'\\' => Err(PathError::EncodedSeparator),
        0..=0x1f | 0x7f => Err(PathError::EncodedControl),
        _ => Ok(byte),
    }
}

/// Characters that need no escape in a segment stand for themselves, all else stays escaped. RFC 3986
/// §6.2.2.2 goes no further than unreserved ones, but services take `%3A` for the `:` that it is, so a
/// route for `/payments:refund` must too. Some take `+` for a space, so the two spellings of it stay two.
fn push_canonical(out: &mut String, byte: u8) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    if is_segment_byte(byte) && byte != b'+' {
        out.push(char::from(byte));
    } else {
        out.push('%');
        out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

fn check_bytes(text: &str) -> Result<(), PathError> {
    match text.bytes().find(|byte| !is_segment_byte(*byte)) {
        None => Ok(()),
        Some(b';') => Err(PathError::Parameters),
        Some(_) => Err(PathError::Byte),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 `pchar` without escapes and without `;`, which starts path parameters.
fn is_segment_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_has_one_spelling_or_is_refused() {
        #[rustfmt::skip]
        let cases = [
            ("/",                    Ok("/")),
            ("/a/b",                 Ok("/a/b")),
            ("/a/b/",                Ok("/a/b/")),
            ("/%61",                 Ok("/a")),
            ("/%7Euser",             Ok("/~user")),
            ("/a%20b",               Ok("/a%20b")),
            ("/a%2cb",               Ok("/a,b")),
            ("/caf%c3%a9",           Ok("/caf%C3%A9")),
            ("/100%25",              Ok("/100%25")),
            ("/%252e%252e/x",        Ok("/%252e%252e/x")),
            ("/a/./b",               Ok("/a/b")),
            ("/a/../b",              Ok("/b")),
            ("/a/%2e%2E/b",          Ok("/b")),
            ("/a/b/..",              Ok("/a/")),
            ("/a/b/.",               Ok("/a/b/")),
            ("/...",                 Ok("/...")),
            ("/.well-known/x",       Ok("/.well-known/x")),
            ("/a=b,c:d@e!$&'()*+",   Ok("/a=b,c:d@e!$&'()*+")),
            ("",                     Err(PathError::NotAbsolute)),
            ("a",                    Err(PathError::NotAbsolute)),
            ("*",                    Err(PathError::NotAbsolute)),
            ("//",                   Err(PathError::EmptySegment)),
            ("//a",                  Err(PathError::EmptySegment)),
            ("/a//b",                Err(PathError::EmptySegment)),
            ("/a/..//",              Err(PathError::EmptySegment)),
            ("/..",                  Err(PathError::AboveRoot)),
            ("/a/../../b",           Err(PathError::AboveRoot)),
            ("/%2e%2e/b",            Err(PathError::AboveRoot)),
            ("/a%2fb",               Err(PathError::EncodedSeparator)),
            ("/a%2Fb",               Err(PathError::EncodedSeparator)),
            ("/a%5cb",               Err(PathError::EncodedSeparator)),
            ("/a%00",                Err(PathError::EncodedControl)),
            ("/a%0d%0a",             Err(PathError::EncodedControl)),
            ("/a%7f",                Err(PathError::EncodedControl)),
            ("/a%",                  Err(PathError::Escape)),
            ("/a%2",                 Err(PathError::Escape)),
            ("/a%zz",                Err(PathError::Escape)),
            ("/a%+1",                Err(PathError::Escape)),
            ("/%c0%af",              Err(PathError::NotUtf8)),
            ("/%e0%80%af",           Err(PathError::NotUtf8)),
            ("/%ed%a0%80",           Err(PathError::NotUtf8)),
            ("/%ff",                 Err(PathError::NotUtf8)),
            ("/a;b=c",               Err(PathError::Parameters)),
            ("/a\\b",                Err(PathError::Byte)),
            ("/a b",                 Err(PathError::Byte)),
            ("/a\"b",                Err(PathError::Byte)),
            ("/a?b",                 Err(PathError::Byte)),
            ("/a#b",                 Err(PathError::Byte)),
            ("/caf\u{e9}",           Err(PathError::Byte)),
        ];
        for (path, expected) in cases {
            assert_eq!(
                canonical(path).as_deref().map_err(|e| *e),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn what_needs_no_escape_has_none() {
        #[rustfmt::skip]
        let cases = [
            ("/payments%3arefund",            "/payments:refund"),
            ("/%21%24%26%27%28%29%2A%3d%40",  "/!$&'()*=@"),
            // A space to some, and the beginning of parameters.
            ("/a%2bb+%3Bc",                   "/a%2Bb+%3Bc"),
        ];
        for (path, expected) in cases {
            assert_eq!(canonical(path).as_deref(), Ok(expected), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_path_is_a_fixed_point(path in "/[a-c./%;23AbB0eEfF5cC:,+/]{0,24}") {
            if let Ok(once) = canonical(&path) {
                prop_assert_eq!(canonical(&once), Ok(once.clone()));
                let has_dots = once.split('/').any(|segment| segment == "." || segment == "..");
                prop_assert!(!has_dots, "{}", once);
                prop_assert!(!once.contains("//"), "{}", once);
            }
        }

        #[test]
        fn no_text_makes_the_path_code_panic(path in "\\PC{0,40}") {
            let _ = canonical(&path);
        }

        #[test]
        fn the_quick_test_agrees_with_the_slow_way(path in "/[a-c./]{0,16}") {
            if is_plainly_canonical(&path) {
                prop_assert!(!path.contains("//") && !path.contains("/."));
            }
        }
    }
}
