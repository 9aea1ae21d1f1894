//! Whether two stretches of bytes are the same, for those that are short.
//!
//! Names and keys mostly are, and finding out takes less than a call to somebody who can do it with any.

pub(crate) fn are_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        4..8 => are_both_ends_same::<4>(one, other),
        8..=16 => are_both_ends_same::<8>(one, other),
        17..=32 => are_both_ends_same::<16>(one, other),
        _ => one == other,
    }
}

/// Of what is at most twice as long as an end, so that there is nothing between them.
fn are_both_ends_same<const END: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<END>() == other.first_chunk() && one.last_chunk::<END>() == other.last_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_makes_another_stretch() {
        for length in 0..70 {
            let one: Vec<u8> = (0..length).collect();
            assert!(are_same(&one, &one.clone()), "{length}");
            assert!(!are_same(&one, &[&one[..], &[0]].concat()), "{length}");
            for at in 0..usize::from(length) {
                let mut other = one.clone();
                other[at] ^= 0x40;
                assert!(!are_same(&one, &other), "{at} of {length}");
            }
        }
    }
}
