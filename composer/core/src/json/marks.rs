//! What no byte of a body is: found out in one pass over all of it that asks nothing of where it is.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) is_ascii: bool,
    /// Without escapes and control characters, so that a string ends with the next quote.
    pub(super) is_plain: bool,
}

const NOT_ASCII: u8 = 0x80;
/// So many are looked at together.
const WIDTH: usize = 32;

impl Marks {
    pub(super) fn of(body: &[u8]) -> Self {
        let (whole, rest) = body.as_chunks::<WIDTH>();
        let mut marks = [0; WIDTH];
        for chunk in whole {
            // Nothing but this in the loop, so that it is done by vectors.
            for (mark, byte) in marks.iter_mut().zip(chunk) {
                *mark |= marks_of(*byte);
            }
        }
        let rest = rest.iter().map(|byte| marks_of(*byte));
        let marks = marks
            .into_iter()
            .chain(rest)
            .fold(0, |one, other| one | other);
        Self {
            is_ascii: marks & NOT_ASCII == 0,
            is_plain: marks & !NOT_ASCII == 0,
        }
    }
}

fn marks_of(byte: u8) -> u8 {
    byte & NOT_ASCII | u8::from(byte < b' ') | u8::from(byte == b'\\')
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
