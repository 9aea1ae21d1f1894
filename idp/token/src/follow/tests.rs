use crate::lease::{LEASE_DEFAULT, Tolerance, Trust};
use crate::log::{Beat, Hello, Kind};
use crate::session::SessionId;
use crate::time::UnixSeconds;

use super::*;

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

fn fence() -> Fence {
    Fence::new(&[1; 16], 1 << 16, 4, Seq(5))
}

fn read(follower: &mut Follower, fence: &Fence, began: BootTime, entries: &[Entry]) -> Followed {
    let read = Read {
        began,
        entries,
        is_whole: true,
    };
    follower.read(fence, read)
}

fn beat(number: u64, seq: u64) -> Entry {
    let seq = Seq(seq);
    Entry::Beat(Beat { number, seq })
}

fn change(seq: u64, target: Target) -> Entry {
    Entry::Change(Change {
        seq: Seq(seq),
        target,
        kind: Kind::Ended,
        at: UnixSeconds(1),
        until: None,
    })
}

#[test]
fn each_change_voids_what_is_remembered_of_its_target() {
    let id = SessionId([0xab; 16]);
    let name = || "ann".to_owned();
    let targets = [
        Target::Session(id),
        Target::Subject(name()),
        Target::Client(name()),
        Target::Tenant(name()),
        Target::Realm,
    ];
    let session = id.to_string();
    for (only, target) in targets.into_iter().enumerate() {
        let fence = fence();
        let filled = fence.stamp();
        let marks = [
            fence.marks(&session, "", "", "bank"),
            fence.marks("", "ann", "", "bank"),
            fence.marks("", "", "ann", "bank"),
            fence.marks("", "", "", "ann"),
        ];
        let mut follower = Follower::new(LEASE_DEFAULT);
        let followed = read(&mut follower, &fence, at(1), &[change(6, target)]);
        assert_eq!(followed, Followed::InOrder);
        for (mark, marks) in marks.iter().enumerate() {
            let is_voided = only == 4 || only == mark;
            assert_eq!(fence.holds(filled, marks), !is_voided, "{only} {mark}");
        }
    }
}

/// Reads without and with beats of relays that know as much, more and less than the reader.
#[test]
fn a_beat_counts_only_with_all_that_was_published_before_it() {
    let seen_by = |seqs: [u64; 2]| {
        let fence = fence();
        let filled = fence.stamp();
        let marks = fence.marks("s", "u", "c", "t");
        let mut follower = Follower::new(LEASE_DEFAULT);
        read(&mut follower, &fence, at(10), &[]);
        let first = read(&mut follower, &fence, at(11), &[beat(1, seqs[0])]);
        let second = read(&mut follower, &fence, at(12), &[beat(2, seqs[1])]);
        let has_gap = [first, second].contains(&Followed::Gap);
        assert_eq!(fence.holds(filled, &marks), !has_gap, "{seqs:?}");
        (has_gap, follower.lease().fresh_at())
    };
    let cases = [
        ([5, 5], (false, Some(at(10)))),
        // Change 6 was missed. All that was remembered is void, so nothing old is left.
        ([5, 6], (true, Some(at(10)))),
        ([6, 6], (true, Some(at(10)))),
        ([5, 4], (false, None)),
        ([4, 4], (false, None)),
        ([4, 5], (false, None)),
        ([6, 5], (true, None)),
    ];
    for (seqs, expected) in cases {
        assert_eq!(seen_by(seqs), expected, "{seqs:?}");
    }
}

#[test]
fn a_beat_of_somebody_who_knows_less_is_as_good_as_none() {
    let fence = fence();
    let mut follower = Follower::new(LEASE_DEFAULT);
    read(&mut follower, &fence, at(10), &[beat(1, 4)]);
    read(&mut follower, &fence, at(11), &[beat(2, 5)]);
    read(&mut follower, &fence, at(12), &[beat(3, 5)]);
    assert_eq!(follower.lease().fresh_at(), Some(at(10)));
    assert_eq!(
        follower.lease().trust(Tolerance::Strict, at(11)),
        Trust::Fresh
    );
}

fn page(first: u64, next: u64, entries: Vec<Entry>) -> Page {
    let hello = Hello {
        run: 1,
        first: Seq(first),
        next: Seq(next),
        has_more: false,
    };
    Page { hello, entries }
}

#[test]
fn a_log_that_has_forgotten_too_much_voids_everything_and_goes_on() {
    let fence = fence();
    let filled = fence.stamp();
    let marks = fence.marks("s", "u", "c", "t");
    let mut follower = Follower::new(LEASE_DEFAULT);
    let entries = vec![change(8, Target::Realm), change(9, Target::Realm)];
    let found = follower.read_page(&fence, at(1), &page(8, 10, entries));
    assert_eq!(found, Ok(Followed::Gap));
    assert!(!fence.holds(filled, &marks));
    assert_eq!(fence.stamp().seq(), Seq(9));

    let found = follower.read_page(&fence, at(2), &page(9, 10, vec![beat(1, 9)]));
    assert_eq!(found, Ok(Followed::InOrder));
    // The very next change is still kept: nothing is missing.
    let found = follower.read_page(&fence, at(3), &page(10, 10, vec![beat(2, 9)]));
    assert_eq!(found, Ok(Followed::InOrder));
    assert_eq!(follower.lease().fresh_at(), Some(at(1)));
}

#[test]
fn a_log_that_ends_too_early_is_not_listened_to() {
    let fence = fence();
    let filled = fence.stamp();
    let marks = fence.marks("s", "u", "c", "t");
    let mut follower = Follower::new(LEASE_DEFAULT);
    for number in 1..5 {
        let found = follower.read_page(&fence, at(number), &page(1, 5, vec![beat(number, 4)]));
        assert_eq!(found, Err(Gap::Ahead { next: Seq(5) }));
    }
    assert_eq!(follower.lease().fresh_at(), None);
    assert!(!fence.holds(filled, &marks));
}

#[test]
fn what_was_lost_is_void_and_no_beat_is_continued() {
    let fence = fence();
    let filled = fence.stamp();
    let marks = fence.marks("s", "u", "c", "t");
    let mut follower = Follower::new(LEASE_DEFAULT);
    read(&mut follower, &fence, at(10), &[]);
    read(&mut follower, &fence, at(11), &[beat(1, 5)]);
    follower.lose(&fence);
    assert!(!fence.holds(filled, &marks));
    read(&mut follower, &fence, at(12), &[beat(2, 5)]);
    assert_eq!(follower.lease().fresh_at(), None);
}

/// Beat 2 was there when the read of 20 was answered, in the part that was left out.
#[test]
fn a_read_that_leaves_something_out_does_not_show_that_a_beat_was_not_there() {
    let fence = fence();
    let mut follower = Follower::new(LEASE_DEFAULT);
    read(&mut follower, &fence, at(10), &[]);
    let first = [beat(1, 5)];
    let cut = Read {
        began: at(20),
        entries: &first,
        is_whole: false,
    };
    follower.read(&fence, cut);
    read(&mut follower, &fence, at(30), &[beat(2, 5)]);
    read(&mut follower, &fence, at(40), &[beat(3, 5)]);
    assert_eq!(follower.lease().fresh_at(), Some(at(10)));
    read(&mut follower, &fence, at(50), &[beat(4, 5)]);
    assert_eq!(follower.lease().fresh_at(), Some(at(20)));
    read(&mut follower, &fence, at(60), &[beat(5, 5)]);
    assert_eq!(follower.lease().fresh_at(), Some(at(40)));
}
