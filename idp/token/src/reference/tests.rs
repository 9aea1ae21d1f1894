use proptest::prelude::*;

use crate::digest::Tid;
use crate::filter::{FilterKey, FilterKeyId, SameKeyId};

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn key(id: u8) -> FilterKey {
    FilterKey::new(FilterKeyId::new(id).unwrap(), &[id; 32])
}

fn end(after: u64) -> AbsoluteEnd {
    AbsoluteEnd::new(UnixSeconds(NOW.0 + after)).unwrap()
}

fn parse(text: &str, keys: &FilterKeys) -> Result<ReferenceToken, ReferenceError> {
    ReferenceToken::parse(text.as_bytes(), keys, NOW)
}

#[test]
fn a_token_never_changes_its_spelling() {
    let token = ReferenceToken::mint(
        &FilterKeys::new(key(3)),
        0x0102,
        end(60),
        *b"0123456789abcdef",
    );
    assert_eq!(
        token.spell().as_str(),
        "tg_at_EwECa0nSPDAxMjM0NTY3ODlhYmNkZWZyJRyIRKdKegNp"
    );
    assert_eq!(Tid::of(&token.digest()).to_string(), "adb4a236b8c81955");
}

#[test]
fn a_token_says_what_it_was_made_of_and_hides_its_secret() {
    let keys = FilterKeys::new(key(3));
    let made = ReferenceToken::mint(&keys, 77, end(60), *b"0123456789abcdef");
    let read = parse(made.spell().as_str(), &keys).unwrap();
    assert_eq!((read.partition(), read.end()), (77, end(60)));
    assert_eq!(
        read.digest(),
        TokenDigest::of(made.spell().as_str().as_bytes())
    );
    let shown = format!("{read:?} {:?} {keys:?}", read.spell());
    assert_eq!(
        shown,
        "ReferenceToken { partition: 77, end: AbsoluteEnd(1800000060), .. } tg_at_[redacted] \
         FilterKeys { tagging: FilterKey { id: FilterKeyId(3), .. }, other: None }"
    );
}

#[test]
fn each_check_refuses_in_its_turn() {
    let keys = FilterKeys::new(key(3));
    let of = |keys: &FilterKeys, after| ReferenceToken::mint(keys, 1, end(after), [7; 16]);
    let good = of(&keys, 60).spell().as_str().to_owned();
    let with_head = |head: u8| {
        let mut token = of(&keys, 60);
        token.bytes[0] = head;
        token.spell().as_str().to_owned()
    };
    let with_tail = |last: &str| format!("{}{last}", &good[..good.len() - 1]);
    let stranger = FilterKeys::new(FilterKey::new(key(3).id(), &[9; 32]));
    #[rustfmt::skip]
    let cases = [
        (good.clone(),                                    None),
        (String::new(),                                   Some(ReferenceError::Shape)),
        (good[..good.len() - 1].to_owned(),               Some(ReferenceError::Shape)),
        (format!("{good}A"),                              Some(ReferenceError::Shape)),
        (good.replace("tg_at_", "tg_rt_"),                Some(ReferenceError::Shape)),
        (good.replace("tg_at_", "TG_AT_"),                Some(ReferenceError::Shape)),
        (with_tail("="),                                  Some(ReferenceError::Alphabet)),
        (with_tail("+"),                                  Some(ReferenceError::Alphabet)),
        (with_tail("/"),                                  Some(ReferenceError::Alphabet)),
        (with_tail(" "),                                  Some(ReferenceError::Alphabet)),
        (with_head(0x03),                                 Some(ReferenceError::Version)),
        (with_head(0x23),                                 Some(ReferenceError::Version)),
        (with_head(0x14),                                 Some(ReferenceError::UnknownKey)),
        (of(&stranger, 0).spell().as_str().to_owned(),    Some(ReferenceError::Expired)),
        (of(&stranger, 60).spell().as_str().to_owned(),   Some(ReferenceError::Tag)),
        (of(&keys, 1).spell().as_str().to_owned(),        None),
        (of(&keys, 0).spell().as_str().to_owned(),        Some(ReferenceError::Expired)),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(&text, &keys).err(), expected, "{text}");
    }
}

#[test]
fn what_is_not_proved_yet_is_no_token() {
    let keys = FilterKeys::new(key(3));
    let stranger = FilterKeys::new(FilterKey::new(key(3).id(), &[9; 32]));
    let read = |text: &str| Unproved::read(text.as_bytes(), NOW).unwrap();
    let good = ReferenceToken::mint(&keys, 1, end(60), [7; 16]).spell();
    let digest = TokenDigest::of(good.as_str().as_bytes());
    assert_eq!(read(good.as_str()).prove(&keys).unwrap().digest(), digest);
    assert_eq!(
        read(good.as_str()).prove(&stranger).err(),
        Some(ReferenceError::Tag)
    );
    let other = FilterKeys::new(key(4));
    assert_eq!(
        read(good.as_str()).prove(&other).err(),
        Some(ReferenceError::UnknownKey)
    );
}

#[test]
fn a_rotation_refuses_no_token_of_either_key_and_then_the_old_one() {
    let token = |keys: &FilterKeys| ReferenceToken::mint(keys, 1, end(60), [7; 16]).spell();
    let steps = [
        (FilterKeys::new(key(1)), [true, false]),
        (
            FilterKeys::new(key(1)).with_other(key(2)).unwrap(),
            [true, true],
        ),
        (
            FilterKeys::new(key(2)).with_other(key(1)).unwrap(),
            [true, true],
        ),
        (FilterKeys::new(key(2)), [false, true]),
    ];
    let (old, new) = (token(&steps[0].0), token(&steps[3].0));
    for (keys, expected) in &steps {
        let taken = [&old, &new].map(|text| parse(text.as_str(), keys).is_ok());
        assert_eq!(taken, *expected, "{keys:?}");
    }
    assert_eq!(token(&steps[1].0).as_str(), old.as_str());
    assert_eq!(token(&steps[2].0).as_str(), new.as_str());
    assert_eq!(steps[0].0.clone().with_other(key(1)).err(), Some(SameKeyId));
    assert_eq!(FilterKeyId::new(FilterKeyId::MAX + 1), None);
}

#[test]
fn a_tag_of_another_kind_of_token_is_not_taken() {
    let keys = FilterKeys::new(key(3));
    let mut token = ReferenceToken::mint(&keys, 1, end(60), [7; 16]);
    let mut covered = tagged(&token.bytes);
    covered[..PREFIX.len()].copy_from_slice(crate::refresh::PREFIX);
    token.bytes[TAGGED_BYTES..].copy_from_slice(keys.tag(&covered).as_bytes());
    assert_eq!(
        parse(token.spell().as_str(), &keys).err(),
        Some(ReferenceError::Tag)
    );
}

proptest! {
    #[test]
    fn whatever_is_minted_is_read_back(
        (partition, after, secret) in (any::<u16>(), 1..100_000_000_u64, any::<[u8; 16]>()),
    ) {
        let keys = FilterKeys::new(key(3));
        let made = ReferenceToken::mint(&keys, partition, end(after), secret);
        let read = parse(made.spell().as_str(), &keys).unwrap();
        prop_assert_eq!(read.bytes, made.bytes);
    }

    #[test]
    fn any_flipped_bit_is_refused(secret in any::<[u8; 16]>(), bit in 0..BYTES * 8) {
        let keys = FilterKeys::new(key(3)).with_other(key(2)).unwrap();
        let mut token = ReferenceToken::mint(&keys, 9, end(60), secret);
        token.bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(parse(token.spell().as_str(), &keys).is_err());
    }

    #[test]
    fn what_is_read_has_one_spelling(secret in any::<[u8; 16]>(), at in 0..SPELLED_BYTES, byte in any::<u8>()) {
        let keys = FilterKeys::new(key(3));
        let good = ReferenceToken::mint(&keys, 9, end(60), secret).spell();
        let mut text = good.as_str().as_bytes().to_vec();
        text[at] = byte;
        let is_taken = ReferenceToken::parse(&text, &keys, NOW).is_ok();
        prop_assert_eq!(is_taken, text == good.as_str().as_bytes());
    }

    #[test]
    fn no_input_is_too_strange_to_be_refused(text in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(ReferenceToken::parse(&text, &FilterKeys::new(key(3)), NOW).is_err());
    }
}
