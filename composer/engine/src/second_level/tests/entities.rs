//! What lies in Redis is as old as it was when it was stored, and as much older as it lay there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use composer_core::freshness::Freshness;

use super::super::entity::{HEAD_BYTES, Moment, Seen, Sighted};
use super::orders::{Site, key};
use crate::cache::{Age, Entry};

fn moment(at: Instant) -> Moment {
    Moment {
        sent: at,
        answered: at,
        at: 1_000_000,
    }
}

fn read(site: &Site, bytes: &[u8], left: i64, held: Option<Instant>) -> Sighted {
    let of = (&site.lookup, &site.terms);
    let held_there = (bytes.to_vec(), left, false);
    site.names
        .read(of, (&key(), held), held_there, moment(site.now))
}

fn place(site: &Site) -> Seen {
    let Sighted::Unknown(Some(seen)) = read(site, &[b'P'; HEAD_BYTES], 1_000, None) else {
        panic!("it is a place");
    };
    seen
}

fn known(sighted: Sighted) -> Option<Arc<Entry>> {
    match sighted {
        Sighted::Known(entry) => Some(entry),
        Sighted::Unknown(_) => None,
        Sighted::Wrong(..) => panic!("it is sound"),
    }
}

#[test]
fn an_entity_is_used_for_as_long_as_it_has_left_and_no_longer() {
    let site = Site::sound();
    let writing = site.names.write(&key(), place(&site), &site.entry(3));
    let writing = writing.unwrap();
    assert_eq!(writing.until, 1_010_000);
    let seconds = Duration::from_secs;
    for (left, over) in [(10_000, 10), (4_000, 4), (1_000, 1)] {
        let found = known(read(&site, &writing.value, left, None)).unwrap();
        assert_eq!(found.age(site.now), Age::Fresh, "{left}");
        assert_eq!(found.known, site.now - seconds(10 - over), "{left}");
        let end = site.now + seconds(over);
        assert_ne!(found.age(end), Age::Fresh, "{left}");
    }
    for left in [0, -1, -2] {
        assert!(known(read(&site, &writing.value, left, None)).is_none());
    }
}

#[test]
fn what_is_held_here_is_given_up_for_what_is_newer_alone() {
    let site = Site::sound();
    let writing = site.names.write(&key(), place(&site), &site.entry(3));
    let value = writing.unwrap().value;
    // It was learned four seconds ago.
    let learned = site.now.checked_sub(Duration::from_secs(4)).unwrap();
    let before = learned.checked_sub(Duration::from_millis(1)).unwrap();
    assert!(known(read(&site, &value, 6_000, Some(before))).is_some());
    assert!(known(read(&site, &value, 6_000, Some(learned))).is_none());
    assert!(known(read(&site, &value, 6_000, Some(site.now))).is_none());
}

/// What is read is as it was said and for no longer than either of both would have kept it.
#[test]
fn of_who_stored_it_and_who_reads_it_the_stricter_counts() {
    let seconds = Duration::from_secs;
    #[rustfmt::skip]
    let cases = [
        // Stored, of a record or of none; kept here; left there; then fresh and stale from now on.
        (true,  (10, 5, 50), (60, 9, 9, 90), 10, (10, 5, 50)),
        (true,  (10, 50, 5), (60, 9, 9, 90), 10, (10, 9, 5)),
        (true,  (10, 5, 50), (6, 60, 0, 90), 10, (6, 0, 50)),
        (true,  (10, 5, 50), (6, 60, 9, 0),  8,  (4, 5, 0)),
        (true,  (10, 5, 50), (6, 60, 9, 90), 5,  (1, 5, 50)),
        (true,  (10, 5, 50), (6, 60, 9, 90), 4,  (0, 0, 0)),
        (false, (10, 0, 0),  (60, 3, 9, 90), 10, (3, 0, 0)),
        (false, (10, 0, 0),  (60, 3, 9, 90), 8,  (1, 0, 0)),
        (false, (10, 0, 0),  (60, 3, 9, 90), 7,  (0, 0, 0)),
        (false, (10, 0, 0),  (60, 0, 9, 90), 10, (0, 0, 0)),
        // Nothing can have more left than it had.
        (true,  (10, 5, 50), (60, 9, 9, 90), 99, (10, 5, 50)),
    ];
    for (is_record, stored, kept, left, expected) in cases {
        let mut site = Site::sound();
        let mut entry = Entry::clone(&site.entry(3));
        entry.record = entry.record.filter(|_| is_record);
        entry.control.public = true;
        entry.freshness = Some(Freshness {
            fresh: seconds(stored.0),
            stale_while_revalidate: seconds(stored.1),
            stale_if_error: seconds(stored.2),
            said: seconds(7),
        });
        let writing = site.names.write(&key(), place(&site), &entry).unwrap();
        (site.terms.ttl, site.terms.missing) = (seconds(kept.0), seconds(kept.1));
        site.terms.stale_while_revalidate = seconds(kept.2);
        site.terms.stale_if_error = seconds(kept.3);
        let found = known(read(&site, &writing.value, left * 1_000, None));
        let case = format!("{stored:?} {kept:?} {left}");
        let Some(found) = found else {
            assert_eq!(expected.0, 0, "{case}");
            continue;
        };
        let freshness = found.freshness.unwrap();
        let fresh = (found.known + freshness.fresh).saturating_duration_since(site.now);
        // A little less, so that not all of it ends together.
        assert!(fresh <= seconds(expected.0), "{case}: {fresh:?}");
        assert!(fresh >= seconds(expected.0) * 8 / 9, "{case}: {fresh:?}");
        let stale = (freshness.stale_while_revalidate, freshness.stale_if_error);
        assert_eq!(stale, (seconds(expected.1), seconds(expected.2)), "{case}");
        assert_eq!((freshness.said, found.control), (seconds(7), entry.control));
    }
}

/// The clock of Redis is read between asking and being answered, and nobody knows when.
#[test]
fn on_the_way_to_redis_and_back_an_entity_grows_older_and_never_younger() {
    let site = Site::sound();
    let seconds = Duration::from_secs;
    let asked = Moment {
        sent: site.now - seconds(2),
        answered: site.now,
        at: 1_000_000,
    };
    let of = (&site.lookup, &site.terms);
    let there = (vec![b'R'; HEAD_BYTES], 1_000, false);
    let Sighted::Unknown(Some(seen)) = site.names.read(of, (&key(), None), there, asked) else {
        panic!("it is a place");
    };
    // The service was asked after that, and ten seconds count from when it had answered.
    let mut entry = Entry::clone(&site.entry(3));
    entry.known = asked.answered + seconds(3);
    let writing = site.names.write(&key(), seen, &entry).unwrap();
    assert_eq!(writing.until, 1_013_000);
    let there = (writing.value, 10_000, false);
    let found = known(site.names.read(of, (&key(), None), there, asked)).unwrap();
    assert_eq!(found.known, asked.sent);
}

#[test]
fn an_entity_takes_the_place_of_one_that_was_there() {
    let site = Site::sound();
    let first = site
        .names
        .write(&key(), place(&site), &site.entry(3))
        .unwrap();
    let held = Some(site.now);
    let Sighted::Unknown(Some(seen)) = read(&site, &first.value, 10_000, held) else {
        panic!("what is held is as new");
    };
    let second = site.names.write(&key(), seen, &site.entry(4)).unwrap();
    assert_eq!(second.seen, first.value);
    let found = known(read(&site, &second.value, 10_000, None)).unwrap();
    assert_eq!(found.record, site.entry(4).record);
}
