//! Tokens that nobody issued, made from some that somebody did.

use crate::dice::Dice;
use crate::fleet::Token;

use super::Case;

const PREFIX: &str = "tg_at_";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Version, key of the tag, partition and expiry, and half a byte of the secret: what a forger can copy.
const COPIED_CHARS: usize = 10;

/// The same but for one bit.
pub(crate) fn flip(model: &str, dice: &mut Dice) -> String {
    let mut text = model.as_bytes().to_vec();
    let place = PREFIX.len() + dice.below(model.len().saturating_sub(PREFIX.len()));
    if let Some(character) = text.get_mut(place) {
        let value = ALPHABET.iter().position(|it| it == character).unwrap_or(0);
        let flipped = value ^ (1 << dice.below(6));
        *character = *ALPHABET.get(flipped).unwrap_or(&b'A');
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What looks right up to the tag, of a client that guesses the rest.
pub(crate) fn forge(model: &str, dice: &mut Dice) -> String {
    let copied = PREFIX.len() + COPIED_CHARS;
    let mut text = model.get(..copied).unwrap_or(PREFIX).to_owned();
    while text.len() < model.len() {
        let thrown = ALPHABET.get(dice.below(ALPHABET.len()));
        text.push(char::from(*thrown.unwrap_or(&b'A')));
    }
    text
}

/// The same, but over since 1970.
pub(crate) fn expire(model: &str) -> String {
    let mut text = model.as_bytes().to_vec();
    // Six bits each, of 32 bits that begin with the fifth character.
    let end = text.iter_mut().skip(PREFIX.len() + 4).take(4);
    end.for_each(|character| *character = b'A');
    String::from_utf8_lossy(&text).into_owned()
}

/// When a token is over at the latest, in seconds since 1970: the four bytes behind the first three.
pub(super) fn ends_at(token: &str) -> Option<i64> {
    let characters = token.strip_prefix(PREFIX)?.bytes().skip(4).take(6);
    let mut values = characters.map(|it| ALPHABET.iter().position(|other| *other == it));
    let bits = values.try_fold(0, |bits, value| {
        Some(bits << 6 | i64::try_from(value?).ok()?)
    });
    // Six characters are 36 bits, of which the last four are of the secret.
    bits.map(|bits: i64| bits >> 4)
}

/// The session that a value token speaks of: `sid` of what is signed.
pub(super) fn session_of(value_token: &str) -> Option<String> {
    let payload = value_token.split('.').nth(1)?;
    let claims: serde_json::Value = serde_json::from_slice(&decode(payload)?).ok()?;
    claims.get("sid")?.as_str().map(str::to_owned)
}

/// Of base64url without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for quartet in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for character in quartet {
            let value = ALPHABET.iter().position(|it| it == character)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        bits <<= 6 * (4 - quartet.len());
        let [_, three @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(three.get(..quartet.len() * 6 / 8)?);
    }
    Some(bytes)
}

/// So many of them as cases, whose end is over from the beginning.
pub(super) fn cases(models: &[&str], count: usize, seed: u64) -> Vec<Case> {
    let mut dice = Dice::of(seed, &["forgery"]);
    let texts = models.iter().cycle().take(count).enumerate();
    let forged = texts.map(|(number, model)| match number % 2 {
        0 => flip(model, &mut dice),
        _ => forge(model, &mut dice),
    });
    forged
        .map(|text| {
            let session = String::new();
            Case::new(Token { text, session })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "tg_at_AAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    #[test]
    fn a_flipped_token_differs_in_one_bit() {
        let mut dice = Dice::new(1);
        for _ in 0..1000 {
            let flipped = flip(MODEL, &mut dice);
            let differ = |(a, b): &(u8, u8)| a != b;
            let pairs = MODEL.bytes().zip(flipped.bytes());
            let differing: Vec<_> = pairs.filter(differ).collect();
            let value = |it: u8| ALPHABET.iter().position(|other| *other == it).unwrap();
            let bits: Vec<_> = differing
                .iter()
                .map(|(a, b)| (value(*a) ^ value(*b)).count_ones())
                .collect();
            assert_eq!(bits, [1], "{flipped}");
        }
    }

    #[test]
    fn the_end_of_a_token_is_read_off_it() {
        // Three bytes, then 0x6a0bcdef, then others.
        let text = "tg_at_AAAAagvN78888888888888888888888888888888888888";
        assert_eq!(ends_at(text), Some(0x6a0b_cdef));
        assert_eq!(ends_at("another"), None);
        assert!(ends_at(&expire(text)).is_some_and(|end| end < 256));
        assert_eq!(expire(text).len(), text.len());
    }

    #[test]
    fn the_session_is_read_off_a_value_token() {
        // {"sid":"a1"}
        assert_eq!(
            session_of("e30.eyJzaWQiOiJhMSJ9.c2ln"),
            Some("a1".to_owned())
        );
        for text in ["", "e30", "e30.e30.c2ln", "e30.###.c2ln"] {
            assert_eq!(session_of(text), None, "{text}");
        }
        let cases = [
            ("", ""),
            ("YQ", "a"),
            ("YWI", "ab"),
            ("YWJj", "abc"),
            ("YWJjZA", "abcd"),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text).unwrap(), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_forged_token_has_the_shape_and_the_beginning_of_its_model() {
        let mut dice = Dice::new(1);
        let forged: Vec<_> = (0..100).map(|_| forge(MODEL, &mut dice)).collect();
        for text in &forged {
            assert_eq!(text.len(), MODEL.len());
            assert!(text.starts_with("tg_at_AAAAAAAAAA") && *text != MODEL);
        }
        assert_ne!(forged.first(), forged.last());
    }
}
