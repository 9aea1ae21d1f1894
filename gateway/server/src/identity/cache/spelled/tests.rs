use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use gateway_core::caller::Caller;
use idp_token::digest::Tid;
use idp_token::epoch::Seq;
use idp_token::fence::Fence;
use idp_token::session::SessionId;
use idp_token::time::{BootTime, UnixSeconds};

use super::*;
use crate::identity::entry::Value;

fn digest(number: u64) -> TokenDigest {
    TokenDigest::of(&number.to_be_bytes())
}

struct Maker(Fence);

impl Maker {
    fn new() -> Self {
        Self(Fence::new(&[1; 16], 16, 16, Seq::NONE))
    }

    /// An entry whose subject says which token it is of, and which version of it.
    fn entry(&self, number: u64, version: u64) -> Arc<Entry> {
        let digest = digest(number);
        let caller = Caller {
            tid: Tid::of(&digest),
            session: Some(SessionId([1; 16])),
            subject: format!("{number}.{version}").into(),
            rights: Arc::default(),
            auth_time: None,
        };
        let value = Value {
            text: "v".repeat(500).as_str().into(),
            renews_at: UnixSeconds(10),
            expires_at: UnixSeconds(20),
        };
        let marks = self.0.marks("s", "u", "c", "t");
        let ends_at = UnixSeconds(100);
        Arc::new(Entry::new(
            (digest, caller),
            (self.0.stamp(), marks),
            Some(value),
            (ends_at, None),
            BootTime(Duration::from_secs(1)),
        ))
    }
}

fn subject(cache: &Spelled, number: u64) -> Option<String> {
    let found = cache.find(&digest(number))?;
    found.as_ref().map(|entry| entry.caller.subject.to_string())
}

#[test]
fn a_token_is_known_by_its_digest_and_by_the_latest_that_was_learned() {
    let (cache, maker) = (Spelled::new(1 << 20), Maker::new());
    assert_eq!(subject(&cache, 1), None);
    cache.insert(maker.entry(1, 1));
    cache.insert(maker.entry(2, 1));
    let bytes = cache.bytes();
    cache.insert(maker.entry(1, 2));
    assert_eq!(subject(&cache, 1).as_deref(), Some("1.2"));
    assert_eq!(subject(&cache, 2).as_deref(), Some("2.1"));
    assert_eq!(cache.bytes(), bytes, "what was replaced is gone");

    cache.remove(&digest(1));
    assert_eq!(subject(&cache, 1), None);
    assert_eq!(subject(&cache, 2).as_deref(), Some("2.1"));
    cache.remove(&digest(1));
    cache.remove(&digest(2));
    assert_eq!(cache.bytes(), Spelled::new(1 << 20).bytes());
}

#[test]
fn what_is_remembered_never_takes_more_than_it_may() {
    let (cache, maker) = (Spelled::new(1 << 20), Maker::new());
    for number in 0..5_000 {
        cache.insert(maker.entry(number, 1));
        assert!(cache.bytes() <= 1 << 20, "{} after {number}", cache.bytes());
    }
    let left = (0..5_000).filter(|number| subject(&cache, *number).is_some());
    let left = left.count();
    assert!(left > 800, "{left} of what fits");
}

#[test]
fn what_is_used_stays_and_what_is_not_goes() {
    let (cache, maker) = (Spelled::new(1 << 20), Maker::new());
    let mut lost = 0;
    for number in 100..10_000 {
        cache.insert(maker.entry(number, 1));
        for hot in 0..100 {
            if subject(&cache, hot).is_none() {
                cache.insert(maker.entry(hot, 1));
                lost += 1;
            }
        }
    }
    // Of nearly a million uses; each of them was there once for the first time.
    assert!(lost < 500, "{lost}");
    let left = (100..9_000).filter(|number| subject(&cache, *number).is_some());
    assert!(left.count() < 1_100, "what nobody uses is kept");
}

#[test]
fn a_read_finds_that_token_and_no_other_while_all_places_change() {
    // A few sets only, so that everybody is at the same places.
    let (cache, maker) = (Spelled::new(16 << 10), Maker::new());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..2 {
            let (cache, maker, is_over) = (&cache, &maker, &is_over);
            scope.spawn(move || {
                let mut found = 0;
                while !is_over.load(Ordering::Relaxed) || found == 0 {
                    for number in 0..64 {
                        let Some(subject) = subject(cache, number) else {
                            continue;
                        };
                        let (of, _) = subject.split_once('.').unwrap();
                        assert_eq!(of, number.to_string(), "thread {thread}");
                        found += 1;
                        if number % 16 == 0 {
                            cache.remove(&digest(number));
                        } else if number % 5 == 0 {
                            cache.insert(maker.entry(number, 7));
                        }
                    }
                }
            });
        }
        for version in 0..400 {
            (0..64).for_each(|number| cache.insert(maker.entry(number, version)));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(cache.bytes() <= 16 << 10);
    (0..64).for_each(|number| cache.remove(&digest(number)));
    assert_eq!(
        cache.bytes(),
        Spelled::new(16 << 10).bytes(),
        "every byte was given back"
    );
}

#[test]
fn where_there_is_less_room_what_is_in_use_moves_and_the_rest_goes() {
    const ROOM: u64 = 1 << 20;
    let (cache, maker) = (Spelled::new(ROOM), Maker::new());
    let place = |number: u64| {
        let found = cache.find(&digest(number))?;
        found.as_ref().map(Arc::as_ptr)
    };
    (0..100).for_each(|number| cache.insert(maker.entry(number, 1)));
    let used: Vec<_> = (0..100).step_by(10).collect();
    let before: Vec<_> = used.iter().map(|number| place(*number)).collect();
    let fill = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| cache.insert(maker.entry(number, 1)));
    };

    cache.set_bytes_max(ROOM / 8 * 7);
    fill(100..130);
    let now: Vec<_> = used.iter().map(|number| place(*number)).collect();
    assert_eq!(now, before, "little less is as good");

    cache.set_bytes_max(ROOM / 8 * 7 - 1);
    let sets = cache.sets.len().div_ceil(TIDIED_AT_ONCE) as u64;
    fill(1000..1000 + sets);
    let now: Vec<_> = used.iter().map(|number| place(*number)).collect();
    assert!(now.iter().all(Option::is_some), "{now:?}");
    assert!(now.iter().zip(&before).all(|(now, before)| now != before));
    let left = (0..130).filter(|number| !used.contains(number) && place(*number).is_some());
    assert_eq!(left.count(), 0, "nobody used them");
    assert!((1000..1000 + sets).all(|number| place(number).is_some()));

    used.iter()
        .copied()
        .chain(1000..1000 + sets)
        .for_each(|number| {
            cache.remove(&digest(number));
        });
    assert_eq!(cache.bytes(), Spelled::new(ROOM).bytes());
}
