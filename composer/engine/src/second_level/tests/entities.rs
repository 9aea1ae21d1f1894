//! What lies in Redis is as old as it was when it was stored, and as much older as it lay there.

use std::sync::Arc;
use std::time::{Duration, Instant};

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
