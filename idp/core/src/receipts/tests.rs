//! Who is waited for, until when, and who is forgotten. Gateways themselves are in `simulation`.

use super::*;

use idp_token::ask::report::Reading;

mod simulation;

const LEASE: Duration = Duration::from_secs(1);

fn at(millis: u64) -> BootTime {
    BootTime(Duration::from_millis(millis))
}

fn gateway(number: u16) -> GatewayId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    GatewayId(id)
}

fn report(number: u16, applied: u64) -> Report {
    Report {
        gateway: gateway(number),
        lease: LEASE,
        applied: Seq(applied),
        reading: Reading::Redis,
    }
}

/// Some moment.
const NOW: u64 = 200_000;

fn awaited(seq: u64, committed_by: u64) -> Awaited {
    Awaited {
        seq: Seq(seq),
        committed_by: at(committed_by),
    }
}

fn everywhere() -> Standing {
    Standing {
        missing: Vec::new(),
        until: None,
    }
}

#[test]
fn a_change_is_everywhere_when_all_say_so() {
    let mut receipts = Receipts::first();
    receipts.note(&report(1, 7), at(NOW)).unwrap();
    receipts.note(&report(2, 6), at(NOW)).unwrap();
    let asked = awaited(7, NOW);
    let missing = Standing {
        missing: vec![gateway(2)],
        until: Some(at(NOW + 1011)),
    };
    assert_eq!(receipts.standing(asked, at(NOW)), missing);
    assert_eq!(receipts.standing(awaited(6, NOW), at(NOW)), everywhere());

    receipts.note(&report(2, 7), at(NOW + 5)).unwrap();
    assert_eq!(receipts.standing(asked, at(NOW + 5)), everywhere());
    // A report that comes late takes nothing back.
    receipts.note(&report(2, 6), at(NOW + 6)).unwrap();
    assert_eq!(receipts.standing(asked, at(NOW + 6)), everywhere());
}

#[test]
fn a_silent_gateway_is_waited_for_until_its_lease_has_lapsed_since_the_commit() {
    let mut receipts = Receipts::first();
    receipts.note(&report(1, 6), at(NOW)).unwrap();
    let asked = awaited(7, NOW + 500);
    let standing = receipts.standing(asked, at(NOW + 1510));
    assert_eq!(standing.missing, [gateway(1)]);
    assert_eq!(standing.until, Some(at(NOW + 1511)));
    assert_eq!(receipts.standing(asked, at(NOW + 1511)), everywhere());
    // It is not over with it: the next change is waited for again.
    let next = receipts.standing(awaited(8, NOW + 2000), at(NOW + 2000));
    assert_eq!(next.missing, [gateway(1)]);
}

#[test]
fn the_longest_lease_that_a_gateway_named_counts_and_the_longest_of_all() {
    let mut receipts = Receipts::first();
    let longer = Report {
        lease: 3 * LEASE,
        ..report(1, 6)
    };
    receipts.note(&longer, at(NOW)).unwrap();
    receipts.note(&report(1, 6), at(NOW)).unwrap();
    receipts.note(&report(2, 6), at(NOW)).unwrap();
    let standing = receipts.standing(awaited(7, NOW), at(NOW));
    assert_eq!(standing.missing, [gateway(1), gateway(2)]);
    assert_eq!(standing.until, Some(at(NOW + 3031)));
}

#[test]
fn those_of_an_earlier_process_are_waited_for_until_they_would_have_reported() {
    let receipts = Receipts::take_over(at(0));
    let until = |committed_by, now| {
        let standing = receipts.standing(awaited(7, committed_by), at(now));
        assert!(standing.missing.is_empty());
        standing.until
    };
    assert_eq!(until(10, 10), Some(at(10 + 60_601)));
    assert_eq!(until(10, 60_611), None);
    assert_eq!(until(100_000, 100_000), Some(at(121_201)));
    assert_eq!(until(100_000, 121_201), None);
}

#[test]
fn a_gateway_is_forgotten_when_it_can_trust_nothing_any_more() {
    let mut receipts = Receipts::first();
    receipts.note(&report(1, 6), at(NOW)).unwrap();
    let missing = |now| receipts.standing(awaited(7, now), at(now)).missing;
    assert_eq!(missing(NOW + 121_200), [gateway(1)]);
    assert!(missing(NOW + 121_201).is_empty());
    assert_eq!(receipts.members(at(NOW + 121_200)).count(), 1);
    assert_eq!(receipts.members(at(NOW + 121_201)).count(), 0);
}

#[test]
fn there_is_room_for_so_many_and_again_when_some_are_forgotten() {
    let mut receipts = Receipts::first();
    let (first, rest) = (NOW, NOW + 1000);
    receipts.note(&report(0, 1), at(first)).unwrap();
    for number in 1..256 {
        receipts.note(&report(number, 1), at(rest)).unwrap();
    }
    assert_eq!(receipts.note(&report(256, 1), at(rest)), Err(Crowded));
    assert_eq!(receipts.note(&report(255, 2), at(rest)), Ok(()));
    assert_eq!(
        receipts.note(&report(256, 1), at(first + 121_200)),
        Err(Crowded)
    );
    assert_eq!(receipts.note(&report(256, 1), at(first + 121_201)), Ok(()));
    assert_eq!(receipts.gateways.len(), GATEWAYS_MAX);
}
