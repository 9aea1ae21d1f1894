//! What no byte of a body is: found out in one pass over all of it that asks nothing of where it is.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) is_ascii: bool,
    /// Without escapes and control characters, so that a string ends with the next quote.
    pub(super) is_plain: bool,
}

/// So many are looked at together.
const WIDTH: usize = 32;

impl Marks {
    pub(super) fn of(body: &[u8]) -> Self {
        let (whole, rest) = body.as_chunks::<WIDTH>();
        let mut least = [u8::MAX; WIDTH];
        let mut bits = [0; WIDTH];
        let mut escapes = [0; WIDTH];
        for chunk in whole {
            // Nothing but this in the loop, so that it is done by vectors.
            let seen = least.iter_mut().zip(&mut bits).zip(&mut escapes);
            for (((least, bits), escapes), byte) in seen.zip(chunk) {
                *least = (*least).min(*byte);
                *bits |= byte;
                *escapes |= if *byte == b'\\' { u8::MAX } else { 0 };
            }
        }
        let is_escaped = escapes != [0; WIDTH] || rest.contains(&b'\\');
        let least = least.iter().chain(rest).min();
        Self {
            is_ascii: bits.iter().chain(rest).all(u8::is_ascii),
            is_plain: !is_escaped && least.is_none_or(|least| *least >= b' '),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_tells() {
        for byte in 0..=u8::MAX {
            for at in [0, 1, 15, 16, 31, 40, 64, 70] {
                let mut body = [b'x'; 71];
                body[at] = byte;
                let marks = Marks::of(&body);
                assert_eq!(marks.is_ascii, byte.is_ascii(), "{byte} at {at}");
                let is_plain = !byte.is_ascii_control() || byte == 0x7f;
                assert_eq!(marks.is_plain, is_plain && byte != b'\\', "{byte} at {at}");
            }
        }
        assert_eq!(Marks::of(b"").is_ascii, Marks::of(b"").is_plain);
    }
}
