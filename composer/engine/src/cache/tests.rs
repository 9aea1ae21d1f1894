use bytes::Bytes;

use super::*;
use crate::scope::Scope;

fn clock() -> Clock {
    Clock::default()
}

fn slot(key: &str) -> Slot {
    Slot {
        scope: Scope::Shared,
        key: key.into(),
    }
}

fn entry(version: Option<&str>, bytes: usize) -> Arc<Entry> {
    let text = format!("\"{}\"", "x".repeat(bytes));
    Arc::new(Entry {
        record: Some(Json::parse(&Bytes::from(text)).unwrap()),
        version: version.map(Into::into),
        validators: Vec::new(),
        headers: HeaderMap::new(),
        control: Control::default(),
        freshness: Some(Freshness {
            fresh: Duration::from_secs(10),
            stale_while_revalidate: Duration::from_secs(5),
            stale_if_error: Duration::from_secs(20),
            said: Duration::ZERO,
        }),
        origin: Origin::Fetched,
        known: clock().now(),
    })
}

#[test]
fn an_entry_ages_from_fresh_to_dead() {
    let entry = entry(None, 1);
    #[rustfmt::skip]
    let cases = [
        (0,      Age::Fresh),
        (9_999,  Age::Fresh),
        (10_000, Age::Refreshable),
        (14_999, Age::Refreshable),
        (15_000, Age::Stale),
        (29_999, Age::Stale),
        (30_000, Age::Dead),
    ];
    for (millis, expected) in cases {
        let now = entry.known + Duration::from_millis(millis);
        assert_eq!(entry.age(now), expected, "{millis}");
        let reuse = (expected == Age::Fresh).then(|| entry.reuse(now));
        assert_eq!(entry.reuse_while_fresh(now), reuse, "{millis}");
    }
}

#[test]
fn a_scan_of_ten_times_its_size_leaves_a_cache_within_its_bound() {
    let bytes_max = 1024 * 1024;
    let generations = Arc::new(Generations::new());
    let cache = Cache::new(bytes_max, Duration::from_secs(60), Arc::clone(&generations));
    let mut most = 0;
    for number in 0..10 * 1024 {
        let slot = slot(&number.to_string());
        let generation = generations.of(&slot.key);
        cache.keep(&slot, generation, &entry(None, 1024));
        most = most.max(cache.bytes());
    }
    assert!(cache.count() > 500, "{}", cache.count());
    assert!(most <= bytes_max as u64, "{most}");
}

#[test]
fn what_is_often_used_survives_a_scan() {
    let generations = Arc::new(Generations::new());
    let cache = Cache::new(1 << 20, Duration::from_secs(60), Arc::clone(&generations));
    let keep = |key: &str| cache.keep(&slot(key), generations.of(key), &entry(None, 1024));
    keep("7");
    for number in 1_000..11_000 {
        assert!(cache.find(&slot("7")).is_some(), "{number}");
        keep(&number.to_string());
    }
}

#[test]
fn an_entry_as_large_as_an_answer_may_be_is_kept() {
    let generations = Arc::new(Generations::new());
    let bytes_max = 64 << 20;
    let cache = Cache::new(bytes_max, Duration::from_secs(60), Arc::clone(&generations));
    for number in 0..32 {
        let slot = slot(&number.to_string());
        cache.keep(&slot, generations.of(&slot.key), &entry(None, 8 << 20));
        assert!(cache.find(&slot).is_some(), "{number}");
        assert!(cache.bytes() <= bytes_max as u64, "{}", cache.bytes());
    }
}

#[test]
fn what_outlived_its_life_is_given_up() {
    let generations = Arc::new(Generations::new());
    let life = Duration::from_secs(60);
    let cache = Cache::new(1 << 20, life, Arc::clone(&generations));
    let entry = entry(None, 1);
    cache.keep(&slot("7"), generations.of("7"), &entry);
    cache.settle(entry.known + life - Duration::from_millis(1));
    assert_eq!(cache.count(), 1);
    cache.settle(entry.known + life);
    assert_eq!((cache.count(), cache.bytes()), (0, 0));
}

/// What is given up is of no use even to those who may use it longest.
#[test]
fn an_entry_outlives_all_that_it_may_be_used_for() {
    let seconds = Duration::from_secs;
    for (ttl, missing, refreshed, failed) in [
        (10, 0, 0, 0),
        (10, 60, 0, 0),
        (10, 0, 300, 5),
        (10, 0, 5, 300),
        (0, 0, 0, 0),
    ] {
        let terms = plan::Cache {
            ttl: seconds(ttl),
            missing: seconds(missing),
            stale_while_revalidate: seconds(refreshed),
            stale_if_error: seconds(failed),
            bytes_max: 0,
        };
        // Both may be a tenth longer.
        let fresh = seconds(ttl.max(missing)) * 11 / 10;
        let longest = fresh + seconds(refreshed.max(failed));
        assert!(life(&terms) >= longest, "{terms:?}");
    }
}

#[test]
fn an_older_version_never_takes_the_place_of_a_newer_one() {
    let generations = Arc::new(Generations::new());
    let cache = Cache::new(1 << 20, Duration::from_secs(60), Arc::clone(&generations));
    let slot = slot("7");
    let held = |cache: &Cache| cache.find(&slot).and_then(|entry| entry.version.clone());
    for (version, expected) in [("9", "9"), ("10", "10"), ("9", "10"), ("11", "11")] {
        cache.keep(&slot, generations.of("7"), &entry(Some(version), 1));
        assert_eq!(held(&cache).as_deref(), Some(expected));
    }
    // What was invalidated is no reason to refuse anything.
    generations.invalidate("7");
    assert_eq!(held(&cache), None);
    cache.keep(&slot, generations.of("7"), &entry(Some("3"), 1));
    assert_eq!(held(&cache).as_deref(), Some("3"));
}

#[test]
fn an_invalidation_reaches_every_scope_and_no_other_key() {
    let generations = Arc::new(Generations::new());
    let cache = Cache::new(1 << 20, Duration::from_secs(60), Arc::clone(&generations));
    let of = |scope: &str, key: &str| Slot {
        scope: Scope::Private(scope.as_bytes().into()),
        key: key.into(),
    };
    let all = [of("a", "1"), of("b", "1"), of("a", "2")];
    for slot in &all {
        cache.keep(slot, generations.of(&slot.key), &entry(None, 1));
    }
    generations.invalidate("1");
    let found: Vec<_> = all.iter().map(|slot| cache.find(slot).is_some()).collect();
    assert_eq!(found, [false, false, true]);
    generations.invalidate_all();
    assert!(cache.find(&all[2]).is_none());
}
