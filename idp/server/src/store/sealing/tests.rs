use std::fs;

use super::*;

fn key(digit: &str) -> SealingKey {
    SealingKey::parse(&digit.repeat(KEY_DIGITS)).unwrap()
}

fn seal(key: &SealingKey, place: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    key.seal(b"a secret", place, &mut out).unwrap();
    assert_eq!(out[..6], *b"before");
    out.split_off(6)
}

#[test]
fn what_is_sealed_opens_with_its_key_in_its_place_alone() {
    let sealed = seal(&key("1"), b"here");
    assert!(!sealed.windows(6).any(|window| window == b"secret"));
    assert_eq!(
        key("1").open(&sealed, b"here").unwrap().as_slice(),
        b"a secret"
    );
    for (key, place) in [(key("2"), b"here".as_slice()), (key("1"), b"there")] {
        assert_eq!(key.open(&sealed, place), Err(SealError::Foreign));
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(key("1").open(&changed, b"here"), Err(SealError::Foreign));
        assert_eq!(
            key("1").open(&sealed[..at], b"here"),
            Err(SealError::Foreign)
        );
    }
}

#[test]
fn the_same_secret_is_sealed_differently_each_time() {
    assert_ne!(seal(&key("1"), b"here"), seal(&key("1"), b"here"));
}

#[test]
fn a_key_has_one_length_and_is_not_shown() {
    let drawn = SealingKey::draw().unwrap();
    let text = drawn.spell();
    assert_eq!(SealingKey::parse(&text).unwrap().0, drawn.0);
    assert_eq!(format!("{drawn:?}"), "SealingKey([redacted])");
    let (short, long) = ("0".repeat(KEY_DIGITS - 1), "0".repeat(KEY_DIGITS + 1));
    let no_digit = format!("{}g", "0".repeat(KEY_DIGITS - 1));
    let sign = format!("+{}", "0".repeat(KEY_DIGITS - 1));
    for text in ["", &short, &long, &no_digit, &sign, "ä".repeat(32).as_str()] {
        assert!(
            matches!(SealingKey::parse(text), Err(KeyError::Spelling)),
            "{text}"
        );
    }
}

#[test]
fn a_key_file_that_holds_more_than_a_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let made = KeySource::File(path.clone()).find(true).unwrap();
    assert_eq!(KeySource::File(path.clone()).find(false).unwrap().0, made.0);
    assert_eq!(
        KeySource::File(path.clone()).find(true).unwrap().0,
        made.0,
        "and is kept"
    );
    for more in ["0", "\n\n0000"] {
        let text = format!("{}{more}", made.spell().trim_end());
        fs::write(&path, text).unwrap();
        let refused = KeySource::File(path.clone()).find(true);
        let is_refused = matches!(refused, Err(KeyError::Spelling | KeyError::File(_)));
        assert!(is_refused, "{refused:?}");
    }
}
