use proptest::prelude::*;

use super::*;
use crate::time::UnixSeconds;

const TOKEN: RefreshToken = RefreshToken {
    partition: 0x0102,
    family: FamilyId(*b"a family of ours"),
    counter: 7,
};

fn key() -> RefreshKey {
    RefreshKey::new([1; 32])
}

fn salt(byte: u8) -> FamilySalt {
    FamilySalt::new([byte; 16])
}

fn read(text: &str) -> Result<RefreshToken, RefreshError> {
    PresentedRefresh::parse(text.as_bytes())?.verify(&key(), &salt(2))
}

#[test]
fn a_refresh_token_never_changes_its_spelling() {
    assert_eq!(
        TOKEN.spell(&key(), &salt(2)).as_str(),
        "tg_rt_AQECYSBmYW1pbHkgb2Ygb3VycwAAAAcpxv_aE8XZTsPuBE6i8oNV"
    );
}

#[test]
fn a_refresh_token_is_refused_for_the_first_thing_that_is_wrong() {
    let good = TOKEN.spell(&key(), &salt(2)).as_str().to_owned();
    let other_key = RefreshKey::new([3; 32]);
    #[rustfmt::skip]
    let cases = [
        (good.clone(),                                               Ok(TOKEN)),
        (String::new(),                                              Err(RefreshError::Shape)),
        (good[..good.len() - 1].to_owned(),                          Err(RefreshError::Shape)),
        (format!("{good}A"),                                         Err(RefreshError::Shape)),
        (good.replace("tg_rt_", "tg_at_"),                           Err(RefreshError::Shape)),
        (format!("{}=", &good[..good.len() - 1]),                    Err(RefreshError::Alphabet)),
        (format!("{}.", &good[..good.len() - 1]),                    Err(RefreshError::Alphabet)),
        (good.replacen("tg_rt_AQ", "tg_rt_Ag", 1),                   Err(RefreshError::Version)),
        (TOKEN.spell(&other_key, &salt(2)).as_str().to_owned(),      Err(RefreshError::Tag)),
        (TOKEN.spell(&key(), &salt(9)).as_str().to_owned(),          Err(RefreshError::Tag)),
    ];
    for (text, expected) in cases {
        assert_eq!(read(&text), expected, "{text}");
    }
}

#[test]
fn secrets_of_a_refresh_token_are_not_shown() {
    let spelled = TOKEN.spell(&key(), &salt(2));
    let presented = PresentedRefresh::parse(spelled.as_str().as_bytes()).unwrap();
    let shown = format!("{:?} {:?} {spelled:?}", key(), salt(2));
    let redacted = "RefreshKey([redacted]) FamilySalt([redacted]) tg_rt_[redacted]";
    assert_eq!(shown, redacted);
    let claims = format!("PresentedRefresh {{ claims: {TOKEN:?}, .. }}");
    assert_eq!(format!("{presented:?}"), claims);
}

#[test]
fn a_successor_is_the_same_however_often_it_is_asked_for() {
    let next = TOKEN.successor().unwrap();
    assert_eq!(
        next,
        RefreshToken {
            counter: 8,
            ..TOKEN
        }
    );
    let spelled = || next.spell(&key(), &salt(2)).as_str().to_owned();
    assert_eq!(spelled(), spelled());
    assert_ne!(spelled(), TOKEN.spell(&key(), &salt(2)).as_str());
    let last = RefreshToken {
        counter: u32::MAX,
        ..TOKEN
    };
    assert_eq!(last.successor(), None);
}

#[test]
fn only_the_newest_token_advances_and_an_old_one_betrays_its_thief() {
    let at = UnixSeconds(1000);
    let family = Family {
        current: 5,
        advanced_at: at,
        standing: Standing::Live,
    };
    let advanced = |current, now| {
        Redemption::Advance(Family {
            current,
            advanced_at: now,
            ..family
        })
    };
    let killed = Family {
        standing: Standing::Killed,
        ..family
    };
    let used_up = Family {
        current: u32::MAX,
        ..family
    };
    #[rustfmt::skip]
    let cases = [
        (family,  5,        1000, advanced(6, UnixSeconds(1000))),
        (family,  5,        9999, advanced(6, UnixSeconds(9999))),
        (family,  4,        1000, Redemption::Repeat),
        (family,  4,        1010, Redemption::Repeat),
        (family,  4,        1011, Redemption::Reuse),
        (family,  4,         999, Redemption::Reuse),
        (family,  3,        1000, Redemption::Reuse),
        (family,  0,        1000, Redemption::Reuse),
        (family,  6,        1000, Redemption::NeverIssued),
        (family,  u32::MAX, 1000, Redemption::NeverIssued),
        (killed,  5,        1000, Redemption::Dead),
        (killed,  4,        1000, Redemption::Dead),
        (used_up, u32::MAX, 1000, Redemption::Dead),
        (Family::begin(at), 0, 1000, advanced(1, UnixSeconds(1000))),
    ];
    for (family, counter, now, expected) in cases {
        assert_eq!(
            family.redeem(counter, UnixSeconds(now)),
            expected,
            "{counter} at {now}"
        );
    }
}

/// Two threads of one client refresh with the same token: one wins the compare-and-set, the other
/// reads again, and both hold the same successor.
#[test]
fn parallel_refreshes_of_an_honest_client_end_with_one_token() {
    let now = UnixSeconds(50);
    let stored = Family::begin(UnixSeconds(0));
    let Redemption::Advance(won) = stored.redeem(0, now) else {
        panic!("the newest token must advance");
    };
    assert_eq!(won.redeem(0, now), Redemption::Repeat);
    assert_eq!(won.current, 1);
}

proptest! {
    #[test]
    fn whatever_refresh_token_is_spelled_is_read_back(
        partition in any::<u16>(), family in any::<[u8; 16]>(), counter in any::<u32>(),
    ) {
        let token = RefreshToken { partition, family: FamilyId(family), counter };
        prop_assert_eq!(read(token.spell(&key(), &salt(2)).as_str()), Ok(token));
    }

    #[test]
    fn any_flipped_bit_of_a_refresh_token_is_refused(counter in any::<u32>(), bit in 0..BYTES * 8) {
        let token = RefreshToken { counter, ..TOKEN };
        let good = token.spell(&key(), &salt(2));
        let mut bytes = URL_SAFE_NO_PAD.decode(&good.as_str()[PREFIX.len()..]).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = format!("tg_rt_{}", URL_SAFE_NO_PAD.encode(bytes));
        prop_assert!(read(&flipped).is_err());
    }

    #[test]
    fn a_refresh_token_has_one_spelling(at in 0..SPELLED_BYTES, byte in any::<u8>()) {
        let good = TOKEN.spell(&key(), &salt(2));
        let mut text = good.as_str().as_bytes().to_vec();
        text[at] = byte;
        let is_taken = PresentedRefresh::parse(&text)
            .and_then(|presented| presented.verify(&key(), &salt(2)))
            .is_ok();
        prop_assert_eq!(is_taken, text == good.as_str().as_bytes());
    }

    #[test]
    fn only_one_counter_ever_advances_a_family(current in any::<u32>(), counter in any::<u32>(), now in any::<u64>()) {
        let family = Family { current, advanced_at: UnixSeconds(1000), standing: Standing::Live };
        if let Redemption::Advance(next) = family.redeem(counter, UnixSeconds(now)) {
            prop_assert_eq!(counter, current);
            prop_assert_eq!(next.current, current + 1);
        }
    }
}
