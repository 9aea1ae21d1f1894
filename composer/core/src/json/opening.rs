//! Do bytes begin as is expected of them? Asked of every value of every row, so it takes no call.

/// What is longer is compared otherwise.
const BYTES_MAX: usize = 32;

/// A stretch and the quote behind it, with which a string begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    bytes: [u128; 2],
    /// All bits of the bytes that count.
    mask: [u128; 2],
    length: usize,
}

impl Opening {
    /// Nothing of a stretch that is too long for it.
    pub(super) fn of(stretch: &[u8]) -> Option<Self> {
        let mut bytes = [0; BYTES_MAX];
        let mut mask = [0; BYTES_MAX];
        bytes.get_mut(..stretch.len())?.copy_from_slice(stretch);
        *bytes.get_mut(stretch.len())? = b'"';
        let length = stretch.len() + 1;
        mask.get_mut(..length)?.fill(u8::MAX);
        Some(Self {
            bytes: words(&bytes),
            mask: words(&mask),
            length,
        })
    }

    /// What stands behind it, where it stands there. It is not seen in the last bytes of a body.
    pub(super) fn strip<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let [low, high] = words(bytes.first_chunk()?);
        let differs = (low ^ self.bytes[0]) & self.mask[0] | (high ^ self.bytes[1]) & self.mask[1];
        if differs == 0 {
            bytes.get(self.length..)
        } else {
            None
        }
    }
}

fn words(bytes: &[u8; BYTES_MAX]) -> [u128; 2] {
    let (low, high) = bytes.split_at(BYTES_MAX / 2);
    [low, high].map(|half| half.first_chunk().map_or(0, |it| u128::from_le_bytes(*it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stripped_where_it_stands_whole() {
        let body = [b'x'; 80];
        for length in 0..40 {
            let stretch: Vec<u8> = (b'A'..).take(length).collect();
            let Some(opening) = Opening::of(&stretch) else {
                assert!(length >= BYTES_MAX, "{length}");
                continue;
            };
            let begun = [&stretch[..], b"\"", &body].concat();
            assert_eq!(opening.strip(&begun), Some(&body[..]), "{length}");
            for at in 0..=length {
                let mut other = begun.clone();
                other[at] ^= 1;
                assert_eq!(opening.strip(&other), None, "{at} of {length}");
            }
            assert_eq!(opening.strip(&begun[..BYTES_MAX - 1]), None, "{length}");
        }
    }
}
