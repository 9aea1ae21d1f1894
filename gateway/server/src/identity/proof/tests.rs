use proptest::prelude::*;

use idp_token::lease::GRACE_DEFAULT;

use super::*;

const LEASE: Duration = Duration::from_secs(1);
const TOLERANT: Tolerance = Tolerance::Tolerant {
    grace: GRACE_DEFAULT,
};

fn at(millis: u64) -> BootTime {
    BootTime(Duration::from_millis(millis))
}

/// Fresh as of then, and a member from before that.
fn proved(fresh_at: u64, joined: u64) -> Proof {
    let proof = Proof::new(LEASE);
    let mut membership = Membership::default();
    membership.acknowledge(at(joined), at(joined));
    proof.note_membership(&membership);
    proof.note_fresh(at(fresh_at));
    proof
}

#[test]
fn the_lease_runs_out_by_the_clock_alone() {
    let proof = proved(10_000, 9_000);
    #[rustfmt::skip]
    let cases = [
        (10_000, Trust::Fresh, Trust::Fresh),
        (11_000, Trust::Fresh, Trust::Fresh),
        (11_001, Trust::Ask,   Trust::Grace),
        (70_000, Trust::Ask,   Trust::Grace),
        (70_001, Trust::Ask,   Trust::Ask),
        // Read before the proof was there.
        (9_999,  Trust::Ask,   Trust::Ask),
    ];
    for (now, strict, tolerant) in cases {
        assert_eq!(proof.trust(Tolerance::Strict, at(now)), strict, "{now}");
        assert_eq!(proof.trust(TOLERANT, at(now)), tolerant, "{now}");
    }
}

#[test]
fn without_proof_or_membership_nothing_is_served_on_the_lease() {
    let nothing = Proof::new(LEASE);
    assert_eq!(nothing.trust(TOLERANT, at(1)), Trust::Ask);
    assert_eq!(nothing.age(at(1)), None);

    let stranger = Proof::new(LEASE);
    stranger.note_fresh(at(10_000));
    assert_eq!(
        stranger.trust(Tolerance::Strict, at(10_001)),
        Trust::Ask,
        "nobody waits for it"
    );
    for now in [10_000, 10_001] {
        assert_eq!(stranger.trust(TOLERANT, at(now)), Trust::Grace);
    }

    let before_it_joined = proved(10_000, 10_001);
    assert_eq!(
        before_it_joined.trust(Tolerance::Strict, at(10_001)),
        Trust::Ask
    );
    let forgotten = proved(130_000, 9_000);
    assert_eq!(
        forgotten.trust(Tolerance::Strict, at(130_000)),
        Trust::Ask,
        "its membership is over"
    );
}

#[test]
fn what_is_proved_is_never_taken_back() {
    let proof = proved(10_000, 9_000);
    proof.note_fresh(at(9_500));
    assert_eq!(
        proof.age(at(10_500)),
        Some(Duration::from_millis(500)),
        "an older proof changes nothing"
    );
}

/// What a thread may see of a state that changes while it looks: each number as it was before or
/// after, in the order in which they are written and read.
fn torn(before: &Membership, after: &Membership, order: usize) -> Proof {
    let (old, new) = (before.span(), after.span());
    let proof = Proof::new(LEASE);
    // Seeing the new end means to see the new beginning: it is written first and read last.
    let (joined, until) = match order {
        0 => (old.map(|it| it.0), old.map(|it| it.1)),
        1 => (new.map(|it| it.0), old.map(|it| it.1)),
        _ => (new.map(|it| it.0), new.map(|it| it.1)),
    };
    if let Some(joined) = joined {
        proof.joined_at.raise(joined);
    }
    if let Some(until) = until {
        proof.member_until.raise(until);
    }
    proof
}

proptest! {
    #[test]
    fn a_torn_view_allows_nothing_that_neither_state_allows(
        sent in prop::collection::vec((0..400_u64, 0..5_u64), 1..6),
        (fresh, now) in (0..400_u64, 0..400_u64),
        order in 0..3_usize,
    ) {
        let mut after = Membership::default();
        let mut before = after.clone();
        let mut clock = 0;
        for (gap, took) in sent {
            before = after.clone();
            let at_sending = clock + gap * 1000;
            clock = at_sending + took * 1000;
            after.acknowledge(at(at_sending), at(clock));
        }
        let proof = torn(&before, &after, order);
        // Nobody reads the clock before what is read has come about.
        let (fresh, now) = (at(fresh * 1000 + 1), at(clock + now * 1000));
        let either = before.covers(fresh, now) || after.covers(fresh, now);
        prop_assert!(!proof.covers(fresh, now) || either);
    }
}
