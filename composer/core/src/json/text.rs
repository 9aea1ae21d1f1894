//! Strings with and without their escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What a string that was judged says; `None` for half of a surrogate pair, which is no text.
pub(super) fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    let raw = std::str::from_utf8(raw).ok()?;
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let letter = after.chars().next()?;
        rest = after.get(letter.len_utf8()..)?;
        text.push(match letter {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => take_unit(&mut rest)?,
            other => other,
        });
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// What stands behind `\u`, and behind a second one where it takes two.
fn take_unit(rest: &mut &str) -> Option<char> {
    let first = take_hex(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    *rest = rest.strip_prefix("\\u")?;
    let second = take_hex(rest)?.checked_sub(0xdc00)?;
    let is_low = second < 0x400;
    is_low.then(|| char::from_u32(0x10000 + ((first - 0xd800) << 10) + second))?
}

fn take_hex(rest: &mut &str) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(4)?;
    *rest = after;
    u32::from_str_radix(digits, 16).ok()
}

/// Writes a text as a string of JSON.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}
